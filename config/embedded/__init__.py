"""A real PostgreSQL and a real Redis from wheels, for development on a bare machine.

`join` makes the servers of a data directory run and keeps them for as long as this process
lives; `locate` tells where they are without touching anything. No process has to stop them: a
detached guardian (`config.embedded.guardian`) sees when the last user is gone, however it went.

Only the standard library is imported, so settings can ask before Django is there.
"""

from config.embedded.errors import EmbeddedError
from config.embedded.locations import Embedded, locate
from config.embedded.membership import join, leave

__all__ = ["Embedded", "EmbeddedError", "join", "leave", "locate"]
