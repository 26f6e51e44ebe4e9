"""What happened."""

from typing import Any, ClassVar

import pgtrigger
from django.db import models
from django.db.models.functions import Now

from activity.actions import Severity
from activity.context import ActorKind, Channel
from activity.models import guards
from tenants.triggers import PinnedTrigger
from tenants.uuid7 import UUIDv7


class RandomSalt(models.Func):
    """16 bytes, 122 bits of them random: they keep a commitment from being guessed.

    Of a UUID of version 4, because PostgreSQL has no other source of strong random bytes without
    an extension.
    """

    template = "pg_catalog.uuid_send(pg_catalog.gen_random_uuid())"
    arity = 0
    output_field = models.BinaryField()


class Outcome(models.TextChoices):
    """How an act ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    DENIED = "denied"


def _choices(enum: Any) -> list[tuple[str, str]]:
    return [(member.value, member.value) for member in enum]


class ActivityEvent(models.Model):
    """Something that happened: who did what to what, when, from where, and what changed.

    No foreign keys: an event outlives what it is about, so it holds ids and labels as they were.
    Written once and never changed; the database refuses UPDATE, DELETE and TRUNCATE.
    """

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    occurred_at = models.DateTimeField(db_default=Now())
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.SUCCESS)
    severity = models.CharField(max_length=16, choices=_choices(Severity))
    actor_kind = models.CharField("kind", max_length=16, choices=_choices(ActorKind))
    actor_id = models.CharField("ID of who", max_length=64, blank=True)
    actor_label = models.CharField("who", max_length=200, blank=True)
    on_behalf_of_id = models.CharField(max_length=64, blank=True)
    on_behalf_of_label = models.CharField("on behalf of", max_length=200, blank=True)
    target_type = models.CharField("kind of what", max_length=32, blank=True)
    target_id = models.CharField("ID of what", max_length=64, blank=True)
    target_label = models.CharField("what", max_length=200, blank=True)
    changes = models.JSONField(default=dict, help_text="Field → its old and its new value.")
    details = models.JSONField(default=dict)
    ip = models.GenericIPAddressField("IP address", null=True)
    user_agent = models.CharField(max_length=400, blank=True)
    channel = models.CharField(max_length=16, choices=_choices(Channel))
    request_id = models.UUIDField(help_text="Joins all that one request, task or command did.")
    session_ref = models.CharField(
        "session",
        max_length=32,
        blank=True,
        help_text="A keyed hash of the session: joins, opens nothing.",
    )
    reason = models.CharField(max_length=500, blank=True)
    schema_version = models.PositiveSmallIntegerField(default=1)
    # Stamped by the database. xid8 as a number: below 2^63 for any age a cluster can reach.
    xid = models.BigIntegerField(db_default=0, editable=False)
    cluster = models.BigIntegerField(db_default=0, editable=False)
    # What is personal enters the proof as two salted commitments (activity.leaves): to who acted
    # and from where, and to what it was done to. Erasing somebody empties one part's fields and its
    # salt, and keeps the commitment, which nobody can open any more.
    actor_salt = models.BinaryField(db_default=RandomSalt(), null=True, editable=False)
    actor_commitment = models.BinaryField(null=True, editable=False)
    target_salt = models.BinaryField(db_default=RandomSalt(), null=True, editable=False)
    target_commitment = models.BinaryField(null=True, editable=False)

    class Meta:
        verbose_name = "event"
        verbose_name_plural = "events"
        ordering: ClassVar[Any] = ["-id"]
        permissions: ClassVar[Any] = [
            ("erase_person", "Can erase person, with all that is kept on them"),
            ("disclose_person", "Can take out all that is kept on person"),
            ("revert_history", "Can take people and groups back to what they were"),
        ]
        # Each index names its reader. Ids are ordered by time, so each ends in one.
        indexes: ClassVar[Any] = [
            # A person's page: what they did.
            models.Index(name="event_by_actor", fields=["actor_id", "-id"]),
            # Anything's page: what was done to it.
            models.Index(name="event_by_target", fields=["target_id", "-id"]),
            # The list filtered by action.
            models.Index(name="event_by_action", fields=["action", "-id"]),
            # Sealing and folding: what has committed since the last time, in the record's order.
            models.Index(name="event_by_xid", fields=["xid", "id"]),
            # The list filtered by address, and by what is rare: the common values need no index,
            # since the primary key meets them at every step.
            models.Index(
                name="event_by_ip", fields=["ip", "-id"], condition=models.Q(ip__isnull=False)
            ),
            models.Index(
                name="event_by_behalf",
                fields=["on_behalf_of_id", "-id"],
                condition=models.Q(on_behalf_of_id__gt=""),
            ),
            models.Index(
                name="event_by_bad_outcome",
                fields=["outcome", "-id"],
                condition=~models.Q(outcome="success"),
            ),
            models.Index(
                name="event_by_rare_channel",
                fields=["channel", "-id"],
                condition=~models.Q(channel="page"),
            ),
        ]
        triggers: ClassVar[Any] = [
            # In a trigger and not in column defaults, so that nobody can choose them, and so that
            # they are taken on the node that stores the row.
            PinnedTrigger(
                name="stamp",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                declare=[("secret", "bytea"), ("at", "bigint")],
                func=(
                    "NEW.occurred_at = pg_catalog.clock_timestamp();"
                    " NEW.xid = pg_catalog.pg_current_xact_id()::text::bigint;"
                    " NEW.cluster = @here.capture_cluster();"
                    # Strong random bytes cost more than hashing: one draw, which is forgotten,
                    # makes both salts and the id, none of which tells anything of another.
                    " secret = pg_catalog.sha512("
                    "pg_catalog.uuid_send(pg_catalog.gen_random_uuid()));"
                    " NEW.actor_salt = pg_catalog.substr(secret, 1, 16);"
                    " NEW.target_salt = pg_catalog.substr(secret, 17, 16);"
                    # RFC 9562, 5.7, with microseconds as the third method of 6.2 has them.
                    " at = pg_catalog.float8mul("
                    "pg_catalog.date_part('epoch', NEW.occurred_at), 1000000)::bigint;"
                    " NEW.id = pg_catalog.encode(pg_catalog.byteacat("
                    "pg_catalog.int8send(pg_catalog.int8or("
                    "pg_catalog.int8shl(pg_catalog.int8div(at, 1000), 16),"
                    " pg_catalog.int8or(28672, pg_catalog.int8div("
                    "pg_catalog.int8mul(pg_catalog.int8mod(at, 1000), 512), 125)))),"
                    " pg_catalog.set_byte(pg_catalog.substr(secret, 33, 8), 0, pg_catalog.int4or("
                    "pg_catalog.int4and(pg_catalog.get_byte(secret, 32), 63), 128))"
                    "), 'hex')::uuid;"
                    " NEW.actor_commitment = NULL;"
                    " NEW.target_commitment = NULL;"
                    " RETURN NEW;"
                ),
            ),
            PinnedTrigger(
                name="append_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                func=guards.EVENTS,
            ),
            PinnedTrigger(
                name="keep",
                operation=pgtrigger.Truncate,
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                func="RAISE EXCEPTION 'the record is append-only';",
            ),
        ]

    def __str__(self) -> str:
        from activity.events import sentence

        return sentence(self)
