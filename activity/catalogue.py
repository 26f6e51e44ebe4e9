"""What each action of ``activity.actions`` means, and what its events hold.

Every action is described here: a test, and the record itself in development, name the one that is
not. ``details`` and ``changes`` name the fields of those columns and what they hold; the published
JSON Schema is made of them. A field is never renamed; new ones are optional (``"name?"``).
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from activity.actions import CATALOGUE, Action
from activity.described_exports import EXPORTS
from activity.described_factors import FACTORS
from activity.described_schedules import SCHEDULES
from activity.described_support import SUPPORT
from activity.describing import FLOOD as FLOOD
from activity.describing import VIEWS as VIEWS
from activity.describing import VIEWS_APART as VIEWS_APART
from activity.describing import Description as Description
from activity.describing import Folding as Folding
from activity.schemas import (
    COUNT,
    DIALECT,
    FLAG,
    HASH,
    MOMENT,
    ROW,
    TEXT,
    TEXTS,
    Schema,
    of_changes,
    of_details,
    one_of,
)

VERSION: Final = 1
"""The version of events' columns that the schemas go with: ``schema_version`` of an event."""


FOLDED: Final[dict[str, Schema]] = {"count?": COUNT, "first?": MOMENT, "last?": MOMENT}
"""What the event of a fold has beside the fields of its action."""

_HOST: Final[dict[str, Schema]] = {"host": TEXT}
_HELD: Final[dict[str, Schema]] = {"subject": TEXT}
_POWER: Final[dict[str, Schema]] = {"is_superuser": FLAG, "is_staff": FLAG, "permissions": TEXTS}

