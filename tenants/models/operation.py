"""What is being done to tenants, in steps that survive the process that takes them."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.models.tenant import Tenant
from tenants.uuid7 import UUIDv7


class OperationQuerySet(models.QuerySet["Operation"]):
    """The words with which the rest of the code asks for operations."""

    def unfinished(self) -> "OperationQuerySet":
        """Operations of which steps are left."""
        return self.filter(state__in=Operation.UNFINISHED)


class Operation(models.Model):
    """One act on a tenant, or on the whole fleet: its steps, attempts, error, actor and times."""

    class Kind(models.TextChoices):
        """What is done."""

        CREATE = "create"
        SUSPEND = "suspend"
        RESUME = "resume"
        RENAME = "rename"
        DOMAIN = "domain"
        SCHEDULE_DELETION = "schedule_deletion", "schedule deletion"
        UNDELETE = "undelete"
        PURGE = "purge"
        EXPORT = "export"
        IMPORT = "import"
        MIGRATE = "migrate"

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        RUNNING = "running"
        FAILED = "failed"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    UNFINISHED: ClassVar[Any] = (State.WAITING, State.RUNNING, State.FAILED)

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    tenant = models.ForeignKey(
        Tenant,
        null=True,
        on_delete=models.CASCADE,
        related_name="operations",
        help_text="Empty for what is done to the whole fleet.",
    )
    kind = models.CharField(max_length=20, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    steps = models.JSONField(default=list, help_text="The names of all steps, in their order.")
    done = models.PositiveSmallIntegerField(default=0, help_text="How many steps are done.")
    attempt = models.PositiveIntegerField(default=0, help_text="How often it was carried on.")
    error = models.TextField(blank=True, help_text="What stopped the last attempt.")
    request = models.JSONField(default=dict, help_text="What was asked for.")
    result = models.JSONField(default=dict, help_text="What the steps found or made.")
    actor = models.JSONField(default=dict, help_text="Who asked for it, and through which door.")
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, help_text="When the first step began.")
    touched_at = models.DateTimeField(db_default=Now(), help_text="The last sign of life.")
    finished_at = models.DateTimeField(null=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[Any] = ["-id"]
        constraints: ClassVar[Any] = [
            # Two at once of one kind would take each other's steps.
            models.UniqueConstraint(
                name="operation_one_unfinished_of_a_kind",
                fields=["tenant", "kind"],
                condition=Q(state__in=["waiting", "running", "failed"]),
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def is_unfinished(self) -> bool:
        """Whether steps are left."""
        return self.state in self.UNFINISHED

    @property
    def next_step(self) -> str:
        """The name of the step that comes next; empty when none does."""
        return self.steps[self.done] if self.done < len(self.steps) else ""
