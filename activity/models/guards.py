"""What the triggers of append-only tables let pass: an erasure that keeps the proof, and a cut.

``tenantry.door`` is set by the two functions of the database that erase and cut, for as long as
they run, and by nobody else (``activity/migrations/0007_forgetting.py``). Where the run-time role
owns nothing it may change no event but through them. An erasure is looked at here as well: whoever
comes through that door can empty a part and leave its commitment, and can do nothing else.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from activity.leaves import ACTOR_MEMBERS, TARGET_MEMBERS, commitment_sql

_IN_THE_LEAF: Final = (
    *("id", "occurred_at", "action", "outcome", "severity", "actor_kind", "actor_id"),
    *("on_behalf_of_id", "target_type", "target_id", "channel", "request_id"),
    *("schema_version", "xid", "cluster"),
)
_OF_A_SEGMENT: Final = (
    *("number", "first", "events", "cluster", "xid", "event_id", "sealed_at", "note"),
)
EMPTY: Final[Mapping[str, str]] = {"ip": "NULL", "changes": "'{}'", "details": "'{}'"}
"""What an erased field holds, as SQL; a text that is not here is empty."""

_DIGEST: Final = "SELECT {} FROM (SELECT OLD.*) whole"


def _same(columns: Iterable[str]) -> str:
    now, before = (", ".join(f"{row}.{name}" for name in columns) for row in ("NEW", "OLD"))
    return f"ROW({now}) IS NOT DISTINCT FROM ROW({before})"


def _erased(part: str, members: Iterable[str]) -> str:
    """Tell that a part is as it was, or was whole and is erased with its commitment kept."""
    names = sorted(members)
    same = _same([*names, f"{part}_salt", f"{part}_commitment"])
    gone = " AND ".join(
        f"NEW.{name} IS NOT DISTINCT FROM {EMPTY.get(name, repr(''))}" for name in names
    )
    return (
        f"({same} OR (OLD.{part}_salt IS NOT NULL AND NEW.{part}_salt IS NULL AND {gone}"
        f" AND NEW.{part}_commitment IS NOT DISTINCT FROM"
        f" ({_DIGEST.format(commitment_sql(part))})))"
    )


_DOOR: Final = "pg_catalog.current_setting('tenantry.door', true)"

EVENTS: Final = (
    f"IF TG_OP = 'DELETE' AND {_DOOR} = 'cut' THEN RETURN OLD; END IF;"
    f" IF TG_OP = 'UPDATE' AND {_DOOR} = 'erase' THEN"
    f" IF {_same(_IN_THE_LEAF)} AND {_erased('actor', ACTOR_MEMBERS)}"
    f" AND {_erased('target', TARGET_MEMBERS)} THEN RETURN NEW; END IF; END IF;"
    " RAISE EXCEPTION 'the record is append-only';"
)

SEGMENTS: Final = (
    f"IF TG_OP = 'UPDATE' AND {_DOOR} = 'cut' THEN"
    " IF NEW.cut > OLD.cut AND NEW.cut <= NEW.events"
    f" AND {_same(_OF_A_SEGMENT)} THEN RETURN NEW; END IF; END IF;"
    " RAISE EXCEPTION 'segments are append-only';"
)
