"""Erasing a person: nobody can read any more who they were, and the record stays provable.

It begins with one transaction: the event ``user.erased``, and the end of the account. From then on
nobody can act as them. What they left elsewhere is emptied after that, in steps that can be taken
again, and a certificate ends it. A killed process leaves an erasure that is begun; whoever erases
the same person again, or a sweep, carries it on. Inside a transaction all of it is one.

Whoever was at work already may write a name that they have read: it is looked again until nothing
can follow, and certified only then (``activity.forgetting.settling``).
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import QuerySet

from activity.forgetting import certificates, holds, mentions, parts, places, reach, settling
from activity.forgetting.certificates import Certificate
from activity.forgetting.people import Person, people
from activity.jobs import forgetting as forgetting_exports
from activity.models import ActivityEvent
from activity.recording import record
from activity.rollups import erased
from tenants.context import current_tenant, enter_platform, enter_unserved
from tenants.errors import Conflict, InvalidInput

LONGEST_REASON: Final = 500
_BATCH: Final = 20_000
"""Events that are emptied in one transaction: sealing waits for the oldest that is open."""

_MOST_LOOKS: Final = 20
"""How often it is looked again before a sweep goes on; twice is usual."""

_ERASE = "SELECT * FROM activity_erase(%s, %s, %s::uuid[], %s)"

Report = Callable[[str, int, int | None], None]


def check(person: Person, reason: str) -> None:
    """Refuse what cannot be erased; change nothing.

    Raises ``InvalidInput`` for an unusable reason, ``Conflict`` for the last administrator and for
    whom a legal hold covers, in person or in an event with somebody who is held: also in those that
    the erasure would be, when it is who asks.
    """
    if not reason.strip():
        raise InvalidInput("a reason is needed.", "It goes into the record: a case number will do.")
    if len(reason) > LONGEST_REASON:
        raise InvalidInput(f"the reason is longer than {LONGEST_REASON} characters.", "Shorten it.")
    mentions.refuse_naming(person, reason)
    holds.refuse(person)
    holds.refuse_acting()
    people().refuse(person)


def is_erased(person: Person) -> bool:
    """Tell whether somebody was erased here, all of it."""
    return not person.has_account and person.id not in unfinished() and _was_begun(person.id)


def erase(person: Person, reason: str, report: Report = lambda *_: None) -> Certificate:
    """Erase somebody, or carry on an erasure that was begun; returns what was found where.

    Raises what ``check`` raises.
    """
    if not (_was_begun(person.id) and not person.has_account):
        check(person, reason)
        begin(person, reason)
    return finish(person, report)


def survey(person: Person) -> dict[str, int]:
    """Return how much an erasure would find in the record; change nothing."""
    who, what = parts.of(person.id)
    events = ActivityEvent.objects
    return {
        "events (who)": events.filter(who, actor_salt__isnull=False).count(),
        "events (what)": events.filter(what, target_salt__isnull=False).count(),
        "events (mentions)": len(mentions.find(person)),
    }


def begin(person: Person, reason: str) -> None:
    """Record the erasure and end the account, both or neither, and once."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('tenantry erases ' || %s, 0))",
                [person.id],
            )
        closed = people().close(person)
        if closed or not _was_begun(person.id):
            record("user.erased", target=person.subject, details=dict(closed), reason=reason)


def finish(person: Person, report: Report = lambda *_: None) -> Certificate:
    """Empty what is left of somebody, and certify it.

    Raises ``settling.Unsettled`` while somebody may still write what they read before: all that
    there is was emptied then, and which names to look for is still known. Raises ``Conflict`` for
    a hold that was placed since the erasure began, until it ends, and for an operator while a
    tenant's record cannot be entered.
    """
    found: Counter[str] = Counter()
    _empty(person, found, report)
    found["events (mentions kept under a legal hold)"] += holds.exist() and len(
        mentions.find(person)
    )
    with transaction.atomic():
        # Again: whoever was counting may have read the name before its events were emptied.
        places.rollups(person)
        # And once more: a file that was begun meanwhile may have what was emptied since.
        found.update(forgetting_exports.forget(person))
    holds.refuse(person)
    if current_tenant() is None:
        reach.refuse_unreached()
    with transaction.atomic():
        # Last: until here these rows say which names to look for.
        found.update(people().forget(person))
        found.update(_begun_with(person.id))
        found["events (who)"], found["events (what)"] = _erased_parts(person.id)
        return certificates.issue(person, {name: n for name, n in found.items() if n})


def _empty(person: Person, found: Counter[str], report: Report) -> None:
    """Empty every place, and again what came since, until a look finds nothing."""
    since = 0
    for _ in range(_MOST_LOOKS):
        following, before = settling.horizon(), found.total()
        done = _look(person, found, report, since)
        # In a transaction nobody else can have seen that the account has ended.
        if connection.in_atomic_block or (since and not done and found.total() == before):
            return
        settling.wait()
        since = following
    raise settling.Unsettled(
        "the person is named again and again.", "It is looked again later. Nothing else waits."
    )


