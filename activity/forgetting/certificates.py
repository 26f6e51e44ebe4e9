"""What is certified of an erasure: what was found where, without a word about whom.

The certificate is canonical JSON (RFC 8785; texts and whole numbers alone), signed with the key of
the record: Ed25519 over a line that says what it is, and the certificate. It is kept in the event
``record.erased``, which is sealed with the rest.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from activity.forgetting.people import Person, pseudonym
from activity.models import ActivityEvent
from activity.recording import record
from activity.sealing import keys
from tenants.certificates import canonical, moment
from tenants.context import current_scope

HEADING: Final = b"tenantry erasure certificate\n"
"""Before the certificate in what is signed, so that it is a signature of nothing else."""


@dataclass(frozen=True)
class Certificate:
    """What an erasure found and emptied, signed."""

    document: dict[str, Any]
    digest: str
    key: str
    """The name of the key that signed it, as in ``/.well-known/tenantry/keys``."""
    signature: str
    """Key id (4 bytes) and signature (64) in Base64, as notes have them."""


def issue(person: Person, found: dict[str, int]) -> Certificate:
    """Sign what was found, by place and number, and write it into the record."""
    begun = ActivityEvent.objects.filter(
        action="user.erased", target_type="user", target_id=person.id
    ).latest("id")
    document = {
        "record": current_scope(),
        "person": person.id,
        "pseudonym": pseudonym(person.id),
        "event": str(begun.pk),
        "erased_at": moment(begun.occurred_at),
        "found": dict(sorted(found.items())),
    }
    text = canonical(document)
    signer = keys.signer()
    signature = base64.b64encode(signer.key_id + signer.sign(HEADING + text)).decode()
    certificate = Certificate(document, hashlib.sha256(text).hexdigest(), signer.name, signature)
    record(
        "record.erased",
        target=person.subject,
        details={
            "certificate": text.decode(),
            "sha256": certificate.digest,
            "key": certificate.key,
            "signature": certificate.signature,
        },
    )
    return certificate


def certificate_of(person_id: str) -> Certificate | None:
    """Return the newest certificate about somebody, ``None`` without one."""
    event = (
        ActivityEvent.objects.filter(action="record.erased", target_id=person_id)
        .order_by("-id")
        .first()
    )
    if event is None:
        return None
    details = event.details
    return Certificate(
        json.loads(details["certificate"]),
        details["sha256"],
        details["key"],
        details["signature"],
    )
