"""The guardian: the process that owns PostgreSQL and Redis while anybody uses them.

Run as `python -m config.embedded.guardian DATA REPORT`, where REPORT is a descriptor on which it
writes one line of JSON when the servers are ready, or why they are not. Users hold a shared lock
for as long as they live. When the guardian can take that lock for itself, nobody is left: it
stops the servers and ends. A server that dies by itself is started again.

It releases its own lock before the users' lock. A newcomer who waited for the users' lock
therefore never mistakes a guardian on its way out for a living one.
"""

import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

from config.embedded import postgresql, redis
from config.embedded.errors import EmbeddedError
from config.embedded.locations import (
    Embedded,
    locate,
    make_directories,
    postgresql_program,
    redis_program,
)
from config.embedded.locks import guardian_lock, users_lock
from config.embedded.server import Server, own_directory
from config.embedded.server_user import server_user

_PAUSE = 0.1
_LOG_LIMIT = 1_000_000

logger = logging.getLogger("guardian")


class Guardian:
    """Starts the servers of one data directory, keeps them running, stops them when unused."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._ours = guardian_lock(embedded)
        self._users = users_lock(embedded)
        self._servers: list[Server] = []
        self._told_to_stop = False

    def start(self) -> None:
        """Start both servers.

        Raises EmbeddedError when one does not start; then none is left running.
        """
        make_directories(self._embedded)
        if not self._ours.take(timeout=10):
            raise EmbeddedError(
                f"Another process takes care of {self._embedded.data} already.", "Try again."
            )
        data = self._embedded.data
        user = server_user([postgresql_program("postgres"), redis_program(), data])
        own_directory(self._embedded.sockets, user)
        self._servers = [
            postgresql.server(self._embedded, user),
            redis.server(self._embedded, user),
        ]
        try:
            for server in self._servers:
                server.start()
        except EmbeddedError:
            self.stop()
            raise

    def watch(self) -> None:
        """Keep the servers running until nobody uses them, or until told to stop.

        Raises EmbeddedError when a server keeps dying.
        """
        while not self._told_to_stop:
            if not self._ours.is_current():
                logger.warning("The data directory is gone.")
                for server in self._servers:
                    server.kill()
                return
            if self._users.take():
                return
            for server in self._servers:
                if not server.is_running():
                    self._restart(server)
                server.bound_log()
            time.sleep(_PAUSE)

    def stop(self) -> None:
        """Stop both servers, then stop being their guardian."""
        for server in self._servers:
            server.ask_to_stop()
        for server in self._servers:
            server.stop()
        self._ours.release()

    def stop_soon(self, *_: object) -> None:
        """Make `watch` return: the handler of SIGTERM and SIGINT."""
        self._told_to_stop = True

    def _restart(self, server: Server) -> None:
        while not self._told_to_stop:
            pause = server.restarts.pause()
            if pause is None:
                raise EmbeddedError(
                    f"{server.name} died {server.restarts.LIMIT} times within a minute.",
                    f"Its log says why: {server.log}",
                )
            logger.warning("%s died; starting it again.", server.name)
            time.sleep(pause)
            try:
                server.start()
            except EmbeddedError as error:
                logger.warning("%s", error)
            else:
                logger.info("%s is ready again.", server.name)
                return


def main(arguments: list[str]) -> int:
    """Be the guardian of the data directory named first; report on the descriptor named second."""
    data, report = Path(arguments[0]), int(arguments[1])
    # The process that started us waits for our parent, not for us, and inherits no zombie.
    if os.fork():
        return 0
    os.set_inheritable(report, False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s [%(process)d] %(message)s", level=logging.INFO)
    logging.raiseExceptions = False  # A full disk must not keep the guardian from its work.
    guardian = Guardian(locate(data))
    signal.signal(signal.SIGTERM, guardian.stop_soon)
    signal.signal(signal.SIGINT, guardian.stop_soon)
    try:
        guardian.start()
    except EmbeddedError as error:
        logger.warning("%s", error)
        _tell(report, {"message": error.message, "hint": error.hint})
        return 1
    logger.info("PostgreSQL and Redis are ready.")
    _tell(report, {})
    try:
        guardian.watch()
    except EmbeddedError as error:
        logger.warning("%s", error)
        return 1
    finally:
        guardian.stop()
        logger.info("PostgreSQL and Redis are stopped.")
    return 0


def _tell(report: int, answer: dict[str, str]) -> None:
    try:
        with os.fdopen(report, "w") as file:
            json.dump(answer, file)
    except BrokenPipeError:
        pass  # Whoever started us has died since; others may be waiting.


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
