"""What a killed process does to a running Tenantry, and to the next start."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2

from config.embedded import locate
from tests.journeys.conftest import Running, up


def processes_of(running: Running) -> list[psutil.Process]:
    """Everything that this run started, found by the data directory that is nobody else's."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            ours = process.environ().get("TENANTRY_DATA") == str(running.data)
        except psutil.Error:
            continue
        if (ours or str(running.data) in command) and process.pid != running.process.pid:
            found.append(process)
    return found


def the(running: Running, words: str) -> psutil.Process:
    """The oldest of our processes with these words in its command line."""
    matching = [p for p in processes_of(running) if words in " ".join(p.cmdline())]
    return min(matching, key=lambda process: process.create_time())


def ask(
    running: Running, path: str = "/accounts/login/", *, cookie: str = ""
) -> tuple[int, str | None]:
    """Return the status of a page, and when it says to try again."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=120)
    headers = {"Host": f"acme.localhost:{running.port}", "Cookie": cookie}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["Retry-After"]
    finally:
        connection.close()


def events(running: Running) -> str:
    return running.manage("activity", "events", "--tenant", "acme", "--json", "--limit", "0")


def test_f12_who_is_being_served_when_the_web_is_told_to_stop_is_answered(tmp_path: Path) -> None:
    # So long that the page waits for the lock for as long as this takes.
    with up(tmp_path, TENANTRY_STATEMENT_SECONDS="300") as running, ThreadPoolExecutor(1) as pool:
        schema = json.loads(running.manage("tenant", "show", "acme", "--json"))["schema_name"]
        with closing(psycopg2.connect(locate(running.data).database_url)) as own:
            cursor = own.cursor()
            cursor.execute(f'LOCK TABLE "{schema}".django_session IN ACCESS EXCLUSIVE MODE')
            page = pool.submit(ask, running, "/", cookie="sessionid=" + "a" * 32)
            deadline = time.monotonic() + 60
            waiting = "SELECT FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
            while cursor.execute(waiting, [f"{schema}.django_session"]) or not cursor.rowcount:
                assert time.monotonic() < deadline
                time.sleep(0.02)

            web = the(running, "gunicorn")
            web.terminate()
            # The worker that has nothing to do is gone at once.
            while len(web.children()) > 1:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert not page.done()

        assert page.result(timeout=60) == (302, None)
        # It is started again.
        running.wait_until_ready()


def test_f07_it_heals_and_loses_nothing_whoever_is_killed(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        before = events(running)

        # A worker is replaced.
        worker = the(running, "celery")
        worker.kill()
        worker.wait(60)
        running.wait_until_ready()

        # Without Redis pages go on; it is started again.
        redis = the(running, "redis-server")
        redis.kill()
        assert [ask(running) for _ in range(5)] == [(200, None)] * 5
        running.wait_until_ready()

        # Without PostgreSQL a page says that it cannot answer, and never anything else.
        the(running, "postgres -D").kill()
        statuses = set()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (statuses and running.is_ready()):
            statuses.add(ask(running))
        assert statuses <= {(200, None), (503, "5")}
        assert ask(running) == (200, None)
        assert events(running) == before

        # Nothing outlives the runner.
        running.process.kill()
        running.process.wait(60)
        left = processes_of(running)
        psutil.wait_procs(left, timeout=60)
        assert processes_of(running) == []

    # The next one starts with everything there.
    with up(tmp_path) as running:
        assert events(running) == before
