"""The users' side: processes join the servers of a data directory, and leave by ending."""

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from config.embedded import postgresql, redis
from config.embedded.errors import EmbeddedError, explained
from config.embedded.locations import CHECKOUT, Embedded, locate, make_directories
from config.embedded.locks import FileLock, has_guardian, start_lock, users_lock
from config.embedded.server import last_words

_START_TIMEOUT = 120.0
_STOP_TIMEOUT = 60.0
_PAUSE = 0.01
_LOG_LIMIT = 1_000_000

_memberships: dict[Path, FileLock] = {}
_one_at_a_time = threading.Lock()


def join(data: Path, *, on_start: Callable[[str], None] | None = None) -> Embedded:
    """Use the servers of the data directory `data`, starting them if they do not run.

    They keep running for as long as this process lives, or any other that joined. Joining again
    costs little, and starts them again if their guardian was killed. `on_start` is called with a
    sentence before a start, which takes a second or two.

    Raises EmbeddedError when they cannot run.
    """
    embedded = locate(data)
    with _one_at_a_time:
        newcomer = not _is_member(embedded)
        if newcomer:
            _enter(embedded)
        try:
            _make_ready(embedded, on_start)
        except BaseException:
            if newcomer:
                _memberships.pop(embedded.data).release()
            raise
    return embedded


def leave(data: Path) -> None:
    """Stop using the servers; when nobody else uses them, return after they have stopped.

    Harmless without an earlier join. Processes need not call it: ending is enough.

    Raises EmbeddedError when unused servers do not stop.
    """
    embedded = locate(data)
    with _one_at_a_time:
        membership = _memberships.pop(embedded.data, None)
        if membership is None:
            return
        membership.release()
        deadline = time.monotonic() + _STOP_TIMEOUT
        while has_guardian(embedded) and not _has_users(embedded):
            if time.monotonic() >= deadline:
                raise EmbeddedError(
                    f"The servers of {embedded.data} do not stop.",
                    f"Look into {embedded.log / 'guardian.log'}.",
                )
            time.sleep(_PAUSE)


def _is_member(embedded: Embedded) -> bool:
    membership = _memberships.get(embedded.data)
    if membership is None:
        return False
    if membership.is_current():
        return True
    # Somebody removed the data directory while we lived: our lock is on a file without a name.
    _memberships.pop(embedded.data).release()
    return False


def _enter(embedded: Embedded) -> None:
    make_directories(embedded)
    membership = users_lock(embedded)
    # Only a guardian that is stopping its servers keeps us waiting here.
    if not membership.take(shared=True, timeout=_STOP_TIMEOUT):
        raise EmbeddedError(
            f"The servers of {embedded.data} have been stopping for {_STOP_TIMEOUT:.0f} seconds.",
            f"Look into {embedded.log / 'guardian.log'}.",
        )
    _memberships[embedded.data] = membership


def _has_users(embedded: Embedded) -> bool:
    with users_lock(embedded) as everybody, users_lock(embedded) as one_more:
        # Neither succeeds while a guardian holds the lock to stop; then there are no users.
        return not everybody.take() and one_more.take(shared=True)


def _make_ready(embedded: Embedded, on_start: Callable[[str], None] | None) -> None:
    # We are a member by now, so a guardian that is alive stays: it cannot have the lock.
    deadline = time.monotonic() + _START_TIMEOUT
    with start_lock(embedded) as starting:
        if not starting.take(timeout=_START_TIMEOUT):
            raise EmbeddedError(
                f"Another process has been starting the servers of {embedded.data} for "
                f"{_START_TIMEOUT:.0f} seconds.",
                f"Look into {embedded.log / 'guardian.log'}.",
            )
        while True:
            if not has_guardian(embedded):
                if on_start is not None:
                    on_start(_announcement(embedded))
                _start_guardian(embedded)
            elif postgresql.is_ready(embedded) and redis.is_ready(embedded):
                return
            elif time.monotonic() >= deadline:
                raise EmbeddedError(
                    f"PostgreSQL and Redis in {embedded.data} were not ready within "
                    f"{_START_TIMEOUT:.0f} seconds.",
                    f"Look into {embedded.log / 'guardian.log'}.",
                )
            else:
                time.sleep(_PAUSE)


def _announcement(embedded: Embedded) -> str:
    if embedded.postgresql.exists():
        return "Starting PostgreSQL and Redis"
    return f"Making a new database in {embedded.data}"


def _start_guardian(embedded: Embedded) -> None:
    log = embedded.log / "guardian.log"
    with explained("write the log", log):
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.unlink()
        output = log.open("ab")
    listening, reporting = os.pipe()
    try:
        with output:
            spoken = output.tell()
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "config.embedded.guardian",
                    str(embedded.data),
                    str(reporting),
                ],
                check=False,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(reporting,),
                start_new_session=True,  # Ctrl-C in our terminal is not for the guardian.
            )
        os.close(reporting)
        reporting = -1
        answer = _read_report(listening)
    finally:
        os.close(listening)
        if reporting != -1:
            os.close(reporting)
    if answer is None:
        with log.open("rb") as said:
            said.seek(spoken)
            words = last_words(said.read())
        raise EmbeddedError(
            f"The guardian of the embedded servers did not start them: {words}.",
            f"The whole log is {log}.",
        )
    if answer:
        raise EmbeddedError(answer["message"], answer["hint"])


def _read_report(listening: int) -> dict[str, str] | None:
    """Return what the guardian reports: {} for ready, the error otherwise, None if it died."""
    said = b""
    while select.select([listening], [], [], _START_TIMEOUT)[0]:
        chunk = os.read(listening, 65536)
        if not chunk:
            break
        said += chunk
    try:
        answer: dict[str, str] = json.loads(said)
    except ValueError:
        return None
    return answer
