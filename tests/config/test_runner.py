"""The runner behind `make up`: it starts everything, heals it, and leaves nothing behind."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from config.children import STOP_SECONDS
from config.embedded import leave, locate
from config.embedded.locations import CHECKOUT
from config.processes import session_members
from config.runner import CannotRunError, children, listening_on, read_options

# A runner with other children and preparations, given as JSON; all else is the real one.
STUB = """
import json, sys
from config import runner
table, preparations = json.loads(sys.argv[1])
def children(options, listening):
    descriptors = [one.fileno() for one in listening]
    return [
        runner.Child(name, [*command, *map(str, descriptors)], descriptors)
        for name, command in table
    ]
runner.run.__kwdefaults__["table"] = children
runner.run.__kwdefaults__["preparations"] = [
    runner.Preparation(done, command, is_shown=True) for done, command in preparations
]
sys.exit(runner.main())
"""

# Answers /healthz, and has a child of its own as a web server has workers.
WEB = """
import http.server, socket, subprocess, sys
subprocess.Popen(["sleep", "300"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=int(sys.argv[1]))
server.serve_forever()
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('at work', flush=True); time.sleep(300)"
)
SLEEPER = "import time; print('at work', flush=True); time.sleep(300)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


Table = Sequence[tuple[str, list[str]]]
WEB_AND_WORKER: Table = (("web", python(WEB)), ("worker", python(SLEEPER)))


class Runner:
    """One runner under test, with what it printed so far."""

    def __init__(self, data: Path, table: Table, preparations: Table, **variables: str) -> None:
        self.data = data
        self._log = data.with_name(f"{time.monotonic_ns()}.out")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*python(STUB), json.dumps([table, preparations])],
                cwd=CHECKOUT,
                env=os.environ | {"TENANTRY_DATA": str(data)} | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, words: str) -> None:
        eventually(lambda: words in self.said or self.process.poll() is not None, within=60)
        assert words in self.said, self.said

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, code: str) -> psutil.Process:
        return next(p for p in self.descendants() if code in p.cmdline())

    def end(self, signum: signal.Signals) -> int:
        self.process.send_signal(signum)
        return self.process.wait(60)


def eventually(condition: Callable[[], object], within: float = 60) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def lives(process: psutil.Process) -> bool:
    """Say whether a process still runs: one that waits to be reaped by init does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_about(*marks: str) -> list[psutil.Process]:
    """Find processes with one of the marks in their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline()) + " "
            if any(mark in command for mark in marks):
                found.append(process)
    return found


@pytest.fixture
def port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def data() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="tenantry-test-"))
    directory.chmod(0o755)
    yield directory / "data"
    leave(directory / "data")
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def up(data: Path, port: str) -> Iterator[Callable[..., Runner]]:
    """Start runners without embedded servers, unless URLs are set to nothing."""
    runners: list[Runner] = []
    urls = {"DATABASE_URL": "postgresql://elsewhere/x", "REDIS_URL": "redis://elsewhere"}

    def start(table: Table = WEB_AND_WORKER, preparations: Table = (), **given: str) -> Runner:
        runners.append(Runner(data, table, preparations, **{"PORT": port} | urls | given))
        return runners[-1]

    yield start
    for runner in runners:
        if runner.process.poll() is None:
            below = runner.descendants()
            runner.process.kill()
            runner.process.wait()
            for process in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "80 80", "8000.0", "٨٠٠٠"])
def test_a_port_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(CannotRunError, match="not a port"):
        read_options({"PORT": value})


def test_without_variables_the_defaults_hold() -> None:
    options = read_options({})

    assert options.port == 8000
    assert options.data == CHECKOUT / ".data"
    assert options.embedded


def test_embedded_servers_are_used_for_a_missing_url() -> None:
    assert read_options({"DATABASE_URL": "postgresql://elsewhere"}).embedded
    assert not read_options({"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x"}).embedded


def test_the_table_serves_on_loopback_only(port: str) -> None:
    with listening_on(int(port)) as listening:
        table = {child.name: child for child in children(read_options({"PORT": port}), listening)}
        hosts = [one.getsockname()[:2] for one in listening]

        assert list(table) == ["web", "worker", "beat"]
        binds = [word for word in table["web"].command if word.startswith("--bind=")]
        assert binds == [f"--bind=fd://{one.fileno()}" for one in listening]
        assert table["web"].descriptors == [one.fileno() for one in listening]
        assert not table["worker"].descriptors
    assert hosts[0] == ("127.0.0.1", int(port))
    assert hosts[1:] in ([], [("::1", int(port))])


