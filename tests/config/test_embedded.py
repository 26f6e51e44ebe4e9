"""The embedded servers: started by whoever needs them, gone with the last who does."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from config.embedded import Embedded, EmbeddedError, join, leave, locate
from config.embedded.locations import CHECKOUT, postgresql_program, redis_program
from config.embedded.locks import has_guardian, users_lock

USER = """
import sys, time
from pathlib import Path
from config.embedded import join
join(Path(sys.argv[1]))
print("joined", flush=True)
sys.stdin.read()
"""


def ours(embedded: Embedded) -> dict[str, psutil.Process]:
    """Find the guardian and the two servers of one data directory, and only of that one."""
    marks = {
        "guardian": f"config.embedded.guardian {embedded.data} ",
        "postgresql": f"-D {embedded.postgresql} ",
        "redis": f"unixsocket:{embedded.redis_socket}",
    }
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline()) + " "
            for name, mark in marks.items():
                # Redis forks itself to save: the server is the one whose parent is not Redis.
                if mark in command and not _is_child_of(process, mark):
                    found[name] = process
    return found


def _is_child_of(process: psutil.Process, mark: str) -> bool:
    parent = process.parent()
    return parent is not None and mark in " ".join(parent.cmdline())


def eventually(condition: Callable[[], object], within: float = 60) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_stopping(embedded: Embedded) -> bool:
    """Whether the guardian lets nobody join any more."""
    with users_lock(embedded) as one_more:
        return not one_more.take(shared=True)


def nothing_left(embedded: Embedded) -> bool:
    # A guardian ends a moment after its servers.
    with contextlib.suppress(AssertionError):
        eventually(lambda: not ours(embedded))
    return not ours(embedded)


@contextlib.contextmanager
def connected(embedded: Embedded) -> Iterator["psycopg2.extensions.cursor"]:
    connection = psycopg2.connect(embedded.database_url)
    connection.autocommit = True
    try:
        yield connection.cursor()
    finally:
        connection.close()


def write(embedded: Embedded, value: str) -> None:
    with connected(embedded) as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        cursor.execute("INSERT INTO kept VALUES (%s)", [value])
    with redis.from_url(embedded.redis_url) as client:
        client.set(value, "kept")


def read(embedded: Embedded) -> tuple[list[str], list[str]]:
    with connected(embedded) as cursor:
        cursor.execute("SELECT value FROM kept ORDER BY value")
        rows = [value for (value,) in cursor.fetchall()]
    with redis.from_url(embedded.redis_url) as client:
        return rows, sorted(key.decode() for key in client.scan_iter())


def answers(embedded: Embedded) -> bool:
    try:
        read(embedded)
    except (psycopg2.Error, redis.RedisError):
        return False
    return True


@pytest.fixture
def fresh() -> Iterator[Path]:
    """Where a data directory of this test alone may be made; its servers are gone after it."""
    # Not tmp_path: its parents are closed to others, and one more way to get there is one test.
    directory = Path(tempfile.mkdtemp(prefix="tenantry-test-"))
    directory.chmod(0o755)
    yield directory / "data"
    leave(directory / "data")
    for process in ours(locate(directory / "data")).values():
        process.kill()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data directory that was used before, for the tests of this module to copy."""
    directory = Path(tempfile.mkdtemp(prefix="tenantry-test-"))
    directory.chmod(0o755)
    join(directory / "data")
    leave(directory / "data")
    yield directory / "data"
    shutil.rmtree(directory)


@pytest.fixture
def data(fresh: Path, template: Path) -> Path:
    """A data directory of this test alone, with the database made already."""
    subprocess.run(["cp", "-a", str(template), str(fresh)], check=True)
    return fresh


