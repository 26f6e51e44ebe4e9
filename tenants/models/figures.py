"""How much happened in each record on each day: what operators see without entering anybody's."""

from typing import Any, ClassVar

from django.db import models


class TenantFigure(models.Model):
    """What one record counted on one of its local days. Numbers alone, nothing about people.

    Written by whoever counts, in the transaction that does; there is no foreign key, since counting
    must not wait for whoever changes the tenant.
    """

    # The day first: operators look at all records of some days, or at one record of few hundred.
    pk = models.CompositePrimaryKey("day", "record")
    day = models.DateField()
    record = models.CharField(max_length=36, help_text="A tenant's UUID, or platform.")
    events = models.BigIntegerField(help_text="All that happened.")
    sign_ins = models.BigIntegerField()
    failures = models.BigIntegerField(help_text="Attempts to sign in that failed.")
    people = models.BigIntegerField(help_text="Different people who did something.")
    changes = models.BigIntegerField(help_text="Changes to people and roles.")

    class Meta:
        verbose_name = "figures of a day"
        verbose_name_plural = "figures of days"
        ordering: ClassVar[Any] = ["day", "record"]

    def __str__(self) -> str:
        return f"{self.record} on {self.day}, {self.events} events"


class TenantMonth(models.Model):
    """The figures of a record's days, by month: a year of all tenants is a thirtieth of the rows.

    Written with those of the days, from them.
    """

    pk = models.CompositePrimaryKey("month", "record")
    month = models.DateField(help_text="Its first day.")
    record = models.CharField(max_length=36, help_text="A tenant's UUID, or platform.")
    events = models.BigIntegerField()
    sign_ins = models.BigIntegerField()
    failures = models.BigIntegerField()
    most_people = models.BigIntegerField(help_text="On the day that had most.")
    changes = models.BigIntegerField()
    last_day = models.DateField(help_text="The last one that has figures.")

    class Meta:
        verbose_name = "figures of a month"
        verbose_name_plural = "figures of months"
        ordering: ClassVar[Any] = ["month", "record"]

    def __str__(self) -> str:
        return f"{self.record} in {self.month:%Y-%m}, {self.events} events"
