"""Whose keys signed a record, and which of them nobody here knows.

A record that came with a tenant from another installation was signed there. Its notes name the key
and do not hold it, and no signature gives it away: it has to be brought.
"""

import base64
import binascii
from typing import Final

from django.conf import settings
from django.db.models import Value
from django.db.models.functions import Left, Length, StrIndex, Substr

from activity.models import Segment
from activity.sealing import keys

REMEDY: Final = (
    "append its vkey, as /.well-known/tenantry/keys of the installation that sealed it lists it,"
    " to TENANTRY_SEAL_KEYS and restart"
)
_MARK: Final = "\n— "
_BEHIND: Final = 87
"""Characters of a note behind the six that hold the key's id, the line break among them."""


def unknown() -> list[str]:
    """Return the keys that signed the record of the place one is in and are not known here.

    Each as ``name+id``, with which its vkey begins. Raises ``SealKeyError``.
    """
    known = {f"{name}+{key_id.hex()}" for name, key_id in keys.verifiers()}
    return sorted(_named() - known)


def remaining() -> list[str]:
    """Return what is to be done before the record can be verified here, in sentences."""
    missing = unknown()
    if not missing:
        return []
    line = ",".join([*settings.TENANTRY_SEAL_KEYS, *(f"{key}+…" for key in missing)])
    sentence = (
        f"its record is sealed with a key that is not known here, {' and '.join(missing)}: until"
        " it is, `activity verify` says missing key. /.well-known/tenantry/keys of the"
        " installation it comes from lists the vkey that begins so; set it in place of the dots"
        f" and restart: TENANTRY_SEAL_KEYS={line}"
    )
    return [sentence]


def _named() -> set[str]:
    """Return the keys that the notes name; PostgreSQL looks through them, few come here."""
    signed = Substr("note", StrIndex("note", Value(_MARK)) + len(_MARK))
    # Name, a space, and six characters: four bits more than the id, so 16 texts of a key at most.
    beginnings = (
        Segment.objects.order_by()
        .annotate(signed=signed)
        .values_list(Left("signed", Length("signed") - _BEHIND), flat=True)
        .distinct()
    )
    found = set()
    for beginning in beginnings:
        name, _, encoded = beginning.rpartition(" ")
        try:
            key_id = base64.b64decode(f"{encoded}AA", validate=True)[:4]
        except (ValueError, binascii.Error):
            continue  # No note of ours, and so nothing that a key would mend: verifying says it.
        if keys.NAME.fullmatch(name):
            found.add(f"{name}+{key_id.hex()}")
    return found
