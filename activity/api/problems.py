"""What the API answers when it does not answer: each error as problem details (RFC 9457)."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.views import set_rollback

from activity.api.errors import InsufficientScope, InvalidParameters, TooManyRequests
from activity.reading.query import InvalidQuery
from activity.sealing.proofs import NotAsSealed, NotSealed
from tenants.errors import InvalidInput, TenantryError
from tenants.problems import problem


def handle(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Return the answer to an error, or ``None`` to leave it to ``config.errors``.

    The transaction is rolled back. Set as ``REST_FRAMEWORK["EXCEPTION_HANDLER"]``.
    """
    answer = _ours(error) if isinstance(error, TenantryError) else _frameworks(error, context)
    if answer is not None:
        set_rollback()
    return answer


def _ours(error: TenantryError) -> HttpResponse | None:
    if error.http_status >= 500:
        return None
    code, detail, hint = error.code, error.message, error.hint
    headers: dict[str, str] = {}
    more: dict[str, Any] = {}
    match error:
        case InvalidParameters():
            more = {"errors": error.errors}
        case InvalidQuery():
            # Of a member that was sent: where in it belongs beside the sentence, not into it.
            code, detail = InvalidInput.code, error.problem
            more = {"position": error.position, "pointed": error.pointed}
        case InsufficientScope():
            challenge = f'Bearer error="insufficient_scope", scope="{" ".join(error.scopes)}"'
            headers = {"WWW-Authenticate": challenge}
        case TooManyRequests():
            headers = {"Retry-After": str(error.seconds)}
        case NotSealed() | NotAsSealed():
            hint = ""  # Theirs are for operators.
    return problem(code, detail, hint, status=error.http_status, headers=headers, **more)


def _frameworks(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    view = context["view"]
    answer: tuple[str, str, dict[str, str], dict[str, Any]] | None = None
    match error:
        case exceptions.NotAuthenticated():
            answer = "not-authenticated", "", _challenge(error), {}
        case exceptions.AuthenticationFailed():
            headers = _challenge(error, ', error="invalid_token"')
            answer = "invalid-token", str(error.detail), headers, {}
        case exceptions.PermissionDenied() | PermissionDenied():
            answer = "not-permitted", str(getattr(error, "detail", "")), {}, {}
        case exceptions.NotFound() | Http404():
            answer = "not-found", "", {}, {}
        case exceptions.MethodNotAllowed():
            answer = "method-not-allowed", "", {"Allow": ", ".join(view.allowed_methods)}, {}
        case exceptions.NotAcceptable():
            offered = [one.media_type for one in view.renderer_classes]
            answer = "not-acceptable", "", {}, {"media_types": offered}
    if answer is None:
        return None
    code, detail, headers, more = answer
    return problem(code, detail, headers=headers, **more)


def _challenge(error: Any, more: str = "") -> dict[str, str]:
    return {"WWW-Authenticate": f"{error.auth_header}{more}"}
