"""What reports read: events counted by day."""

from django.db import models


class DailyRollup(models.Model):
    """How many events of a kind somebody caused on one of the tenant's local days."""

    pk = models.CompositePrimaryKey("day", "action", "outcome", "actor_kind", "actor_id")
    day = models.DateField()
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    actor_label = models.CharField(max_length=200)
    events = models.PositiveBigIntegerField()

    class Meta:
        verbose_name = "daily roll-up"

    def __str__(self) -> str:
        return f"{self.day} {self.action} {self.events}"


class RollupCursor(models.Model):
    """Up to which transaction the events are in the roll-ups. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    cluster = models.BigIntegerField(default=0)
    xid = models.BigIntegerField(default=0)
    folded_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "roll-up cursor"

    def __str__(self) -> str:
        return f"{self.cluster}/{self.xid}"
