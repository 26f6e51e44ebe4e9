"""A customer organisation, as the platform knows it."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.names import SCHEMA_NAME_PATTERN, SLUG_PATTERN, new_schema_name
from tenants.uuid7 import UUIDv7


class TenantQuerySet(models.QuerySet["Tenant"]):
    """The words with which the rest of the code asks for tenants."""

    def active(self) -> "TenantQuerySet":
        """Tenants that may be served."""
        return self.filter(state=Tenant.State.ACTIVE)

    def living(self) -> "TenantQuerySet":
        """Tenants that have a schema and keep it, served or not."""
        return self.filter(state__in=Tenant.LIVING)


class Tenant(models.Model):
    """A customer organisation: one schema, one user table, one record, one panel."""

    class State(models.TextChoices):
        """Where a tenant is in its life. Only ``active`` is served."""

        REQUESTED = "requested"
        PROVISIONING = "provisioning"
        ACTIVE = "active"
        SUSPENDED = "suspended"
        DELETION_SCHEDULED = "deletion_scheduled", "deletion scheduled"
        DELETING = "deleting"
        DELETED = "deleted"

    LIVING: ClassVar = (State.ACTIVE, State.SUSPENDED, State.DELETION_SCHEDULED)
    """What is complete and not being destroyed."""
    CHANGEABLE: ClassVar = (State.ACTIVE, State.SUSPENDED)
    """What may be changed, and deleted: what is living and stays."""

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    slug = models.CharField(
        max_length=32,
        unique=True,
        help_text="The name in the address. 3-32 characters a-z, 0-9 and -, first a letter.",
    )
    name = models.CharField(max_length=200, help_text="What people call this organisation.")
    schema_name = models.CharField(
        max_length=18, unique=True, default=new_schema_name, editable=False
    )
    state = models.CharField(max_length=20, choices=State, default=State.REQUESTED, editable=False)
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="Where the tenant's days begin and end."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    allows_support = models.BooleanField(
        default=True,
        db_default=True,
        editable=False,
        help_text="Whether operators may open support access; its administrators decide.",
    )
    lacks = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        editable=False,
        help_text="Migrations, as app.name, that its schema lacks because one of them failed.",
    )
    restored_state = models.CharField(
        max_length=20,
        blank=True,
        db_default="",
        editable=False,
        help_text="While deletion is scheduled: the state that undeleting brings back.",
    )
    purge_after = models.DateTimeField(
        null=True, editable=False, help_text="When the grace of a scheduled deletion ends."
    )

    objects = TenantQuerySet.as_manager()

    # What django-tenants reads of a tenant: hosts are ours to resolve, schemas ours to drop.
    domain_url: ClassVar[None] = None
    auto_drop_schema: ClassVar[bool] = False

    class Meta:
        ordering: ClassVar[Any] = ["slug"]
        constraints: ClassVar[Any] = [
            # The database repeats what Python checks: a name that slips in by SQL would become
            # part of a search_path.
            models.CheckConstraint(
                name="tenant_schema_name_is_ours",
                condition=Q(schema_name__regex=f"^{SCHEMA_NAME_PATTERN}$"),
            ),
            models.CheckConstraint(
                name="tenant_slug_is_wellformed",
                condition=Q(slug__regex=f"^{SLUG_PATTERN}$"),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def condition(self) -> str:
        """The state as it follows "the tenant is"."""
        if self.state == self.State.DELETION_SCHEDULED:
            return "scheduled for deletion"
        return self.get_state_display().lower()

    @property
    def is_active(self) -> bool:
        """Whether the tenant's state lets it be served."""
        return self.state == self.State.ACTIVE

    @property
    def is_living(self) -> bool:
        """Whether the tenant has a schema and keeps it, served or not."""
        return self.state in self.LIVING

    @property
    def is_changeable(self) -> bool:
        """Whether the tenant may be changed, and deleted."""
        return self.state in self.CHANGEABLE


class FormerSlug(models.Model):
    """A slug that a tenant had. It stays the tenant's: nobody else may turn up under it."""

    slug = models.CharField(max_length=32, primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="former_slugs")
    given_up_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar[Any] = ["-given_up_at"]

    def __str__(self) -> str:
        return self.slug
