"""The embedded Redis: its settings, and how to tell that it is ready."""

import signal
import socket

from config.embedded.errors import explained
from config.embedded.locations import Embedded, redis_program
from config.embedded.server import Server, end_leftover, own_directory
from config.embedded.server_user import ServerUser

# It saves first, and does not end when it cannot save: then it has to be killed.
_STOP_SIGNALS = ((signal.SIGTERM, 5.0),)


def server(embedded: Embedded, user: ServerUser) -> Server:
    """Describe the Redis of `embedded`, to be run as `user`.

    Raises EmbeddedError when its program is not installed.
    """
    settings = {
        "port": "0",  # The Unix socket is the only way in.
        "unixsocket": str(embedded.redis_socket),
        "unixsocketperm": "700",
        "databases": "64",  # One for each process that runs tests.
        "daemonize": "no",
        "pidfile": str(embedded.redis / "redis.pid"),
        "dir": str(embedded.redis),
        "dbfilename": "dump.rdb",
        "appendonly": "no",
        # A full disk must not turn a cache read-only.
        "stop-writes-on-bgsave-error": "no",
        "maxmemory": "64mb",
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
        "logfile": "",  # Standard output: the guardian writes and bounds the log.
    }
    # PostgreSQL is the queue of record, so a kill -9 of Redis may cost its last ten seconds.
    # Two words, unlike all other settings: Redis would take "10 1" for one of them.
    command = [str(redis_program()), "--save", "10", "1"]
    for name, value in settings.items():
        command += [f"--{name}", value]
    return Server(
        name="Redis",
        command=command,
        directory=embedded.redis,
        log=embedded.log / "redis.log",
        user=user,
        stop_signals=_STOP_SIGNALS,
        prepare=lambda: _prepare(embedded, user),
        is_ready=lambda: is_ready(embedded),
    )


def is_ready(embedded: Embedded) -> bool:
    """Say whether Redis answers now, with its data loaded."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(embedded.redis_socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _prepare(embedded: Embedded, user: ServerUser) -> None:
    own_directory(embedded.redis, user)
    # Redis shows its socket, not its arguments, as its command line.
    mark = f"unixsocket:{embedded.redis_socket}"
    end_leftover(embedded.redis / "redis.pid", mark, _STOP_SIGNALS)
    with explained("remove the stale", embedded.redis_socket):
        embedded.redis_socket.unlink(missing_ok=True)
        for abandoned in embedded.redis.glob("temp-*.rdb"):  # A save that kill -9 cut short.
            abandoned.unlink(missing_ok=True)
