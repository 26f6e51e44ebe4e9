"""What makes the record provable: a Merkle tree over its events, and signed heads of it.

Leaf ``n`` is the n-th event in the order of transaction id and id (``activity.leaves``). The tree
is that of RFC 6962; its hashes are kept in tiles, 256 to a row, as the C2SP specification
*tlog-tiles* lays them out, so that an event costs 33 bytes and no row.
"""

from typing import Any, ClassVar

import pgtrigger
from django.db import models

from activity.models import guards
from tenants.triggers import PinnedTrigger


class Segment(models.Model):
    """Consecutive events that were sealed together, and the signed head of the tree after them.

    Events up to (``xid``, ``event_id``) of ``cluster`` are in this segment or in an earlier one.
    """

    number = models.BigIntegerField(primary_key=True)
    first = models.BigIntegerField(help_text="How many leaves the tree had before.")
    events = models.IntegerField(help_text="How many leaves were appended, at least one.")
    cluster = models.BigIntegerField()
    xid = models.BigIntegerField()
    event_id = models.UUIDField()
    cut = models.IntegerField(
        db_default=0, help_text="How many of its events retention has removed; their leaves stay."
    )
    sealed_at = models.DateTimeField()
    # Bounded, so that the table needs no TOAST: a hundred bytes of overhead for every tenant.
    note = models.CharField(
        max_length=450, help_text="The signed checkpoint, a C2SP signed note: size and root hash."
    )

    class Meta:
        ordering: ClassVar[Any] = ["number"]
        triggers: ClassVar[Any] = [
            PinnedTrigger(
                name="append_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                func=guards.SEGMENTS,
            ),
            PinnedTrigger(
                name="keep",
                operation=pgtrigger.Truncate,
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                func="RAISE EXCEPTION 'segments are append-only';",
            ),
        ]

    def __str__(self) -> str:
        return f"segment {self.number}, events {self.first} to {self.first + self.events - 1}"

    @property
    def size(self) -> int:
        """How many leaves the tree has after this segment."""
        return self.first + self.events


class Tile(models.Model):
    """Up to 256 consecutive hashes of one level of the tree: leaves at level 0.

    A hash of level ``n + 1`` is the root of a full tile of level ``n``. The last tile of a level is
    the only one that is not full, and it only grows.
    """

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField(help_text="32 bytes each.")

    class Meta:
        ordering: ClassVar[Any] = ["level", "index"]
        triggers: ClassVar[Any] = [
            PinnedTrigger(
                name="only_grow",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func=(
                    "IF (NEW.level, NEW.index) <> (OLD.level, OLD.index)"
                    " OR pg_catalog.substr(NEW.hashes, 1, pg_catalog.length(OLD.hashes))"
                    " <> OLD.hashes"
                    " THEN RAISE EXCEPTION 'tiles only grow'; END IF; RETURN NEW;"
                ),
            ),
            PinnedTrigger(
                name="keep_rows",
                operation=pgtrigger.Delete,
                when=pgtrigger.Before,
                func="RAISE EXCEPTION 'tiles only grow';",
            ),
            PinnedTrigger(
                name="keep",
                operation=pgtrigger.Truncate,
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                func="RAISE EXCEPTION 'tiles only grow';",
            ),
        ]

    def __str__(self) -> str:
        return f"tile {self.level}/{self.index}"