def _look(person: Person, found: Counter[str], report: Report, since: int) -> int:
    """Empty what there is now; returns how many parts of events of theirs that were."""
    holds.refuse(person)
    for empty in places.PLACES:
        with transaction.atomic():
            found.update(empty(person))
    _elsewhere(person, found, since)
    found["events (mentions)"] += _mentions(person, mentions.find(person, since=since))
    return _own_events(person, report)


def _own_events(person: Person, report: Report) -> int:
    done = 0
    while count := sum(_call(person.id)):
        done += count
        report("parts of events", done, None)
    return done


def _mentions(person: Person, ids: Iterable[Any]) -> int:
    """Empty the parts of others' events that name somebody."""
    wanted, done = list(ids), 0
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        done += _call(person.id, mentions.words(person), batch)[2]
    return done


def _call(person_id: str, names: Iterable[str] = (), ids: Iterable[Any] = ()) -> tuple[int, ...]:
    """Ask the one function of the database that may do it."""
    wanted = [str(one) for one in ids]
    asked: list[Any] = [person_id, list(names), wanted, _BATCH]
    with transaction.atomic(), connection.cursor() as cursor:
        erased.keep_counts(person_id, wanted)
        cursor.execute(_ERASE, asked)
        return tuple(cursor.fetchone())


def _elsewhere(person: Person, found: Counter[str], since: int) -> None:
    """Empty what other records hold: the platform's of a tenant's person, tenants' of an operator.

    The platform says of a tenant who was appointed first; operators act in tenants' records.
    """
    tenant = current_tenant()
    if tenant is not None:
        with enter_platform():
            _in_another(person, found, since, about=str(tenant.pk))
        return
    for other in reach.tenants():
        with enter_unserved(other):
            _in_another(person, found, since)


def _in_another(person: Person, found: Counter[str], since: int, about: str = "") -> None:
    """Empty what another record has of somebody. Where it has nothing, nothing is touched."""
    if holds.covers(person.id):
        return
    if not about:
        # Whoever is called the same in this tenant is somebody else.
        person = replace(person, distinctive=people().distinctive(person))
        with transaction.atomic():
            found.update(places.searches(person))
            found.update(places.schedules(person))
    named = mentions.find(person, about, since)
    if named or _has_whole_parts(person.id):
        with transaction.atomic():
            # Without a reason: this is not the record that certifies it.
            record("user.erased", target=person.subject)
            found["events (other records)"] += _mentions(person, named)
            while count := sum(_call(person.id)):
                found["events (other records)"] += count
            found.update(forgetting_exports.forget(person))
            found.update(places.kept_files(person))


def _has_whole_parts(person_id: str) -> bool:
    """Tell whether there is something to empty. What a hold keeps is none."""
    events = ActivityEvent.objects.filter(parts.whole(person_id)).exclude(holds.concerned())
    return bool(events.exists())


def _erased_parts(person_id: str) -> tuple[int, int]:
    """Count the parts that are empty, whichever run emptied them."""
    who, what = parts.of(person_id)
    events = ActivityEvent.objects
    return (
        events.filter(who, actor_salt__isnull=True).count(),
        events.filter(what, target_salt__isnull=True).count(),
    )


def _was_begun(person_id: str) -> bool:
    erased = ActivityEvent.objects.filter(action="user.erased", target_id=person_id)
    return bool(erased.exists())


def _begun_with(person_id: str) -> dict[str, int]:
    """What the beginning found: the account and what went with it."""
    erased = ActivityEvent.objects.filter(action="user.erased", target_id=person_id)
    found: Counter[str] = Counter()
    for details in erased.values_list("details", flat=True):
        found.update({name: n for name, n in details.items() if isinstance(n, int)})
    return dict(found)


def _begun_here() -> QuerySet[ActivityEvent]:
    """Return the events that began an erasure in this place.

    They have a reason. What the erasure of somebody of another place found here has none: it is
    carried on, and certified, there.
    """
    return ActivityEvent.objects.filter(action="user.erased").exclude(reason="")


def unfinished() -> set[str]:
    """Return the ids of people whose erasure was begun in this place, and not certified since."""
    begun: dict[str, Any] = dict(_begun_here().order_by("id").values_list("target_id", "id"))
    certified = ActivityEvent.objects.filter(action="record.erased").order_by("id")
    for person_id, event_id in certified.values_list("target_id", "id"):
        if person_id in begun and begun[person_id] < event_id:
            del begun[person_id]
    return set(begun)


def sweep() -> int:
    """Carry on what was begun, and empty what came after; returns how many people that were.

    What a process had in memory outside any transaction can have become an event of theirs later.
    """
    waiting, here = unfinished(), set(_begun_here().values_list("target_id", flat=True))
    erased = ActivityEvent.objects.filter(action="user.erased")
    swept = 0
    for person_id in sorted(set(erased.values_list("target_id", flat=True))):
        if holds.covers(person_id) or not (person_id in waiting or _has_whole_parts(person_id)):
            continue
        person = people().find(person_id)
        try:
            if person_id in here:
                finish(person)
            else:
                _in_another(person, Counter(), since=0)
        except Conflict:
            continue
        swept += 1
    return swept
