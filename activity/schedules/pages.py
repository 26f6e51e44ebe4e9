"""Schedules in panel and console: the list, and the page where one is made and changed."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html

from activity.jobs.pages import site
from activity.jobs.sources import has_rows
from activity.models import ExportJob, Schedule
from activity.schedules import forms, keeping, making, running, showing, wishes
from activity.schedules.filling import FILLED
from activity.schedules.preview import Preview, preview
from activity.schedules.wishes import Wish
from tenants.errors import InvalidInput, TenantryError

may_read = permission_required(wishes.READ, raise_exception=True)

MOST_RUNS: Final = 20


@may_read
def schedules(request: HttpRequest) -> HttpResponse:
    """List somebody's schedules, or everybody's; pause, resume, run and delete them."""
    if request.method == "POST":
        return _done(request)
    found = keeping.visible_to(request.user)[: showing.MOST_LISTED]
    listed = [showing.shown(schedule, request.user) for schedule in found]
    return _render(
        request,
        "panel/schedules.html",
        {"title": "Schedules", "schedules": listed, "sends": settings.TENANTRY_SENDS_MAIL},
    )


@may_read
def new(request: HttpRequest) -> HttpResponse:
    """Show the form of a new schedule; preview it, or keep it."""
    given = {name: request.GET[name] for name in FILLED if name in request.GET}
    empty = forms.values_of(Wish(name="", source="events", cron="0 7 * * *"))
    return _form(request, {**empty, **given}, None)


@may_read
def one(request: HttpRequest, key: str) -> HttpResponse:
    """Show a schedule with its runs; preview what it would become, or change it."""
    try:
        schedule = keeping.found(request.user, uuid.UUID(key))
    except ValueError:
        raise keeping.missing() from None
    return _form(request, forms.values_of(wishes.legible(schedule)), schedule)


def _form(
    request: HttpRequest, values: Mapping[str, str], schedule: Schedule | None
) -> HttpResponse:
    shown: Preview | None = None
    wrong: TenantryError | None = None
    if request.method == "POST":
        values = {name: str(value) for name, value in request.POST.items()}
        try:
            wish = forms.wish_in(values)
            if values.get("do") == "save":
                return _saved(request, wish, schedule)
            shown = preview(wish, request.user)
        except TenantryError as error:
            wrong = error
    context = {
        "title": schedule.name if schedule else "New schedule",
        "schedule": showing.shown(schedule, request.user) if schedule else None,
        "runs": _runs(schedule) if schedule else [],
        "has_rows": not schedule or has_rows(schedule.source),
        "values": values,
        "choices": forms.choices_of(values),
        "preview": shown,
        "error": wrong,
        "address": request.user.email,  # type: ignore[union-attr]
    }
    return _render(request, "panel/schedule.html", context, 400 if wrong else 200)


def _runs(schedule: Schedule) -> list[tuple[str, ExportJob]]:
    """Return the last runs, each with when it was begun by the clock of the schedule."""
    runs = making.runs_of(schedule, MOST_RUNS)
    return [(showing.local(run.asked_at, schedule), run) for run in runs]


def _saved(request: HttpRequest, wish: Wish, schedule: Schedule | None) -> HttpResponse:
    with transaction.atomic():
        if schedule is None:
            kept = keeping.create(request.user, wish)
        else:
            kept = keeping.change(request.user, schedule.pk, wish)
    messages.success(request, format_html("“{}” is saved. {}", kept.name, showing.next_words(kept)))
    return redirect("schedules")


def _done(request: HttpRequest) -> HttpResponse:
    """Do what a button asks, say so, and show the list again."""
    try:
        with transaction.atomic():
            messages.success(request, _do(request))
    except TenantryError as error:
        messages.error(request, error.shown)
    return redirect("schedules")


def _do(request: HttpRequest) -> Any:
    person = request.user
    doing: dict[str, tuple[Callable[[uuid.UUID], Schedule], str]] = {
        "pause": (lambda key: keeping.pause(person, key), "“{}” is paused."),
        "resume": (lambda key: keeping.resume(person, key), "“{}” runs again."),
        "run": (
            lambda key: running.run_now(person, keeping.found(person, key)),
            "“{}” is being made now.",
        ),
        "delete": (lambda key: keeping.delete(person, key), "“{}” is deleted, with what it kept."),
    }
    try:
        act, said = doing[request.POST.get("do", "")]
        key = uuid.UUID(request.POST.get("key", ""))
    except (KeyError, ValueError):
        raise InvalidInput("the form means nothing.", "Open the page again.") from None
    return format_html(said, act(key).name)


def _render(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    return render(request, template, {**site().each_context(request), **context}, status=status)
