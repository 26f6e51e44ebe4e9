"""Floods: thousands of like events become few, and not one of them goes uncounted.

What the catalogue folds is written as it comes a few times, then counted: one UPDATE of a row in
``public`` for each, committed before the answer leaves. When the window ends, the count becomes one
event with ``count``, ``first`` and ``last``, in the transaction that removes the row. So at any
moment each attempt is in exactly one place, in the record or in a count, whoever is killed when,
and PostgreSQL is all it takes (``docs/adr/0030-floods-are-counted-in-postgresql.md``).

The count names the last event that was written by itself; who, from where and by which action is
copied from there. What the others had in common is kept, what they had not is left out: of the
object and of each detail the row has a keyed hash, for as long as all of them have the same.
"""

import ipaddress
import json
import uuid
from typing import Any, Final

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from activity.catalogue import DESCRIPTIONS, Folding
from activity.hashes import keyed_hash
from activity.models import ActivityEvent
from tenants.context import current_tenant, enter_platform, enter_unserved
from tenants.errors import TenantryError
from tenants.hosts import owned
from tenants.models import Tally, Tenant

logger = structlog.get_logger("tenantry.floods")

SEVERAL: Final = "several"
"""The kind of object of an event that folds acts on several objects, and its name."""

_STAMPED: Final = {
    *("id", "occurred_at", "xid", "cluster"),
    *("actor_salt", "actor_commitment", "target_salt", "target_commitment"),
}

_TARGET: Final = ""
"""Under what the object stands among the hashes of details; no detail has that name."""

_SHARED: Final = """(
    SELECT coalesce(jsonb_object_agg(part.name, part.hash), '{}')
    FROM jsonb_each(tally.common) AS part (name, hash)
    WHERE part.hash = %(common)s::jsonb -> part.name
)"""

# One statement has one time, so that a window that ends is over for all of it or for nothing.
_COUNT: Final = f"""
UPDATE public.tenants_tally AS tally
SET folded = folded + 1,
    mixed = mixed OR signature <> %(signature)s,
    common = CASE WHEN signature = %(signature)s THEN common ELSE {_SHARED} END,
    first_at = CASE WHEN folded = 0 THEN statement_timestamp() ELSE first_at END,
    last_at = statement_timestamp()
WHERE key = %(key)s AND singles >= %(singles)s AND ends_at > statement_timestamp()
"""  # noqa: S608 (our own words)

_OPEN: Final = f"""
INSERT INTO public.tenants_tally AS tally
    (key, tenant_id, event_id, signature, singles, folded, mixed, common, first_at, last_at,
    ends_at)
VALUES (%(key)s, %(tenant)s, %(event)s, %(signature)s, 1, 0, false, %(common)s::jsonb,
    statement_timestamp(), statement_timestamp(),
    statement_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (key) DO UPDATE SET
    event_id = EXCLUDED.event_id,
    signature = EXCLUDED.signature,
    singles = CASE WHEN tally.ends_at > statement_timestamp() THEN tally.singles ELSE 0 END + 1,
    folded = CASE WHEN tally.ends_at > statement_timestamp() THEN tally.folded ELSE 0 END,
    mixed = tally.ends_at > statement_timestamp() AND (
        tally.mixed OR tally.folded > 0 AND tally.signature <> EXCLUDED.signature),
    common = CASE WHEN tally.ends_at > statement_timestamp() AND tally.folded > 0
        THEN {_SHARED} ELSE EXCLUDED.common END,
    ends_at = CASE WHEN tally.ends_at > statement_timestamp()
        THEN tally.ends_at ELSE EXCLUDED.ends_at END
RETURNING old.event_id, old.folded, old.mixed, old.common::text, old.first_at, old.last_at,
    coalesce(old.folded, 0) > new.folded
"""  # noqa: S608 (our own words)

_MOMENT: Final = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

# What acts on several objects had in common is who acted, or the object where nobody is known.
_OTHERS: Final = f"mixed AND actor_id <> '' AND NOT common ? '{_TARGET}'"
_COMMON: Final = """
SELECT coalesce(jsonb_object_agg(detail.name, detail.value), '{}')
FROM jsonb_each(details) AS detail (name, value) WHERE common ? detail.name
"""
_SPECIAL: Final = {
    "target_type": f"CASE WHEN {_OTHERS} THEN '{SEVERAL}' ELSE target_type END",
    "target_id": f"CASE WHEN {_OTHERS} THEN '' ELSE target_id END",
    "target_label": f"CASE WHEN {_OTHERS} THEN '{SEVERAL}' ELSE target_label END",
    "details": (
        f"CASE WHEN mixed THEN ({_COMMON}) ELSE details END || jsonb_build_object('count', folded,"
        f" 'first', {_MOMENT.format('first_at')}, 'last', {_MOMENT.format('last_at')})"
    ),
}
_COPIED: Final = [
    str(field.column) for field in ActivityEvent._meta.concrete_fields if field.name not in _STAMPED
]
_WRITE: Final = (
    f"INSERT INTO activity_activityevent ({', '.join(_COPIED)})"  # noqa: S608 (our own columns)
    f" SELECT {', '.join(_SPECIAL.get(column, column) for column in _COPIED)}"
    " FROM counts JOIN activity_activityevent AS single ON single.id = counts.event_id"
    " WHERE counts.folded > 0"
)

_CLOSE_ONE: Final = f"""
WITH counts (event_id, folded, mixed, common, first_at, last_at) AS (
    VALUES (%s::uuid, %s::bigint, %s::boolean, %s::jsonb, %s::timestamptz, %s::timestamptz)
)
{_WRITE}
"""

