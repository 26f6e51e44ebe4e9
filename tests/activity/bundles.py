"""Making bundles, changing them, and checking them as an outsider would."""

import hashlib
import io
import json
import os
import secrets
import subprocess
import sys
import zipfile
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from django.db import connection

import verify_record
from activity.bundles.writing import Asked, Bundle, one_moment
from activity.context import Actor, ActorKind, Channel, Context
from activity.models import ActivityEvent, Segment, Tile
from tenants import provisioning
from tenants.context import enter_tenant
from tenants.provisioning import TenantRequest
from tests.conftest import remove_without_trace

VERIFIER = Path(__file__).resolve().parents[2] / "verify_record.py"


def made(path, **asked):
    """Write a bundle of the place one is in."""
    with one_moment(), path.open("wb") as file:
        bundle = Bundle(Asked(**asked))
        for piece in bundle.pieces():
            file.write(piece)
    return bundle


def check(bundle, *arguments, directory=None):
    """Check a bundle with the verifier alone; return the exit status and what it says."""
    ran = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(bundle), "--json", *map(str, arguments)],
        cwd=directory or bundle.parent,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stderr == ""
    return ran.returncode, json.loads(ran.stdout)


def members(bundle):
    with zipfile.ZipFile(bundle) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def listed(content):
    """The manifest made to fit the other members."""
    manifest = json.loads(content["manifest.json"])
    manifest["members"] = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in content.items()
        if name != "manifest.json"
    ]
    return {**content, "manifest.json": json.dumps(manifest).encode()}


def packed(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def lines(data):
    assert data.endswith(b"\n")
    return data.split(b"\n")[:-1]


def joined(found):
    return b"".join(line + b"\n" for line in found)


def judged(bundle, *arguments):
    """Check a bundle in this process, which is faster; return as ``check`` does."""
    out = io.StringIO()
    with redirect_stdout(out):
        status = verify_record.main([str(bundle), "--json", *map(str, arguments)])
    return status, json.loads(out.getvalue())


@contextmanager
def laboratory():
    """A tenant in which everything is committed, as ``lab``, for as long as one likes."""
    slug = f"lab-{secrets.token_hex(4)}"
    tenant = provisioning.create(TenantRequest(slug=slug, name="Lab")).tenant
    try:
        with enter_tenant(tenant):
            yield tenant
    finally:
        remove_without_trace(tenant)
        connection.close()


HOSTILE = '\u2028 \\ " \x7f \u00e9 e\u0301 \U0001f600 =1+1'
ANN = Context(
    actor=Actor(ActorKind.PERSON, "11111111-1111-4111-8111-111111111111", "Ann Lee (ann)"),
    channel=Channel.PAGE,
    on_behalf_of=Actor(ActorKind.PERSON, "22222222-2222-4222-8222-222222222222", "Eve (eve)"),
    ip="2001:db8::1",
    user_agent=f"Mozilla {HOSTILE}",
    session_ref="0123456789abcdef0123456789abcdef",
    reason=f"asked to {HOSTILE}",
)


def varied(count):
    """Events with something in every field, as of one transaction."""
    ActivityEvent.objects.bulk_create(
        event(
            target_id=str(number),
            target_label=f"Bob {number} {HOSTILE}",
            changes={"email": (f"b{number}@acme.example", HOSTILE), "n": (None, number)},
            details={"why": HOSTILE, "list": [1, True, None]},
        )
        for number in range(count)
    )


def event(**fields):
    """An event that is not stored yet, and need not hold what its action should."""
    return ActivityEvent(
        **{
            "action": "user.changed",
            "severity": "info",
            "actor_kind": ANN.actor.kind,
            "actor_id": ANN.actor.id,
            "actor_label": ANN.actor.label,
            "on_behalf_of_id": ANN.on_behalf_of.id,
            "on_behalf_of_label": ANN.on_behalf_of.label,
            "target_type": "user",
            "ip": ANN.ip,
            "user_agent": ANN.user_agent,
            "channel": ANN.channel,
            "request_id": ANN.request_id,
            "session_ref": ANN.session_ref,
            "reason": ANN.reason,
            **fields,
        }
    )


@contextmanager
def owner():
    """A cursor of the tables' owner, with no trigger in the way."""
    tables = [model._meta.db_table for model in (ActivityEvent, Segment, Tile)]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
