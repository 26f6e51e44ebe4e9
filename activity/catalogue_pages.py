"""The catalogue for its readers: a page of the documentation, and JSON for programs."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.http import require_safe

from activity.actions import CATALOGUE, FAMILIES, Action, names
from activity.catalogue import described, document, fields_of_details, fingerprint
from activity.schemas import Schema, in_words

FRESH_SECONDS: Final = 300

_HEAD: Final = """# The catalogue of events

Every action that the record can name: what it means, how much attention it asks for, and what
its events hold in `details` and `changes`. `changes` has for each field its value before and after.
Fields with `?` may be missing. Actions are never renamed and never reused; fields are only added.

The same as JSON, with a JSON Schema (draft 2020-12) for each action, is at
`/api/v1/activity/catalogue`, for those who may read the record. This page is made by
`make catalogue`.
"""


def markdown() -> str:
    """Return ``docs/catalogue.md``."""
    return "\n".join([_HEAD, *(line for family in FAMILIES for line in _family(family))])


def _family(family: str) -> Iterator[str]:
    yield f"## {family}\n"
    for name in names(family):
        yield from _action(CATALOGUE[name])


def _action(action: Action) -> Iterator[str]:
    about = described(action.name)
    yield f"### {action.name}\n"
    yield f"{about.meaning}\n"
    yield f"Severity `{action.severity}`. *{action.sentence}.*"
    if about.folding:
        singles, seconds = about.folding.singles, about.folding.seconds
        yield (
            f"Folded: after {singles} of a kind within {seconds} seconds the rest is counted in one"
            " event."
        )
    yield ""
    fields = [
        *_fields("details", fields_of_details(action.name)),
        *_fields("changes", about.changes),
    ]
    if fields:
        yield from ("| Field | Holds |", "|---|---|", *fields, "")


def _fields(column: str, fields: dict[str, Schema]) -> Iterator[str]:
    for name, schema in fields.items():
        if name == "*":
            yield f"| `{column}` | whichever recorded fields changed |"
        else:
            mark = "?" if name.endswith("?") else ""
            yield f"| `{column}.{name.rstrip('?')}`{mark} | {in_words(schema)} |"


@require_safe
def published(request: HttpRequest) -> HttpResponse:
    """Answer with the catalogue as JSON, to those who may read the record.

    It is the same for everybody until the next version, so a reader may keep it for a while and
    then ask whether it changed.
    """
    if not request.user.is_authenticated:
        return problem(
            HTTPStatus.UNAUTHORIZED, "not-signed-in", "Sign in first, or send a token.", request
        )
    if not request.user.has_perm("activity.view_activityevent"):
        return problem(
            HTTPStatus.FORBIDDEN,
            "not-permitted",
            "Ask an administrator for the permission to read the record.",
            request,
        )
    response = get_conditional_response(request, etag=fingerprint()) or HttpResponse(
        document(), content_type="application/json"
    )
    response["ETag"] = fingerprint()
    response["Cache-Control"] = f"private, max-age={FRESH_SECONDS}"
    patch_vary_headers(response, ("Cookie", "Authorization"))
    return response


def problem(status: HTTPStatus, code: str, detail: str, request: HttpRequest) -> HttpResponse:
    """Return an error as programs read it (RFC 9457)."""
    said: dict[str, Any] = {
        "type": f"urn:tenantry:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "instance": request.path,
    }
    response = HttpResponse(
        json.dumps(said), status=status, content_type="application/problem+json"
    )
    response["Cache-Control"] = "no-store"
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Session realm="tenantry"'
    return response
