"""Archives for tests: one that was really exported, and ways to spoil a copy of it."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from tenants.archive.format import SEAL_LENGTH

Members = dict[str, bytes]


def members_of(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: list[tuple[str, bytes]]) -> bytes:
    """The archive of these members, sealed anew: what somebody makes who knows the format."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = 0 if name == "tenantry-archive" else 8
            archive.writestr(info, content)
        archive.comment = b"0" * SEAL_LENGTH
    body = file.getvalue()[:-SEAL_LENGTH]
    return body + hashlib.sha256(body).hexdigest().encode()


def forged(content: bytes, change: Callable[[dict[str, Any], Members], None]) -> bytes:
    """The archive with manifest and members changed, and every digest right again."""
    members = members_of(content)
    manifest = json.loads(members.pop("manifest.json"))
    change(manifest, members)
    for table in manifest["tables"]:
        rows = members.get(f"tables/{table['name']}.copy")
        if rows is not None:
            table["bytes"] = len(rows)
            table["sha256"] = hashlib.sha256(rows).hexdigest()
    ordered = [*members.items(), ("manifest.json", json.dumps(manifest).encode())]
    return packed(ordered)


def table_of(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(t for t in manifest["tables"] if t["name"] == name)
    return found
