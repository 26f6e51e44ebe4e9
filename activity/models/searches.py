"""Searches of the record that people keep under a name."""

from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import models

from tenants.uuid7 import UUIDv7

LONGEST_NAME: Final = 60
LONGEST_SAVED: Final = 400
"""Characters. With both bounds a row fits a page, so the table needs no TOAST."""


class SavedSearch(models.Model):
    """A search under a name: its owner's, or everybody's who may read the record.

    It is no part of the record, so it goes when its owner does.
    """

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    # Without an index of its own: the unique constraint begins with it.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=LONGEST_NAME)
    search = models.CharField(max_length=LONGEST_SAVED)
    is_shared = models.BooleanField(default=False)

    class Meta:
        verbose_name = "saved search"
        verbose_name_plural = "saved searches"
        ordering: ClassVar[Any] = ["name"]
        constraints: ClassVar[Any] = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_search_name_is_unique"),
        ]

    def __str__(self) -> str:
        return self.name
