"""The ``make up`` that runs on the same data, as far as a second terminal has to know of it."""

from pathlib import Path
from urllib.parse import urlsplit

from config.embedded import locate
from config.embedded.locks import FileLock


def port_of_running(data: Path) -> int | None:
    """Return the port on which ``make up`` serves, or last served; ``None`` when it never did.

    So that links which a command prints lead to the pages that are there.
    """
    note = FileLock(locate(data).run / "up.lock").read_note()
    return urlsplit(note.partition(" ")[2]).port
