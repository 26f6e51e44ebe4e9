"""What is certified of a tenant that was destroyed, and whether it still says so.

The digest is SHA-256 over the certificate's other fields as canonical JSON: keys in order, no
spaces, UTF-8 (RFC 8785; there are texts and whole numbers alone, so its rules for other numbers are
not needed). It tells a row that was changed from one that was not, to whoever kept the digest: the
record has it too.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from tenants.context import enter_platform
from tenants.errors import NotFound
from tenants.models import DeletionCertificate, Tenant


def canonical(document: Any) -> bytes:
    """Return a document of texts, whole numbers, lists and objects as the bytes that are hashed."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def moment(value: datetime) -> str:
    """Return a time in the one form in which it is hashed: RFC 3339, UTC, microseconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def certified(certificate: DeletionCertificate) -> dict[str, Any]:
    """Return the fields over which the digest is made."""
    return {
        "tenant": str(certificate.tenant_id),
        "slug": certificate.slug,
        "reason": certificate.reason,
        "actor": certificate.actor,
        "counts": certificate.counts,
        "deleted_at": moment(certificate.deleted_at),
    }


def digest_of(certificate: DeletionCertificate) -> str:
    """Return the digest that the certificate's fields have as they are now."""
    return hashlib.sha256(canonical(certified(certificate))).hexdigest()


def issue(
    tenant: Tenant, *, reason: str, actor: str, counts: dict[str, Any], deleted_at: datetime
) -> DeletionCertificate:
    """Store what was destroyed, in the transaction one is in."""
    certificate = DeletionCertificate(
        tenant=tenant,
        slug=tenant.slug,
        reason=reason,
        actor=actor[:200],
        counts=counts,
        deleted_at=deleted_at,
    )
    certificate.digest = digest_of(certificate)
    certificate.save(force_insert=True)
    return certificate


def certificate_of(tenant: Tenant) -> DeletionCertificate:
    """Return what was certified of a tenant; raises ``NotFound`` for one that was not purged."""
    with enter_platform():
        found = DeletionCertificate.objects.filter(tenant=tenant).first()
    if found is None:
        raise NotFound(
            f'there is no certificate for the tenant "{tenant.slug}": it is {tenant.condition}.',
            "Purging a tenant leaves one.",
        )
    return found
