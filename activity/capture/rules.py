"""What the record must forget, and must not: rules of retention, and legal holds.

The application tells of each change itself, in words that a row does not have. Here is what it
does not tell: a row that somebody writes past it, such as a hold that is taken away so that
somebody can be erased. So these triggers wait until the transaction ends, and write nothing where
an event of it has said so already.
"""

import pgtrigger

from activity.capture.triggers import UntoldTrigger, install
from activity.models import Hold, Retention
from activity.subjects import Declaration, declare
from tenants.triggers import HERE


class RuleTrigger(UntoldTrigger):
    """Records at the end of the transaction what no event of it has told.

    ``key`` is the column that events are about.
    """

    timing = pgtrigger.Deferred

    def __init__(self, key: str, **kwargs: object) -> None:
        self.key = key
        super().__init__(**kwargs)

    def is_told(self) -> str:
        """Return whether an event of the transaction is about the row."""
        return (
            f"EXISTS (SELECT FROM {HERE}.activity_activityevent"
            " WHERE xid = pg_catalog.pg_current_xact_id()::text::bigint"
            " AND action IN ('record.held', 'record.released', 'record.retention_changed')"
            f" AND target_id = coalesce(NEW.{self.key}, OLD.{self.key})::text)"
        )


def declare_models() -> None:
    """Make rules and holds known to the record. Called once at start-up."""
    declare(
        Retention,
        Declaration(
            noun="family",
            id="family",
            label=("events of the family {family}",),
            created="record.retention_changed",
            deleted="record.retention_changed",
            actions={"family": "record.retention_changed", "days": "record.retention_changed"},
        ),
    )
    install(Retention, RuleTrigger("family"))
    declare(
        Hold,
        Declaration(
            noun="hold",
            id="subject",
            label=("{subject}",),
            created="record.held",
            deleted="record.released",
            actions={"subject": "record.held", "reason": "record.held"},
            # A reason may name somebody, and these events are kept for ever.
            secret=frozenset({"reason"}),
            ignored=frozenset({"placed_by", "placed_at"}),
        ),
    )
    install(Hold, RuleTrigger("subject"))
