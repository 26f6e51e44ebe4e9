"""The one table that the views read."""

from typing import ClassVar

from django.db import models


class Note(models.Model):
    """A line of text, of which each tenant has its own."""

    text = models.CharField(max_length=200)

    objects: ClassVar["models.Manager[Note]"] = models.Manager()

    def __str__(self) -> str:
        return self.text
