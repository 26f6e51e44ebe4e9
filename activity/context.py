"""Who acts, through which door and from where: what every event says beside what happened.

A door (middleware, task, command) says it once with ``acting``; recording asks ``current``. What
runs outside any door is a command of whoever owns the process.
"""

import getpass
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, Final

from structlog.contextvars import bound_contextvars

from tenants.uuid7 import uuid7


class ActorKind(StrEnum):
    """What sort of somebody acted."""

    PERSON = "person"
    ANONYMOUS = "anonymous"
    COMMAND = "command"
    SERVICE = "service"
    DATABASE = "database"


class Channel(StrEnum):
    """Through which door the act came."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"
    TASK = "task"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, by an id that is never reused and the label they had."""

    kind: ActorKind
    id: str = ""
    label: str = ""


ANONYMOUS: Final = Actor(ActorKind.ANONYMOUS, label="somebody unknown")


@dataclass(frozen=True, kw_only=True)
class Context:
    """The circumstances of an act."""

    actor: Actor
    channel: Channel
    on_behalf_of: Actor | None = None
    request_id: uuid.UUID = field(default_factory=uuid7)
    ip: str | None = None
    user_agent: str = ""
    session_ref: str = ""
    reason: str = ""
    meaning: str = ""
    """Which action a change is that its row alone does not tell (``activity.subjects.OneOf``)."""


Source = Callable[[], Context]
"""Returns the circumstances as they are now: in a request, who acts changes with signing in."""

_source: ContextVar[Source | None] = ContextVar("activity_context", default=None)


def current() -> Context:
    """Return the circumstances of what runs now."""
    source = _source.get()
    return source() if source else _of_process()


def current_request_id() -> uuid.UUID:
    """Return what joins everything that one request, task or command did."""
    return current().request_id


@contextmanager
def acting(source: Source, request_id: uuid.UUID, *, logged_as: str) -> Iterator[None]:
    """Let ``source`` answer ``current`` until the block ends.

    Every log line of the block carries the request id, and ``logged_as`` as its actor until
    somebody better is known (``structlog.contextvars.bind_contextvars(actor=…)``).
    """
    token = _source.set(source)
    try:
        with bound_contextvars(request_id=str(request_id), actor=logged_as):
            yield
    finally:
        _source.reset(token)


@contextmanager
def acting_as(context: Context) -> Iterator[Context]:
    """Act under fixed circumstances until the block ends: for tasks, commands and tests."""
    named = context.actor.id or context.actor.label
    with acting(lambda: context, context.request_id, logged_as=named):
        yield context


@contextmanager
def telling(**others: Any) -> Iterator[None]:
    """Act as until now until the block ends, but for some fields of ``Context``."""
    before = _source.get() or _of_process
    token = _source.set(lambda: replace(before(), **others))
    try:
        yield
    finally:
        _source.reset(token)


@cache
def _of_process() -> Context:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        user = str(os.getuid())
    label = f"{user}@{socket.gethostname()}"
    return Context(actor=Actor(ActorKind.COMMAND, label[:64], label), channel=Channel.COMMAND)
