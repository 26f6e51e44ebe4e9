"""The one way in which the application itself writes an event."""

from typing import Any, Final

from django.conf import settings
from django.db.models import Model

from activity import catalogue, context, floods, outcomes
from activity.actions import CATALOGUE, Action
from activity.context import Actor
from activity.hashes import keyed_hash as keyed_hash
from activity.models import ActivityEvent, Outcome
from activity.schemas import problem, problem_of_changes
from activity.subjects import NOTHING, Subject, subject_of
from activity.text import one_line

MOST_TEXT: Final = 2_000
"""Longest text inside ``changes`` and ``details``; what is longer is cut with a mark."""

Changes = dict[str, tuple[Any, Any]]
"""Field → its value before and after."""


def record(
    action: str,
    *,
    target: Subject | Model = NOTHING,
    outcome: str = Outcome.SUCCESS,
    changes: Changes | None = None,
    details: dict[str, Any] | None = None,
    actor: Actor | None = None,
    reason: str = "",
) -> ActivityEvent:
    """Write an event into the record of the place one is in, in the transaction one is in.

    In a request, what is no success is written when the view's transaction is over, committed or
    not (``activity.outcomes``); the event that is returned is not in the database yet.

    The circumstances come from ``activity.context``; ``actor`` overrides who. Texts are made safe
    and bounded, never refused. Raises ``KeyError`` for an action that is not in the catalogue,
    ``RecordUnavailable`` when the record cannot be written; while developing, ``LookupError`` for
    an action that is not described and ``ValueError`` for a field that it does not have.
    """
    kind = CATALOGUE[action]
    if not settings.TENANTRY_PRODUCTION:
        _check(kind, changes or {}, details or {})
    now = context.current()
    actor = actor or now.actor
    subject = subject_of(target) if isinstance(target, Model) else target
    behalf = now.on_behalf_of or Actor(actor.kind)
    event = ActivityEvent(
        action=kind.name,
        outcome=outcome,
        severity=kind.severity,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=one_line(actor.label, 200),
        on_behalf_of_id=behalf.id,
        on_behalf_of_label=one_line(behalf.label, 200),
        target_type=subject.type,
        target_id=subject.id,
        target_label=one_line(subject.label, 200),
        changes={name: [_plain(old), _plain(new)] for name, (old, new) in (changes or {}).items()},
        details={name: _plain(value) for name, value in (details or {}).items()},
        ip=now.ip,
        user_agent=one_line(now.user_agent, 400),
        channel=now.channel,
        request_id=now.request_id,
        session_ref=now.session_ref,
        reason=one_line(reason or now.reason, 500),
    )
    # Views too: whoever reads holds no lock on their count until the page is there.
    is_act = outcome == Outcome.SUCCESS and floods.folding_of(event) is None
    if is_act or not outcomes.keep(event):
        outcomes.insert(event)
    return event


def _check(kind: Action, changes: Changes, details: dict[str, Any]) -> None:
    """Raise ``ValueError`` for fields that the catalogue does not have: a mistake of the program's.

    Not in production, where an event with a field too many is worth more than none.
    """
    about = catalogue.described(kind.name)
    wrong = problem(about.details, details) or problem_of_changes(about.changes, changes)
    if wrong:
        raise ValueError(f'an event "{kind.name}" cannot be recorded so: {wrong}. {_REMEDY}')


_REMEDY: Final = "Its fields are in DESCRIPTIONS of activity/catalogue.py."


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it, exactly where it can and as text where it cannot."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return one_line(str(value), MOST_TEXT)
