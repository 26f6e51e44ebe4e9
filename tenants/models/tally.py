"""How many events of a flood are counted and not yet written."""

from django.db import models
from django.db.models import Value


class Tally(models.Model):
    """The count of one flood in one place, until ``activity.floods`` writes it into the record.

    Here and not in the tenant's schema, where every table costs each tenant. Who, what and from
    where are in the tenant's record, in the event that this names; here are numbers only. No
    foreign key: counting an attempt must not wait for whoever changes the tenant.
    """

    key = models.UUIDField(primary_key=True, help_text="A keyed hash of what makes it one flood.")
    tenant_id = models.UUIDField(null=True, help_text="Empty for the platform's own record.")
    event_id = models.UUIDField(help_text="The last event of it that was written by itself.")
    signature = models.UUIDField(help_text="A keyed hash of that event's object and details.")
    singles = models.PositiveIntegerField()
    folded = models.PositiveBigIntegerField()
    mixed = models.BooleanField(help_text="Whether one that was counted had another signature.")
    common = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        help_text="What all that were counted have in common with it, each as a keyed hash.",
    )
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        verbose_name = "tally"
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.singles} + {self.folded}"