def test_a_taken_port_is_refused_with_the_name_of_its_holder(port: str) -> None:
    taken = socket.create_server(("127.0.0.1", int(port)))
    with taken, pytest.raises(CannotRunError) as refusal, listening_on(int(port)):
        pass

    assert f"Port {port} is taken" in str(refusal.value)
    assert f"make up PORT={int(port) + 1}" in str(refusal.value)
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in str(refusal.value)


def test_it_comes_up_says_so_last_and_stops_when_told(up: Callable[..., Runner]) -> None:
    runner = up(preparations=[("Demo tenants are there", ["echo", "acme: ann / secret"])])
    runner.wait_for("Tenantry is up: http://localhost:")
    runner.wait_for("worker | at work")
    below = runner.descendants()
    assert len(below) == 4  # web with its worker, worker, and the warden

    status = runner.end(signal.SIGTERM)

    assert status == 0
    assert not any(lives(process) for process in below)
    assert runner.said.index("Tenantry is up") < runner.said.index("acme: ann / secret")
    assert runner.said.splitlines()[-1] == "Tenantry is stopped."
    assert "\x1b[" not in runner.said


def test_the_embedded_servers_come_and_go_with_it(up: Callable[..., Runner], data: Path) -> None:
    probe = python(
        "import os, pathlib; from config.embedded import join;"
        "print(join(pathlib.Path(os.environ['TENANTRY_DATA'])).database_url)"
    )
    runner = up(preparations=[("Probed", probe)], DATABASE_URL="", REDIS_URL="")
    runner.wait_for("PostgreSQL and Redis are ready")
    runner.wait_for(locate(data).database_url)
    runner.wait_for("Tenantry is up")

    assert runner.end(signal.SIGINT) == 0

    assert not locate(data).postgresql_socket.exists()
    assert not locate(data).redis_socket.exists()


def test_a_killed_runner_leaves_no_orphan(up: Callable[..., Runner], data: Path) -> None:
    runner = up(table=[("web", python(WEB))], DATABASE_URL="", REDIS_URL="")
    runner.wait_for("Tenantry is up")
    web = runner.child(WEB)
    workers = web.children()
    servers = processes_about(f"{data}/", f"{data} ")
    assert len(servers) >= 3

    runner.end(signal.SIGKILL)

    eventually(lambda: not any(lives(process) for process in [web, *workers, *servers]))
    assert runner.process.returncode == -signal.SIGKILL


def test_a_killed_guardian_is_replaced(up: Callable[..., Runner], data: Path) -> None:
    runner = up(DATABASE_URL="", REDIS_URL="")
    runner.wait_for("Tenantry is up")
    [guardian] = processes_about(f"config.embedded.guardian {data} ")

    guardian.kill()

    runner.wait_for("Starting PostgreSQL and Redis")
    eventually(locate(data).redis_socket.exists)
    assert runner.end(signal.SIGTERM) == 0


def test_a_killed_child_is_started_again(up: Callable[..., Runner]) -> None:
    runner = up()
    runner.wait_for("at work")
    runner.wait_for("Tenantry is up")
    worker = runner.child(SLEEPER)

    worker.kill()

    runner.wait_for("worker | ended (killed by SIGKILL); starting it again in 0.2 s")
    eventually(lambda: runner.said.count("worker | at work") == 2)
    assert runner.process.poll() is None


def test_what_a_killed_child_had_started_is_gone_before_the_restart(
    up: Callable[..., Runner],
) -> None:
    runner = up()
    runner.wait_for("Tenantry is up")
    web = runner.child(WEB)
    workers = web.children()

    web.kill()

    runner.wait_for("web    | ended (killed by SIGKILL)")
    assert not any(lives(worker) for worker in workers)
    eventually(lambda: [child for child in runner.descendants() if WEB in child.cmdline()])


def test_a_child_that_keeps_dying_ends_everything(up: Callable[..., Runner]) -> None:
    broken = python("raise SystemExit('no such broker')")

    runner = up(table=[*WEB_AND_WORKER, ("beat", broken)])
    status = runner.process.wait(60)

    assert status == 1
    assert runner.said.count("beat   | no such broker") == 5
    assert "error: beat ended 5 times within a minute, the last time exit status 1" in runner.said
    assert session_members(runner.process.pid) == [runner.process.pid]


def test_a_failed_preparation_shows_what_it_said(up: Callable[..., Runner]) -> None:
    runner = up(preparations=[("Done", python("print('half'); raise SystemExit('no migration')"))])

    assert runner.process.wait(60) == 1
    assert "failed (exit status 1)" in runner.said
    assert "half\nno migration" in runner.said
    assert "Tenantry is up" not in runner.said


def test_interrupted_during_a_preparation_it_stops_at_once(up: Callable[..., Runner]) -> None:
    runner = up(preparations=[("Done", python(SLEEPER))])
    eventually(runner.descendants)
    below = runner.descendants()

    assert runner.end(signal.SIGINT) == 0
    assert not any(lives(process) for process in below)


