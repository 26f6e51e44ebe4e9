"""What of an event is proven, byte for byte: the leaves of the record's Merkle tree.

A leaf is a canonical JSON document (RFC 8785) of texts and one small number, and its hash is that
of RFC 6962: SHA-256 over a zero byte and the document. What is personal is not in it. In its place
are two commitments, SHA-256 over 16 secret bytes and another canonical document: ``actor`` for who
acted and from where, ``target`` for what it was done to. Whoever erases fields and secret leaves a
commitment that still proves and that nobody can open (``docs/adr/0026-what-a-leaf-commits-to.md``).

Numbers of 64 bits are texts, because JSON's numbers are not that long. ``changes`` and ``details``
enter as texts too: as PostgreSQL prints them, which is one form for one value.

PostgreSQL does the hashing, in one statement for thousands of events: reading them would take
longer than the rest. The statement is the application's, not a function of the database, which
whoever edits rows could edit as well. ``docs/record-format.md`` has the same for those who check
without us.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

ACTOR_MEMBERS: Final[Mapping[str, str]] = {
    "actor_label": "to_json(actor_label)",
    "ip": "coalesce(to_json(ip)::text, 'null')",
    "on_behalf_of_label": "to_json(on_behalf_of_label)",
    "session_ref": "to_json(session_ref)",
    "user_agent": "to_json(user_agent)",
}
"""The personal fields of who acted, in canonical order, each as SQL that gives it as JSON."""

TARGET_MEMBERS: Final[Mapping[str, str]] = {
    "changes": "to_json(changes::text)",
    "details": "to_json(details::text)",
    "reason": "to_json(reason)",
    "target_label": "to_json(target_label)",
}
"""The personal fields of what it was done to."""


def _document(members: Mapping[str, str]) -> str:
    parts = []
    for position, name in enumerate(sorted(members)):
        before = "{" if position == 0 else ","
        parts.append(f"""'{before}"{name}":' || {members[name]}""")
    return f"convert_to({' || '.join(parts)} || '}}', 'UTF8')"


def commitment_sql(part: str) -> str:
    """Return SQL for the commitment to the part ``actor`` or ``target`` of a row that is whole."""
    members = {"actor": ACTOR_MEMBERS, "target": TARGET_MEMBERS}[part]
    return f"sha256({part}_salt || {_document(members)})"


def _kept(part: str) -> str:
    """The commitment of a row, as hexadecimal JSON text, whether its part is erased or not."""
    value = f"CASE WHEN {part}_salt IS NULL THEN {part}_commitment ELSE {commitment_sql(part)} END"
    return f"""'"' || encode({value}, 'hex') || '"'"""


def _quoted(expression: str) -> str:
    """SQL for the JSON of a text without anything to escape: a tenth of a leaf's time less."""
    return f"""'"' || {expression} || '"'"""


_MOMENT: Final = '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\''

LEAF_MEMBERS: Final[Mapping[str, str]] = {
    "action": "to_json(action)",
    "actor": _kept("actor"),
    "actor_id": "to_json(actor_id)",
    "actor_kind": "to_json(actor_kind)",
    "channel": "to_json(channel)",
    "cluster": _quoted("cluster::text"),
    "id": _quoted("id::text"),
    "occurred_at": _quoted(f"to_char(occurred_at AT TIME ZONE 'UTC', {_MOMENT})"),
    "on_behalf_of_id": "to_json(on_behalf_of_id)",
    "outcome": "to_json(outcome)",
    "request_id": _quoted("request_id::text"),
    "schema_version": "schema_version",
    "severity": "to_json(severity)",
    "target": _kept("target"),
    "target_id": "to_json(target_id)",
    "target_type": "to_json(target_type)",
    # A parameter of the statement: the record's own id.
    "tenant": _quoted("%(tenant)s::text"),
    "xid": _quoted("xid::text"),
}
"""The members of a leaf, each as SQL that gives it as JSON."""


def leaf_sql() -> str:
    """Return SQL for the document that is hashed; it takes the parameter ``tenant``.

    ``NULL`` for a row that is no event of ours: an erased part without a commitment.
    """
    return _document(LEAF_MEMBERS)


def leaf_hash_sql() -> str:
    """Return SQL for the hash of a leaf, 32 bytes; it takes the parameter ``tenant``."""
    return rf"sha256('\x00'::bytea || {leaf_sql()})"


def canonical(document: Mapping[str, str | int | None]) -> bytes:
    """Return a document of texts, small whole numbers and nulls as RFC 8785 writes it.

    Names must be ASCII; texts must be valid Unicode.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def commitment(salt: bytes, part: Mapping[str, str | None]) -> bytes:
    """Return the commitment to one personal part of an event."""
    return hashlib.sha256(salt + canonical(part)).digest()


def leaf_hash(document: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + document).digest()