DESCRIPTIONS: Final[dict[str, Description]] = {
    "session.started": Description("Somebody gave the right password and has a session."),
    "session.ended": Description("Somebody signed out; the session is gone."),
    "session.failed": Description(
        "Somebody gave a wrong password, an account that does not exist or is deactivated, or was"
        " kept from trying by a rate limit. An unknown name is kept as a keyed hash only.",
        details={"identifier_hash?": HASH, "why?": one_of("too many attempts")},
        folding=FLOOD,
    ),
    "session.refused": Description(
        "A session cookie of another organisation of this platform was presented. Whose it was is"
        " not said; whoever brought it is nobody here.",
        details={"presented_session_ref": HASH},
        folding=Folding(singles=1, seconds=60),
    ),
    "session.revoked": Description(
        "A session was ended: by its person from another one, or with all of theirs when their"
        " password was voided, their second factor taken away, or they were deactivated. Its cookie"
        " opens nothing any more.",
        details={"revoked_session_ref": HASH},
    ),
    "access.denied": Description(
        "Somebody was answered 403 or 429: they lack a permission, a form came without its token,"
        " or there were too many requests. The target is the object of the page, or the page.",
        details={
            "method": TEXT,
            "path": TEXT,
            "why": one_of("not permitted", "forged form", "too many requests", "support access"),
        },
        folding=FLOOD,
    ),
    "user.created": Description("A person was added, with these first values.", changes=ROW),
    "user.invited": Description("A one-time link to choose a password was made and mailed."),
    "user.changed": Description("What is known of a person was changed.", changes=ROW),
    "user.deleted": Description("A person was removed; these were the last values.", changes=ROW),
    "user.deactivated": Description(
        "A person may not sign in any more; open sessions and tokens end.",
        changes={"is_active": FLAG},
    ),
    "user.reactivated": Description("A person may sign in again.", changes={"is_active": FLAG}),
    "user.privileges_changed": Description(
        "A person became or ceased to be an administrator, may or may not open the panel, or was"
        " given or lost a permission past their roles.",
        changes=_POWER,
    ),
    "user.password_changed": Description(
        "A person has a new password, by whichever door. It is never part of the event."
    ),
    "user.password_reset": Description("A person chose a password by a one-time link."),
    "user.password_reset_requested": Description(
        "Somebody asked for a link to choose a new password for this account; it was mailed."
    ),
    "user.password_rehashed": Description(
        "At a sign-in the password was stored anew, in the form that is the strongest today."
    ),
    "user.exported": Description(
        "Somebody took out all that is kept on a person, as a file with so many rows.",
        details={"rows": COUNT},
    ),
    "user.erased": Description(
        "A person's account ended and what is kept on them began to be emptied. Details count the"
        " rows that were deleted, by table.",
        details={"*": COUNT},
    ),
    "email.added": Description("A person has another e-mail address.", changes=ROW),
    "email.changed": Description(
        "An address of a person was changed, verified or made the one that mail goes to.",
        changes=ROW,
    ),
    "email.removed": Description("An address was taken from a person.", changes=ROW),
    "group.created": Description("A role was added.", changes=ROW),
    "group.changed": Description("A role was renamed.", changes=ROW),
    "group.deleted": Description("A role was removed.", changes=ROW),
    "group.permissions_changed": Description(
        "What the holders of a role may do was changed. Before has what was taken, after what was"
        " given, by the names of permissions.",
        changes={"permissions": TEXTS},
    ),
    "group.member_added": Description(
        "A person was given a role. The target is the person and the role.", changes=ROW
    ),
    "group.member_removed": Description(
        "A role was taken from a person. The target is the person and the role.", changes=ROW
    ),
    "token.created": Description(
        "A person made a token for a program of theirs. Neither it nor its hash is in the event.",
        changes=ROW,
    ),
    "token.changed": Description(
        "What a token may do, how long it lasts or whose it is was changed, which no page does.",
        changes=ROW,
    ),
    "token.revoked": Description(
        "A token opens nothing any more, from this moment on.", changes={"revoked_at": MOMENT}
    ),
    "token.deleted": Description(
        "A token was removed, with its person or alone; these were the last values.", changes=ROW
    ),
    "token.refused": Description(
        "A token was presented that this platform made and that opens nothing here: it was"
        " revoked, has expired, its person may not sign in or is gone, or it is another"
        " organisation's, which is then not said.",
        details={
            "why": one_of("elsewhere", "unknown", "revoked", "expired", "deactivated"),
            "presented_token_ref": HASH,
        },
    ),
    **EXPORTS,
    **FACTORS,
    **SCHEDULES,
    **SUPPORT,
    "search.shared": Description(
        "A search that somebody keeps can be used by everybody who may read the record.",
        details={"search": TEXT},
    ),
    "search.renamed": Description("A shared search has another name.", changes={"name": TEXT}),
    "search.withdrawn": Description(
        "A search is its owner's alone again, or gone.", details={"search": TEXT}
    ),
    "activity.searched": Description(
        "Somebody looked through the record. The target says what they searched for; paging through"
        " one search is one event.",
        folding=VIEWS_APART,
    ),
    "activity.viewed": Description(
        "Somebody looked at single events; the target is the first of them.", folding=VIEWS
    ),
    "history.viewed": Description(
        "Somebody looked at what a person, a role or a membership was, and who changed it.",
        folding=VIEWS_APART,
    ),
    "history.reverted": Description(
        "Somebody took a person or a role back to an earlier version. The changes are events of"
        " their own, of the same request. Fields that differ too and were not theirs to change"
        " were left.",
        details={"version": COUNT, "as_of": MOMENT, "fields": TEXTS, "left?": TEXTS},
    ),
    "report.viewed": Description(
        "Somebody looked at a report, for this period.",
        details={"period?": TEXT},
        folding=VIEWS_APART,
    ),
    "tenant.created": Description("An organisation was made and is served."),
    "tenant.suspended": Description(
        "An organisation is not served: pages answer 403, tasks are refused. Nothing is lost."
    ),
    "tenant.resumed": Description("An organisation that was suspended is served again."),
    "tenant.domain_added": Description("A host name was claimed, not proven yet.", details=_HOST),
    "tenant.domain_verified": Description(
        "A host name was proven to be the organisation's, or vouched for by an operator.",
        details=_HOST | {"proof": one_of("dns", "http", "vouched")},
    ),
    "tenant.domain_not_verified": Description(
        "The proof of a host name was not found where it must be; why says what was.",
        details=_HOST | {"proof?": TEXT, "why": TEXT},
    ),
    "tenant.domain_made_primary": Description(
        "Links in mail and on pages name this host from now on.",
        details=_HOST,
        changes={"primary": TEXT},
    ),
    "tenant.domain_removed": Description(
        "A host name is not the organisation's any more.", details=_HOST, changes={"primary": TEXT}
    ),
    "tenant.renamed": Description(
        "An organisation has another name or address; the old address redirects.",
        changes={"slug": TEXT, "name": TEXT},
    ),
    "operation.cancelled": Description(
        "An act on an organisation that could not be completed was given up and undone.",
        details={"error?": TEXT},
    ),
    "tenant.deletion_scheduled": Description(
        "An organisation is closed, and destroyed after this moment unless it is taken back.",
        details={"purge_after": MOMENT},
    ),
    "tenant.undeleted": Description("A deletion was taken back; nothing was lost."),
    "tenant.deleted": Description(
        "All of an organisation was destroyed; the certificate says what.",
        details={"certificate_sha256": HASH},
    ),
    "tenant.exported": Description(
        "All of an organisation was written into an archive, its record included.",
        details={"rows": COUNT, "tables": COUNT, "manifest_sha256": HASH},
    ),
    "tenant.imported": Description(
        "An organisation was made from an archive; its record goes on where it was.",
        details={"rows": COUNT, "archive_sha256": HASH},
    ),
    "tenant.row_added": Description(
        "The row of an organisation was written by none of the platform's own acts.", changes=ROW
    ),
    "tenant.changed": Description(
        "The row of an organisation was changed by none of the platform's own acts.", changes=ROW
    ),
    "tenant.row_removed": Description(
        "The row of an organisation was removed by none of the platform's own acts.", changes=ROW
    ),
    "domain.row_added": Description(
        "The row of a domain was written by none of the platform's own acts.", changes=ROW
    ),
    "domain.changed": Description(
        "The row of a domain was changed by none of the platform's own acts.", changes=ROW
    ),
    "domain.row_removed": Description(
        "The row of a domain was removed by none of the platform's own acts.", changes=ROW
    ),
    "operation.row_added": Description(
        "The row of an operation was written by none of the platform's own acts.", changes=ROW
    ),
    "operation.changed": Description(
        "The row of an operation was changed by none of the platform's own acts.", changes=ROW
    ),
    "operation.row_removed": Description(
        "The row of an operation was removed by none of the platform's own acts.", changes=ROW
    ),
    "record.verification_failed": Description(
        "The daily check found that the record is not as it was sealed: what is wrong first, and"
        " how many events before it are intact.",
        details={"kind": TEXT, "wrong": TEXT, "intact": COUNT},
    ),
    "record.erased": Description(
        "All that was kept on a person is emptied. Holds the signed certificate, which names no"
        " one.",
        details={"certificate": TEXT, "sha256": HASH, "key": TEXT, "signature": TEXT},
    ),
    "record.cut": Description(
        "Events that are older than the tenant wants to keep were removed, up to a segment; their"
        " leaves stay. Or rows of history, which have no leaves.",
        details={
            "families": TEXTS,
            "events": COUNT,
            "through?": COUNT,
            "history_rows?": COUNT,
        },
    ),
    "record.held": Description(
        "What concerns a person, or the whole record, is neither erased nor cut from now on.",
        changes=_HELD,
    ),
    "record.released": Description("A legal hold ended; erasing and cutting go on.", changes=_HELD),
    "record.retention_changed": Description(
        "For how many days events of a family are kept was changed. Null is for ever.",
        changes={"days": COUNT, "family": TEXT},
    ),
}


