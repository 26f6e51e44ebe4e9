"""Errors as programs read them: problem details (RFC 9457), one form for the whole API.

Every door uses it that can answer a request below ``/api/``: the middleware that looks for the
tenant, the views, and what catches the errors that they do not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

API: Final = "/api/"
TYPE: Final = "/api/v1/problems/"
MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its usual status, what it is, and what to do about it."""

    status: int
    title: str
    hint: str


KINDS: Final = {
    "bad-request": Kind(400, "The request cannot be read", "Send it as HTTP describes."),
    "invalid-parameters": Kind(
        400, "A parameter cannot be used", "Correct what is listed under errors."
    ),
    "invalid-input": Kind(400, "A value cannot be used", "Correct the value."),
    "not-installed": Kind(
        400, "It needs an extra that is not installed here", "Choose another, or ask the operator."
    ),
    "not-authenticated": Kind(
        401,
        "Nobody is signed in",
        "Send an API token: Authorization: Bearer tnt_…",
    ),
    "invalid-token": Kind(
        401, "The token opens nothing here", "Make a token on this host: My account, API tokens."
    ),
    "not-permitted": Kind(
        403, "The person may not do this", "Ask an administrator for a role that allows it."
    ),
    "insufficient-scope": Kind(
        403, "The token may not do this", "Make a token with the scope that is asked for."
    ),
    "tenant-unavailable": Kind(
        403, "The organisation cannot be entered", "Ask whoever runs the platform."
    ),
    "not-found": Kind(404, "There is nothing here", "Check the address."),
    "method-not-allowed": Kind(
        405, "The method cannot be used here", "Use one that the Allow header lists."
    ),
    "not-acceptable": Kind(
        406, "There is no such form of this", "Accept one of the media types that are listed."
    ),
    "conflict": Kind(409, "It collides with what is already there", "See the detail."),
    "quota-reached": Kind(
        409, "There is no room for one more", "Wait, cancel one that waits, or delete a file."
    ),
    "not-made": Kind(
        409, "The file is still being made", "Look at the export: it says how far it is."
    ),
    "not-sealed": Kind(
        409, "The event is not sealed yet", "Ask again in some seconds: events are sealed by then."
    ),
    "not-as-sealed": Kind(
        409,
        "The event is not what was sealed",
        "Have the operator run: manage.py activity verify",
    ),
    "too-many-requests": Kind(
        429, "Too many requests", "Wait for as many seconds as the Retry-After header says."
    ),
    "error": Kind(
        500, "It failed here", "Tell whoever runs the platform the id of the X-Request-ID header."
    ),
    "unavailable": Kind(
        503, "It cannot be answered now", "Ask again after the seconds of the Retry-After header."
    ),
    "record-unavailable": Kind(
        503,
        "The record cannot be written, so nothing was done",
        "Ask again after the seconds of the Retry-After header.",
    ),
}
"""Every ``code``. They are never renamed. ``docs/api.md`` has the same table."""


def is_api(request: HttpRequest) -> bool:
    """Tell whether programs are answered here, so that errors are documents and not pages."""
    return request.path.startswith(API)


def problem(
    code: str,
    detail: str = "",
    hint: str = "",
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> HttpResponse:
    """Return the answer to a request that failed, nothing of which may be kept.

    ``detail`` says what is wrong this time and ``hint`` what to do; without them the kind's own
    sentences do. An error of a kind that is not listed is one of its status.
    """
    alike = (kind for kind in KINDS.values() if kind.status == status)
    kind = KINDS.get(code) or next(alike, KINDS["bad-request"])
    text = (detail or f"{kind.title}.").strip()
    document = {
        "type": f"{TYPE}{code}" if code in KINDS else "about:blank",
        "title": kind.title,
        "status": status or kind.status,
        "code": code,
        "detail": text[:1].upper() + text[1:],
        "hint": hint or kind.hint,
        **more,
    }
    return HttpResponse(
        json.dumps(document, ensure_ascii=False),
        status=status or kind.status,
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
