"""Refusals: whoever may not do what they tried leaves an event that says who, what and where.

What leads to the sign-in page is no refusal, and neither is a page that is not there.
"""

from http import HTTPStatus
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from activity import signins
from activity.models import ActivityEvent, Outcome
from activity.outcomes import Kept
from activity.recording import record
from activity.requests import SAFE_METHODS
from activity.subjects import Subject, declaration_of, subject_of
from activity.text import one_line

ACTION: Final = "access.denied"


def deny(request: HttpRequest, why: str, target: models.Model | Subject | None = None) -> None:
    """Record that ``request`` was refused, for a reason that the catalogue knows."""
    record(
        ACTION,
        target=target_of(request) if target is None else target,
        outcome=Outcome.DENIED,
        details={"method": str(request.method)[:16], "path": _wanted(request), "why": why},
    )


def note(request: HttpRequest, response: HttpResponseBase, kept: Kept) -> None:
    """Record the refusal that ``response`` is, unless whoever refused has done so."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        match = request.resolver_match
        if match and match.url_name == "account_login":
            signins.refused(request.POST.get("login", ""))
        else:
            deny(request, "too many requests")
    elif response.status_code == HTTPStatus.FORBIDDEN and not kept.has(ACTION):
        deny(request, "forged form" if _is_forged(request) else "not permitted")


def note_exception(request: HttpRequest, error: Exception) -> None:
    """Remember that it was a permission that was missing."""
    if isinstance(error, PermissionDenied):
        request.lacked_permission = True  # type: ignore[attr-defined]


def path_of(request: HttpRequest) -> str:
    """Return the path without the key of a one-time link: whoever reads it could use it."""
    key = request.resolver_match.kwargs.get("key") if request.resolver_match else None
    path = request.path.replace(key, "…") if key else request.path
    return one_line(path, 300)


def _wanted(request: HttpRequest) -> str:
    """Return the path that was refused: of the panel's own door the one that led there."""
    match = request.resolver_match
    if match and match.view_name == "admin:login" and "next" in request.GET:
        return one_line(request.GET["next"].partition("?")[0], 300)
    return path_of(request)


def _is_forged(request: HttpRequest) -> bool:
    """Tell whether the form came without its token: Django marks those that it has let pass."""
    match = request.resolver_match
    return (
        request.method not in SAFE_METHODS
        and not getattr(match.func if match else None, "csrf_exempt", False)
        and not getattr(request, "lacked_permission", False)
        and not getattr(request, "csrf_processing_done", False)
        and not getattr(request, "_dont_enforce_csrf_checks", False)
    )


def target_of(request: HttpRequest) -> Subject:
    """Return the object that the page is of, if the address names one, else the page."""
    match = request.resolver_match
    key = match.kwargs.get("object_id") if match else None
    model = _model_of(match.url_name or "") if match and key else None
    if model is not None:
        try:
            found: Any = model._default_manager.filter(pk=key).first()
        except (ValueError, OverflowError, ValidationError):
            found = None
        if found is not None:
            return _subject(found)
    return Subject("page", label=_wanted(request))


def _model_of(url_name: str) -> type[models.Model] | None:
    """Return the model that a page of the panel or the console is about, by the page's name."""
    for model in apps.get_models():
        if url_name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return model
    return None


def _subject(found: models.Model) -> Subject:
    try:
        declaration_of(type(found))
    except KeyError:
        noun = "event" if isinstance(found, ActivityEvent) else str(found._meta.model_name)
        return Subject(noun[:32], str(found.pk)[:64], str(found))
    return subject_of(found)