def described(name: str) -> Description:
    """Return the description of an action; raises ``LookupError`` that says what to add."""
    try:
        return DESCRIPTIONS[name]
    except KeyError:
        raise LookupError(
            f'the action "{name}" is not described. Add it to DESCRIPTIONS in'
            f' activity/catalogue.py: "{name}": Description("What it means.",'
            ' details={"rows": COUNT}, changes=ROW); leave out what its events do not have.'
        ) from None


def fields_of_details(name: str) -> dict[str, Schema]:
    """Return the fields of ``details``; folded actions have those of a fold too."""
    about = described(name)
    return {**about.details, **FOLDED} if about.folding else about.details


def schema_of(action: Action) -> Schema:
    """Return the JSON Schema of what is particular to an action's events."""
    about = described(action.name)
    return {
        "$schema": DIALECT,
        "$id": f"urn:tenantry:event:{action.name}:{VERSION}",
        "title": action.name,
        "description": about.meaning,
        "type": "object",
        "properties": {
            "action": {"const": action.name},
            "severity": {"const": str(action.severity)},
            "details": of_details(fields_of_details(action.name)),
            "changes": of_changes(about.changes),
        },
        "required": ["action", "severity", "details", "changes"],
    }


def _entries() -> Iterator[dict[str, Any]]:
    for action in CATALOGUE.values():
        about = described(action.name)
        yield {
            "name": action.name,
            "family": action.family,
            "severity": str(action.severity),
            "sentence": action.sentence,
            "meaning": about.meaning,
            "folded": about.folding
            and {"after": about.folding.singles, "seconds": about.folding.seconds},
            "schema": schema_of(action),
        }


@cache
def document() -> str:
    """Return the whole catalogue as JSON, the same text from every process of a version."""
    return json.dumps({"schema_version": VERSION, "actions": list(_entries())}, indent=1)


@cache
def fingerprint() -> str:
    """Return what is equal for equal catalogues: their entity tag."""
    return f'"{hashlib.sha256(document().encode()).hexdigest()[:32]}"'