@pytest.fixture
def another_user(data: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Start processes that join the servers and live until they are killed."""
    started = []

    def start() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(data)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "joined\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_locating_servers_creates_nothing(fresh: Path) -> None:
    embedded = locate(fresh)

    assert not fresh.exists()
    assert embedded.database_url.startswith("postgresql://tenantry@%2F")
    assert embedded.redis_url.startswith("unix:///")


def test_redis_has_a_database_for_each_of_many_processes_that_run_tests(data: Path) -> None:
    used = join(data)
    with redis.from_url(used.redis_url, db=63) as client:
        client.set("beside", "kept")

    with redis.from_url(used.redis_url) as client:
        assert client.get("beside") is None


def test_the_first_join_makes_the_servers_and_the_last_to_leave_stops_them(fresh: Path) -> None:
    said: list[str] = []

    embedded = join(fresh, on_start=said.append)
    write(embedded, "a row")

    assert len(said) == 1
    assert set(ours(embedded)) == {"guardian", "postgresql", "redis"}

    leave(fresh)

    assert nothing_left(embedded)

    join(fresh)

    assert read(embedded) == (["a row"], ["a row"])


def test_joining_again_starts_nothing_and_waits_for_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = join(data)
    before = ours(embedded)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("it makes a process"))

    join(data, on_start=pytest.fail)

    monkeypatch.undo()
    assert ours(embedded) == before


def test_the_application_is_no_superuser_and_no_port_is_open(data: Path) -> None:
    embedded = join(data)

    with connected(embedded) as cursor:
        cursor.execute(
            "SELECT rolsuper, current_setting('listen_addresses'), current_setting('fsync')"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, "", "on")
    for process in ours(embedded).values():
        assert process.net_connections(kind="inet") == []
    assert embedded.sockets.stat().st_mode & 0o777 == 0o700


def test_servers_stay_while_another_user_lives(
    data: Path, another_user: Callable[[], "subprocess.Popen[str]"]
) -> None:
    embedded = join(data)
    before = ours(embedded)
    other = another_user()

    leave(data)

    assert ours(embedded) == before

    other.kill()

    eventually(lambda: nothing_left(embedded))


def test_many_who_join_at_once_share_one_guardian(fresh: Path) -> None:
    joining = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(fresh)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]

    outputs = [process.communicate()[0] for process in joining]

    assert outputs == ["joined\n"] * 5
    eventually(lambda: nothing_left(locate(fresh)))
    log = (fresh / "log" / "guardian.log").read_text()
    assert "Another process" not in log
    assert log.count("are ready") == log.count("are stopped")


def test_joining_while_the_servers_stop_waits_and_starts_them_again(data: Path) -> None:
    for _ in range(5):
        embedded = join(data)
        assert answers(embedded) or not (data / "kept").exists()
        write(embedded, "again")
        # Not leave(): it would wait until they have stopped.
        subprocess.run([sys.executable, "-c", USER, str(data)], cwd=CHECKOUT, input=b"", check=True)
        leave(data)
    subprocess.run([sys.executable, "-c", USER, str(data)], cwd=CHECKOUT, input=b"", check=True)
    eventually(lambda: not has_guardian(embedded) or is_stopping(embedded))

    embedded = join(data)

    assert read(embedded) == (["again"] * 5, ["again"])


def test_a_user_killed_without_warning_leaves_no_server_behind(
    data: Path, another_user: Callable[[], "subprocess.Popen[str]"]
) -> None:
    other = another_user()
    embedded = locate(data)
    write(embedded, "written before")

    other.send_signal(signal.SIGKILL)

    eventually(lambda: nothing_left(embedded))
    assert read(join(data)) == (["written before"], ["written before"])


def test_a_killed_guardian_takes_its_servers_along_and_the_next_join_heals(data: Path) -> None:
    embedded = join(data)
    write(embedded, "written before")
    before = ours(embedded)

    before["guardian"].kill()

    eventually(lambda: not ours(embedded))
    assert nothing_left(embedded)
    assert not has_guardian(embedded)

    join(data)

    assert read(embedded) == (["written before"], ["written before"])


def test_join_right_after_the_guardian_was_killed_waits_for_its_servers(data: Path) -> None:
    embedded = join(data)
    write(embedded, "written before")

    ours(embedded)["guardian"].kill()
    eventually(lambda: not has_guardian(embedded))
    join(data)

    assert read(embedded) == (["written before"], ["written before"])


@pytest.mark.parametrize("name", ["postgresql", "redis"])
def test_a_killed_server_is_started_again_with_its_data(data: Path, name: str) -> None:
    embedded = join(data)
    write(embedded, "written before")
    with redis.from_url(embedded.redis_url) as client:
        client.save()
    before = ours(embedded)

    before[name].kill()
    eventually(lambda: before[name] not in ours(embedded).values())

    eventually(lambda: answers(embedded))
    assert read(embedded) == (["written before"], ["written before"])
    assert ours(embedded)["guardian"] == before["guardian"]
    assert ours(embedded)[name] != before[name]
    assert "died; starting it again" in (data / "log" / "guardian.log").read_text()


def test_everything_killed_at_once_loses_no_row(data: Path) -> None:
    embedded = join(data)
    write(embedded, "written before")
    with redis.from_url(embedded.redis_url) as client:
        client.save()
    before = ours(embedded)

    for name in ("guardian", "postgresql", "redis"):
        before[name].kill()
    eventually(lambda: not ours(embedded))
    join(data)

    assert read(embedded) == (["written before"], ["written before"])


def test_a_stale_pid_that_passed_to_a_stranger_hinders_nothing(data: Path) -> None:
    embedded = join(data)
    write(embedded, "written before")
    leave(data)
    stranger = subprocess.Popen(
        ["sleep", "60"], user=embedded.postgresql.stat().st_uid if os.geteuid() == 0 else None
    )
    pid_file = embedded.postgresql / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{embedded.postgresql}\n0\n5432\n\n\n0 0\nready\n")
    (embedded.sockets / ".s.PGSQL.5432").touch()
    (embedded.sockets / "redis.sock").touch()

    try:
        join(data)

        assert read(embedded) == (["written before"], ["written before"])
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_removed_data_directory_ends_its_servers(data: Path) -> None:
    embedded = join(data)

    shutil.rmtree(data)

    eventually(lambda: not ours(embedded))
    assert answers(join(data)) is False  # A new, empty database: the table is not there.


@pytest.mark.parametrize("name", ["with some spaces & ünlaut", "long" * 40, "comma, 'quote' \"x\""])
def test_any_path_will_do(fresh: Path, name: str) -> None:
    place = fresh / name

    try:
        embedded = join(place)
        write(embedded, "a row")

        assert read(embedded) == (["a row"], ["a row"])
        assert len(os.fsencode(embedded.postgresql_socket)) <= 103
    finally:
        leave(place)
    if embedded.sockets.parent == Path("/tmp"):
        embedded.sockets.rmdir()


def test_a_foreign_socket_directory_is_refused(fresh: Path) -> None:
    embedded = locate(fresh / ("long" * 40))
    embedded.sockets.symlink_to("/etc")

    try:
        with pytest.raises(EmbeddedError) as refusal:
            join(embedded.data)
    finally:
        embedded.sockets.unlink()

    assert str(embedded.sockets) in refusal.value.message


def test_a_directory_with_other_things_in_it_is_refused(fresh: Path) -> None:
    photos = fresh / "postgresql" / "photo.jpg"
    photos.parent.mkdir(parents=True)
    photos.touch()

    with pytest.raises(EmbeddedError) as refusal:
        join(fresh)

    assert "holds no PostgreSQL cluster" in refusal.value.message
    assert photos.exists()
    assert nothing_left(locate(fresh))


def test_a_cluster_of_another_version_is_refused(data: Path) -> None:
    embedded = join(data)
    leave(data)
    (embedded.postgresql / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedError) as refusal:
        join(data)

    assert "made by PostgreSQL 17, but PostgreSQL 18 is installed" in refusal.value.message
    assert nothing_left(embedded)


def test_a_server_that_refuses_to_start_says_why(data: Path) -> None:
    embedded = join(data)
    leave(data)
    (embedded.postgresql / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(EmbeddedError) as refusal:
        join(data)

    assert "no_such_setting" in refusal.value.message
    assert str(embedded.log / "postgresql.log") in refusal.value.hint


def test_a_file_in_place_of_the_directory_is_refused(fresh: Path) -> None:
    fresh.touch()

    with pytest.raises(EmbeddedError) as refusal:
        join(fresh)

    assert "Set TENANTRY_DATA" in refusal.value.hint


def test_an_interrupted_first_start_leaves_no_half_database(fresh: Path) -> None:
    for delay in (0.1, 0.2, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(fresh)], cwd=CHECKOUT, stdin=subprocess.PIPE
        )
        eventually(lambda: "guardian" in ours(locate(fresh)))
        time.sleep(delay)
        for found in ours(locate(fresh)).values():
            found.kill()
        process.kill()
        process.communicate()

    embedded = join(fresh)
    write(embedded, "a row")

    assert read(embedded) == (["a row"], ["a row"])
    leave(fresh)
    join(fresh)
    assert list(fresh.glob("postgresql.unfinished-*")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("size", ["150m", "250m"])
def test_f10_a_full_disk_is_named(fresh: Path, size: str) -> None:
    fresh.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tenantry", str(fresh)])
    if mounted.returncode != 0:
        pytest.skip("this container may not mount")
    try:
        if size == "250m":
            join(fresh)
            leave(fresh)
            with contextlib.suppress(OSError), (fresh / "ballast").open("wb") as ballast:
                while True:
                    ballast.write(bytes(1_000_000))

        with pytest.raises(EmbeddedError) as refusal:
            join(fresh)

        expected = "MB are free on the disk" if size == "150m" else "is full"
        assert expected in refusal.value.message
        assert "Free some space" in refusal.value.hint
    finally:
        eventually(lambda: nothing_left(locate(fresh)))
        subprocess.run(["umount", str(fresh)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may close a directory to nobody")
def test_root_can_use_a_directory_closed_to_the_servers_user(data: Path) -> None:
    data.parent.chmod(0o700)

    embedded = join(data)
    write(embedded, "a row")

    assert read(embedded) == (["a row"], ["a row"])
    for name in ("postgresql", "redis"):
        assert ours(embedded)[name].uids().real == pwd.getpwnam("nobody").pw_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_runs_the_servers_as_itself(fresh: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    place = fresh.parent
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    # The checkout and the interpreter may be closed to that user: copy what it takes.
    shutil.copytree(CHECKOUT / "config" / "embedded", place / "code" / "config" / "embedded")
    shutil.copy(CHECKOUT / "config" / "processes.py", place / "code" / "config")
    for program, parents in ((postgresql_program("postgres"), 2), (redis_program(), 1)):
        wheel = program.parents[parents]
        shutil.copytree(wheel, place / "code" / wheel.name)
        libraries = wheel.with_name(f"{wheel.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, place / "code" / libraries.name)
    python = next(
        (path for path in (Path("/usr/bin/python3"), Path(sys.executable)) if _usable(path)), None
    )
    if python is None:
        pytest.skip("no Python that an ordinary user may run")

    finished = subprocess.run(
        [str(python), "-c", USER.replace("sys.stdin.read()", WHO), str(fresh)],
        cwd=place / "code",
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )

    assert finished.stderr == ""
    assert finished.stdout.splitlines()[-1] == f"{nobody.pw_uid} True"


WHO = """
embedded = join(Path(sys.argv[1]))
from config.embedded import leave
owner = embedded.postgresql.stat().st_uid
leave(Path(sys.argv[1]))
print(owner, not embedded.redis_socket.exists())
"""


def _usable(python: Path) -> bool:
    """Say whether user nobody can run this Python, and whether it is new enough."""
    try:
        status = subprocess.run(
            [str(python), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
            user="nobody",
            group="nogroup",
            extra_groups=[],
            cwd="/",
            capture_output=True,
        ).returncode
    except (OSError, LookupError):
        return False
    return status == 0