# Interrupts itself at the moment at which Python only reports what is raised: right after a fork.
INTERRUPTED_BY_A_FORK = """
import os, signal, subprocess, sys
from pathlib import Path
from config import children, processes, warden

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
child = None
try:
    if sys.argv[1] == "warden":
        child = warden.Warden(1)
    else:
        mask = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True)"
        with processes.uninterrupted():
            child = children.spawn(
                [sys.executable, "-c", mask],
                directory=Path(), environment=os.environ, output=sys.stdout.fileno(),
            )
except KeyboardInterrupt:
    if child is not None:
        child.wait()
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    ("forked", "said"), [("child", ["set()", "interrupted"]), ("warden", ["interrupted"])]
)
def test_an_interrupt_during_a_fork_is_not_lost(forked: str, said: list[str]) -> None:
    ran = subprocess.run(
        [*python(INTERRUPTED_BY_A_FORK), forked],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ran.stdout.splitlines(), ran.stderr) == (said, "")


def test_a_second_interrupt_kills_what_does_not_want_to_end(up: Callable[..., Runner]) -> None:
    runner = up(table=[("web", python(WEB)), ("worker", python(STUBBORN))])
    runner.wait_for("Tenantry is up")
    runner.wait_for("worker | at work")
    web, stubborn = runner.child(WEB), runner.child(STUBBORN)
    started = time.monotonic()
    runner.process.send_signal(signal.SIGINT)
    # It waits for the other one now, as long as it may.
    eventually(lambda: not lives(web))
    assert lives(stubborn)

    assert runner.end(signal.SIGINT) == 0
    assert time.monotonic() - started < STOP_SECONDS
    assert not lives(stubborn)


def test_a_second_runner_on_the_same_data_is_refused(up: Callable[..., Runner], port: str) -> None:
    first = up()
    first.wait_for("Tenantry is up")

    second = up()

    assert second.process.wait(60) == 1
    assert f"up already at http://localhost:{port} (pid {first.process.pid}," in second.said
    assert first.process.poll() is None


def answering(port: str) -> tuple[int, str]:
    """The status of an answer, and how the server that gave it calls itself."""
    asked = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    with contextlib.closing(asked):
        asked.request("GET", "/healthz")
        answer = asked.getresponse()
        return answer.status, answer.getheader("Server", "")


def test_the_port_is_its_own_from_before_the_preparations(
    up: Callable[..., Runner], port: str, data: Path
) -> None:
    gate = data.with_name("gate")
    os.mkfifo(gate)
    # It prepares for as long as nobody opens the other end.
    waiting = python(f"print('prepared', open({str(gate)!r}).read())")
    first = up(preparations=[("Done", waiting)])
    eventually(first.descendants)
    eventually(lambda: any(waiting[-1] in p.cmdline() for p in first.descendants()))

    second = up(TENANTRY_DATA=str(data.with_name("other")))
    assert second.process.wait(60) == 1
    gate.write_text("")

    assert f"Port {port} is taken by " in second.said
    assert "Tenantry is up" not in second.said
    first.wait_for("Tenantry is up")
    assert first.process.poll() is None


def test_gunicorn_serves_on_what_it_inherits_again_and_again(
    up: Callable[..., Runner], port: str, tmp_path: Path
) -> None:
    (tmp_path / "answers.py").write_text(
        "def app(environ, start):\n    start('200 OK', [])\n    return [b'alive']\n"
    )
    runner = up(table=[("web", gunicorn(tmp_path))], preparations=[])
    runner.wait_for("Tenantry is up")
    assert answering(port) == (200, "gunicorn")
    ours = psutil.Process(runner.process.pid).children()
    [web] = [process for process in ours if "gunicorn" in process.cmdline()]

    # Reloaded, its workers are others; killed, it is.
    workers = web.children()
    web.send_signal(signal.SIGHUP)
    eventually(lambda: not any(lives(worker) for worker in workers))
    assert answering(port) == (200, "gunicorn")
    web.kill()
    runner.wait_for("web    | ended (killed by SIGKILL)")
    assert answering(port) == (200, "gunicorn")

    assert runner.end(signal.SIGTERM) == 0
    with socket.create_server(("127.0.0.1", int(port))):
        pass


def gunicorn(directory: Path) -> list[str]:
    """Its command line: the stub appends the descriptors, of which a shell makes options."""
    options = f"--chdir={directory} --workers=2 --worker-class=gthread --no-control-socket"
    script = (
        'exec "$0" -m gunicorn answers:app $(printf \' --bind=fd://%s\' "$@")'
        f" {options} --preload --log-level=warning"
    )
    return ["sh", "-c", script, sys.executable]
