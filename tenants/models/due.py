"""When the platform's workers have to visit a place for what it planned."""

from typing import Any, ClassVar

from django.db import models


class Due(models.Model):
    """The earliest moment at which a place wants to be visited, and by which time zone.

    Here and not in the tenants' schemas, so that one statement finds the few tenants out of
    thousands that have something to do. A row less or a late one costs an hour: places are also
    visited by turns. No foreign key: planning must not wait for whoever changes the tenant.
    """

    place = models.CharField(
        max_length=36, primary_key=True, help_text="A tenant's UUID, or platform."
    )
    at = models.DateTimeField()
    zone = models.CharField(max_length=64, help_text="The tenant's time zone when it was reckoned.")

    class Meta:
        verbose_name = "due visit"
        verbose_name_plural = "due visits"
        ordering: ClassVar[Any] = ["at"]

    def __str__(self) -> str:
        return f"{self.place} at {self.at}"
