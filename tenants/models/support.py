"""Operators who look into a tenant for a while, announced to it: who, for whom, why, until when."""

from datetime import timedelta
from typing import Any, ClassVar, Final

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from tenants.models.tenant import Tenant
from tenants.uuid7 import UUIDv7

LONGEST: Final = timedelta(hours=2)
"""No access lasts longer, whatever the settings say: the database refuses its row."""


class SupportAccessQuerySet(models.QuerySet["SupportAccess"]):
    """The words with which the rest of the code asks for accesses. The clock is PostgreSQL's."""

    def unended(self) -> "SupportAccessQuerySet":
        """Accesses that nobody has ended, also those whose time is over."""
        return self.filter(ended_at__isnull=True)

    def running(self) -> "SupportAccessQuerySet":
        """Accesses that are good now, as far as they say themselves."""
        return self.unended().filter(ends_at__gt=Now())

    def over(self) -> "SupportAccessQuerySet":
        """Accesses whose time is over, and whose end is not written down yet."""
        return self.unended().filter(ends_at__lte=Now())

    def unused(self) -> "SupportAccessQuerySet":
        """Accesses that nobody can begin any more, and nobody has begun."""
        return self.running().filter(entered_at__isnull=True, link_until__lte=Now())


class SupportAccess(models.Model):
    """That an operator may act as one person of a tenant, for a reason and until a moment.

    The person is an id alone: names of a tenant's people stay in its schema.
    """

    class How(models.TextChoices):
        """How it ended."""

        OPERATOR = "operator", "by the operator"
        PLATFORM = "platform", "by another operator"
        TENANT = "tenant", "by an administrator of the tenant"
        PERSON = "person", "by the person"
        EXPIRED = "expired", "its time was over"
        UNUSED = "unused", "its link was not used in time"
        FORBIDDEN = "forbidden", "the tenant no longer allows it"
        CLOSED = "closed", "the tenant was closed"
        OPERATOR_LOST = "operator lost", "the operator may no longer"
        PERSON_LOST = "person lost", "the person may no longer sign in, or has another password"

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="support_accesses", db_index=False
    )
    operator_id = models.UUIDField(help_text="The operator's public ID.")
    operator_label = models.CharField(max_length=200, help_text="What they were called then.")
    person_id = models.UUIDField(help_text="The public ID of the person whom they act for.")
    reason = models.CharField(max_length=300)
    begun_at = models.DateTimeField(db_default=Now(), editable=False)
    ends_at = models.DateTimeField()
    link_hash = models.CharField(max_length=64, help_text="Of the one-time link.")
    link_until = models.DateTimeField(help_text="Until when the link can be used.")
    entered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_how = models.CharField(max_length=20, blank=True, choices=How)
    acts = models.PositiveIntegerField(
        null=True, help_text="How many events of the tenant's record tell what was done."
    )

    objects = SupportAccessQuerySet.as_manager()

    class Meta:
        verbose_name = "support access"
        verbose_name_plural = "support accesses"
        ordering: ClassVar[Any] = ["-id"]
        default_permissions = ("view",)
        permissions: ClassVar[Any] = [("open_support", "Can open support access to tenants")]
        constraints: ClassVar[Any] = [
            models.CheckConstraint(
                name="support_access_is_bounded",
                condition=Q(ends_at__gt=F("begun_at"), ends_at__lte=F("begun_at") + LONGEST),
            ),
            # Asked before another is opened, and by the sweep; a request finds its own by the key.
            models.UniqueConstraint(
                name="support_access_one_of_an_operator",
                fields=["tenant", "operator_id"],
                condition=Q(ended_at__isnull=True),
            ),
            models.UniqueConstraint(name="support_access_link", fields=["link_hash"]),
        ]
        indexes: ClassVar[Any] = [
            # The list of a tenant's accesses, in its panel and in the console.
            models.Index(name="support_access_of_tenant", fields=["tenant", "-id"]),
        ]

    def __str__(self) -> str:
        return f"support access {self.pk}"
