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
whoever edits rows could edit as well: so each function in it names its schema, and each operator
has operands of exactly the types of PostgreSQL's own, which is found first then.
``docs/record-format.md`` has the same for those who check without us.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final


def _text(expression: str) -> str:
    return f"{expression}::pg_catalog.text"


def _json(expression: str) -> str:
    # As text, since || of text and JSON is another operator, behind which one of the record's own
    # schema can step.
    return _text(f"pg_catalog.to_json({expression})")


ACTOR_MEMBERS: Final[Mapping[str, str]] = {
    "actor_label": _json("actor_label"),
    "ip": f"coalesce({_json('ip')}, 'null')",
    "on_behalf_of_label": _json("on_behalf_of_label"),
    "session_ref": _json("session_ref"),
    "user_agent": _json("user_agent"),
}
"""The personal fields of who acted, in canonical order, each as SQL that gives it as JSON."""

TARGET_MEMBERS: Final[Mapping[str, str]] = {
    "changes": _json(_text("changes")),
    "details": _json(_text("details")),
    "reason": _json("reason"),
    "target_label": _json("target_label"),
}
"""The personal fields of what it was done to."""


def _document(members: Mapping[str, str]) -> str:
    parts = []
    for position, name in enumerate(sorted(members)):
        before = "{" if position == 0 else ","
        parts.append(f"""'{before}"{name}":' || {members[name]}""")
    return f"pg_catalog.convert_to({' || '.join(parts)} || '}}', 'UTF8')"


def commitment_sql(part: str) -> str:
    """Return SQL for the commitment to the part ``actor`` or ``target`` of a row that is whole."""
    members = {"actor": ACTOR_MEMBERS, "target": TARGET_MEMBERS}[part]
    return f"pg_catalog.sha256({part}_salt || {_document(members)})"


def _kept(part: str) -> str:
    """The commitment of a row, as hexadecimal JSON text, whether its part is erased or not."""
    value = f"CASE WHEN {part}_salt IS NULL THEN {part}_commitment ELSE {commitment_sql(part)} END"
    return f"""'"' || pg_catalog.encode({value}, 'hex') || '"'"""


def _quoted(expression: str) -> str:
    """SQL for the JSON of a text without anything to escape: a tenth of a leaf's time less."""
    return f"""'"' || {expression} || '"'"""


_MOMENT: Final = '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\''

LEAF_MEMBERS: Final[Mapping[str, str]] = {
    "action": _json("action"),
    "actor": _kept("actor"),
    "actor_id": _json("actor_id"),
    "actor_kind": _json("actor_kind"),
    "channel": _json("channel"),
    "cluster": _quoted(_text("cluster")),
    "id": _quoted(_text("id")),
    "occurred_at": _quoted(f"pg_catalog.to_char(occurred_at AT TIME ZONE 'UTC', {_MOMENT})"),
    "on_behalf_of_id": _json("on_behalf_of_id"),
    "outcome": _json("outcome"),
    "request_id": _quoted(_text("request_id")),
    "schema_version": _text("schema_version"),
    "severity": _json("severity"),
    "target": _kept("target"),
    "target_id": _json("target_id"),
    "target_type": _json("target_type"),
    # A parameter of the statement: the record's own id.
    "tenant": _quoted(_text("%(tenant)s")),
    "xid": _quoted(_text("xid")),
}
"""The members of a leaf, each as SQL that gives it as JSON."""


def leaf_sql() -> str:
    """Return SQL for the document that is hashed; it takes the parameter ``tenant``.

    ``NULL`` for a row that is no event of ours: an erased part without a commitment.
    """
    return _document(LEAF_MEMBERS)


def leaf_hash_sql() -> str:
    """Return SQL for the hash of a leaf, 32 bytes; it takes the parameter ``tenant``."""
    return rf"pg_catalog.sha256('\x00'::pg_catalog.bytea || {leaf_sql()})"


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
