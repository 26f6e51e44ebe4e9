"""How schemas come to be: the script they are made from, and those that wait ready-made."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.names import SCHEMA_NAME_PATTERN, new_schema_name
from tenants.uuid7 import UUIDv7


class Blueprint(models.Model):
    """The script that makes a tenant's schema, for one release of the code."""

    fingerprint = models.CharField(
        max_length=64, primary_key=True, help_text="Of the migrations that it was made from."
    )
    statements = models.JSONField(
        help_text="SQL statements in their order, each with a placeholder for the schema's name."
    )
    built_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar[Any] = ["-built_at"]

    def __str__(self) -> str:
        return self.fingerprint[:12]


class SpareSchema(models.Model):
    """A complete schema that no tenant has yet, already marked with the UUID its tenant will have.

    Claiming it is deleting this row, so it is claimed once, and needs no change of the schema.
    """

    schema_name = models.CharField(max_length=18, primary_key=True, default=new_schema_name)
    tenant_id = models.UUIDField(unique=True, db_default=UUIDv7())
    fingerprint = models.CharField(max_length=64, help_text="Of the blueprint it was made from.")
    built_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar[Any] = ["built_at"]
        constraints: ClassVar[Any] = [
            models.CheckConstraint(
                name="spareschema_schema_name_is_ours",
                condition=Q(schema_name__regex=f"^{SCHEMA_NAME_PATTERN}$"),
            ),
        ]

    def __str__(self) -> str:
        return self.schema_name
