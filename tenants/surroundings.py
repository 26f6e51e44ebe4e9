"""What each verb of a command runs inside, as the apps above register it.

Apart from ``tenants.commandline``, which a process that serves pages has no use for.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

VERBS: Final[list[Callable[[], AbstractContextManager[Any]]]] = []
"""Entered anew around each run of a verb that is no ``--dry-run``, the first outermost."""
