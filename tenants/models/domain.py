"""The host names on which tenants answer."""

import secrets
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tenants.models.tenant import Tenant


def new_challenge() -> str:
    """Return what a customer publishes to prove that a domain is theirs: 256 random bits."""
    return secrets.token_urlsafe(32)


class DomainQuerySet(models.QuerySet["Domain"]):
    """The words with which the rest of the code asks for domains."""

    def verified(self) -> "DomainQuerySet":
        """Domains that belong to their tenant for certain. Only these are served."""
        return self.filter(verified_at__isnull=False)


class Domain(models.Model):
    """A host name of a tenant: served, or redirected, once it is verified; until then a claim."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains")
    domain = models.CharField(max_length=253)
    is_primary = models.BooleanField(
        default=False, help_text="The host that links in mail and pages name."
    )
    redirects = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Answers only with a redirect to the primary host.",
    )
    verified_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when it is known to be the tenant's."
    )
    challenge = models.CharField(
        max_length=64,
        default=new_challenge,
        db_default="",
        editable=False,
        help_text="What the customer publishes to prove that the domain is theirs.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = DomainQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[Any] = ["-is_primary", "domain"]
        constraints: ClassVar[Any] = [
            models.UniqueConstraint(
                name="domain_one_primary_per_tenant",
                fields=["tenant"],
                condition=Q(is_primary=True),
            ),
            # Anybody may claim a host; it belongs to whoever proves it. A claim that was never
            # proven must not keep the owner out.
            models.UniqueConstraint(
                name="domain_verified_for_one_tenant",
                fields=["domain"],
                condition=Q(verified_at__isnull=False),
            ),
            models.UniqueConstraint(name="domain_once_per_tenant", fields=["tenant", "domain"]),
            models.CheckConstraint(
                name="domain_primary_is_served",
                condition=Q(is_primary=False) | Q(verified_at__isnull=False, redirects=False),
            ),
            # Stored in the form that look-ups use, so that a host cannot be taken twice by case.
            models.CheckConstraint(
                name="domain_is_normalized", condition=Q(domain__regex=r"^[a-z0-9.-]+[a-z0-9]$")
            ),
        ]

    def __str__(self) -> str:
        return self.domain
