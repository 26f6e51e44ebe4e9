"""What is left of a tenant that was deleted."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from tenants.models.tenant import Tenant
from tenants.uuid7 import UUIDv7


class DeletionCertificate(models.Model):
    """Says of a purged tenant what was destroyed, by whom, when and why; nothing about people."""

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    tenant = models.OneToOneField(
        Tenant, on_delete=models.PROTECT, related_name="deletion_certificate"
    )
    slug = models.CharField(max_length=32)
    reason = models.TextField()
    actor = models.CharField(max_length=200, help_text="Who purged it.")
    counts = models.JSONField(help_text="How many rows, files and keys were destroyed, by place.")
    digest = models.CharField(
        max_length=64, help_text="SHA-256 over the certificate's other fields, in canonical JSON."
    )
    deleted_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar[Any] = ["-deleted_at"]

    def __str__(self) -> str:
        return f"{self.slug}, {self.deleted_at:%Y-%m-%d}"