# In one order, and past those that somebody holds: two that close at once wait for nobody.
_CLOSE: Final = f"""
WITH counts AS (
    DELETE FROM public.tenants_tally WHERE key IN (
        SELECT key FROM public.tenants_tally
        WHERE tenant_id IS NOT DISTINCT FROM %(tenant)s
        AND (ends_at <= statement_timestamp() OR %(all)s)
        ORDER BY key FOR UPDATE SKIP LOCKED
    )
    RETURNING event_id, folded, mixed, common, first_at, last_at
), written AS (
    {_WRITE} RETURNING 1
)
SELECT (SELECT count(*) FROM counts WHERE folded > 0), (SELECT count(*) FROM written)
"""  # noqa: S608 (our own words)


def folding_of(event: ActivityEvent) -> Folding | None:
    """Return how floods of an event's kind are folded; ``None`` for what is never folded."""
    about = DESCRIPTIONS.get(event.action)
    return about.folding if about else None


def count(event: ActivityEvent, folding: Folding) -> bool:
    """Count ``event`` in place of writing it; ``False`` where it must be written by itself.

    One statement, which commits by itself outside a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            {
                "key": _key(event, folding),
                "signature": _signature(event),
                "common": _common(event),
                "singles": folding.singles,
            },
        )
        return bool(cursor.rowcount)


def write(event: ActivityEvent, folding: Folding) -> None:
    """Write ``event`` by itself and remember it; what is like it and follows is counted.

    Also writes what was counted in a window before, if nobody has yet.
    """
    tenant = current_tenant()
    with transaction.atomic():
        event.save(force_insert=True)
        with connection.cursor() as cursor:
            cursor.execute(
                _OPEN,
                {
                    "key": _key(event, folding),
                    "tenant": tenant.pk if tenant else None,
                    "event": event.pk,
                    "signature": _signature(event),
                    "common": _common(event),
                    "seconds": folding.seconds,
                },
            )
            *counts, is_over = cursor.fetchone()
            if is_over:
                cursor.execute(_CLOSE_ONE, counts)
                _expect(1, cursor.rowcount)


def settle(*, everything: bool = False) -> int:
    """Write what was counted in windows that have ended, in the place one is in.

    Returns how many events that made. ``everything`` does not wait for windows to end.
    """
    tenant = current_tenant()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLOSE, {"tenant": tenant.pk if tenant else None, "all": everything})
        wanted, written = cursor.fetchone()
        _expect(wanted, written)
    return int(written)


def settle_now() -> None:
    """Write all that is counted: before a tenant is exported, since counts do not move with it."""
    settle(everything=True)


def settle_everywhere() -> int:
    """Write what was counted in windows that have ended, in every place; returns how many events.

    A place that fails keeps no other waiting, and its counts for the next time. Counts of a tenant
    whose schema is gone are dropped: its record went with it.
    """
    with enter_platform():
        over = Tally.objects.filter(ends_at__lte=Now()).values_list("tenant_id", flat=True)
        places = list(over.distinct())
    made = 0
    for tenant_id in places:
        try:
            made += _settle_in(tenant_id)
        except (DatabaseError, TenantryError) as error:
            logger.error("floods not settled", tenant=str(tenant_id), error=type(error).__name__)
    return made


def _settle_in(tenant_id: uuid.UUID | None) -> int:
    with enter_platform():
        if tenant_id is None:
            return settle()
        tenant = owned(Tenant.objects.filter(pk=tenant_id))
        if tenant is None:
            Tally.objects.filter(tenant_id=tenant_id).delete()
            return 0
    with enter_unserved(tenant):
        return settle()


def _expect(wanted: int, written: int) -> None:
    """Refuse to lose a count whose event is not there: nothing takes events away so soon."""
    if wanted != written:
        raise DatabaseError(f"{wanted - written} counts name an event that is not in the record")


def _key(event: ActivityEvent, folding: Folding) -> uuid.UUID:
    """Return what is equal for events of one flood: action, somebody or something, network."""
    apart: list[Any] = [
        _target(event) if name == "target" else event.details.get(name, "")
        for name in folding.apart
    ]
    whose = (event.actor_id or event.target_id, _network(event.ip))
    # Of two accesses of an operator each has its person and its reason, and a session of its own.
    behalf = (event.on_behalf_of_id, event.session_ref) if event.on_behalf_of_id else ()
    # Another word than the release before had: that one counts, and does not say what is common.
    return _hash("flood by parts", event.action, event.outcome, *whose, *apart, *behalf)


def _signature(event: ActivityEvent) -> uuid.UUID:
    """Return what is equal for events that say the same of their object."""
    return _hash("flood-signature", *_target(event), sorted(event.details.items()))


def _common(event: ActivityEvent) -> str:
    """Return object and details of an event, each as a hash, as JSON."""
    parts = {_TARGET: _target(event), **event.details}
    return json.dumps({name: _hash("flood-part", name, value).hex for name, value in parts.items()})


def _target(event: ActivityEvent) -> tuple[str, str, str]:
    return (event.target_type, event.target_id, event.target_label)


def _hash(purpose: str, *parts: Any) -> uuid.UUID:
    return uuid.UUID(keyed_hash(purpose, repr(parts)))


def _network(ip: str | None) -> str:
    """Return an address, of version 6 the network that one subscriber has (RFC 6177)."""
    if ip is None:
        return ""
    address = ipaddress.ip_address(ip)
    if address.version == 6:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return ip
