"""The page of exports: what was asked for, how far it is, and a form for a new one."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from activity.jobs import links, listing, serving, steps
from activity.jobs.links import LinkRefused
from activity.jobs.requesters import actor
from activity.models import ExportJob
from tenants.context import current_tenant
from tenants.errors import InvalidInput, NotFound, TenantryError
from tenants.sites import platform_site, tenant_site

LINK_MINUTES: Final = 10
"""For how long the link is good that the page itself leads to."""

may_read = permission_required("activity.view_activityevent", raise_exception=True)


@may_read
@require_GET
def exports(request: HttpRequest) -> HttpResponse:
    """List the exports of the place."""
    return _render(request, "panel/exports.html", _listed(request))


@may_read
@require_GET
def exports_list(request: HttpRequest) -> HttpResponse:
    """Answer with the list alone, for the page that replaces it while something is being made."""
    return render(request, "panel/export_rows.html", _listed(request))


@may_read
@require_POST
def export(request: HttpRequest, job: uuid.UUID) -> HttpResponseBase:
    """Cancel an export, delete its file, or lead to it."""
    acts: dict[str, Callable[[HttpRequest, ExportJob], HttpResponseBase]] = {
        "cancel": _cancel,
        "delete": _delete,
        "download": _download,
    }
    act = acts.get(request.POST.get("do", ""))
    if act is None:
        raise InvalidInput("the form means nothing.", "Open the page again.")
    found = ExportJob.objects.filter(pk=job).first()
    if found is None:
        raise NotFound("there is no such export.", "Open the list again.")
    try:
        with transaction.atomic():
            return act(request, found)
    except LinkRefused:
        raise
    except TenantryError as error:
        messages.error(request, error.shown)
        return redirect("exports")


@require_GET
def export_link(request: HttpRequest, key: str) -> HttpResponseBase:
    """Answer with a file, to whom and for the once that the link was made for."""
    if "prefetch" in request.headers.get("Sec-Purpose", ""):
        # Whoever only looks ahead must not use it up.
        return HttpResponse(status=503)
    try:
        job = links.used_by(key, request.user)
    except LinkRefused as refused:
        links.note_refused(refused)
        raise
    found = serving.answer(job)
    if found is None:
        return _gone(request)
    links.note_downloaded(job, by_link=True)
    return found


@may_read
@require_GET
def export_manifest(request: HttpRequest, job: uuid.UUID) -> HttpResponseBase:
    """Answer with what lies beside a file of one's own."""
    return serving.manifest(_own(request, ExportJob.objects.filter(pk=job).first())) or _gone(
        request
    )


def _download(request: HttpRequest, job: ExportJob) -> HttpResponseBase:
    """Lead to the file by a link that opens once: reloading the page asks for another."""
    until = timezone.now() + timedelta(minutes=LINK_MINUTES)
    found = _own(request, job)
    return HttpResponseRedirect(links.path_for(found, found.requester_id, until=until))


def _own(request: HttpRequest, job: ExportJob | None) -> ExportJob:
    try:
        return links.permit(job, request.user)
    except LinkRefused as refused:
        links.note_refused(refused)
        raise


def _cancel(request: HttpRequest, job: ExportJob) -> HttpResponseBase:
    _permit_ending(request, job)
    steps.cancel(job)
    messages.success(request, "The export is cancelled, and nothing of it is kept.")
    return redirect("exports")


def _delete(request: HttpRequest, job: ExportJob) -> HttpResponseBase:
    _permit_ending(request, job)
    if not steps.expire(job, "somebody deleted it"):
        raise InvalidInput("the export has no file.", "There is nothing to delete.")
    messages.success(request, "The file is deleted.")
    return redirect("exports")


def _permit_ending(request: HttpRequest, job: ExportJob) -> None:
    me = actor(request.user).id
    if job.requester_id != me and not request.user.has_perm(listing.OVERSEE):  # type: ignore[union-attr]
        raise NotFound("that export is somebody else's.", "Ask them, or an administrator.")


def _gone(request: HttpRequest) -> HttpResponse:
    messages.error(request, "The file is not there any more. Ask for the export again.")
    return redirect("exports")


def _listed(request: HttpRequest) -> dict[str, Any]:
    found = listing.rows(request.user)
    return {
        "title": "Exports",
        "rows": found,
        "most": listing.SHOWN,
        "is_active": any(row.job.is_open for row in found),
    }


def site() -> Any:
    """Return the admin site of the place one is in."""
    return tenant_site if current_tenant() else platform_site


def _render(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    return render(request, template, {**site().each_context(request), **context}, status=status)
