"""A person's own activity: where they are signed in, and what happened to their account.

Nobody needs a permission for what is about themselves, and nobody sees here what is about others.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.devices import devices_of, end, end_others, name_of
from accounts.models import CustomUser
from activity.actions import CATALOGUE
from activity.context import ActorKind
from activity.events import sentence
from activity.models import ActivityEvent
from activity.reading.events import narrow
from activity.reading.paging import Cursor, page
from activity.reading.query import about, parse
from tenants.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Line:
    """One event as its own person may see it."""

    event: ActivityEvent
    told: str
    changes: list[tuple[str, str, str]]
    place: str
    device: str


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def own_activity(request: HttpRequest) -> HttpResponse:
    """Show where the person is signed in and their account's events; end sessions."""
    me = request.user
    assert isinstance(me, CustomUser)
    if request.method == "POST":
        return _end(request, me)
    query = parse(about("user", str(me.public_id)))
    found = page(narrow(ActivityEvent.objects.all(), query), query, _cursor(request))
    context = {
        "devices": devices_of(me, request.session.session_key),
        "lines": [line_of(event, me) for event in found.events],
        "page": found,
    }
    return render(request, "accounts/own_activity.html", context)


def line_of(event: ActivityEvent, me: CustomUser) -> Line:
    """Return an event as the person whom it is about may see it.

    What somebody else did has their name, but not their address, device or reason: those are
    theirs, and for whoever may read the record. Somebody unknown has an address: it may be all
    that tells a person that it was not they.
    """
    is_mine = event.actor_id == str(me.public_id)
    shows_place = is_mine or event.actor_kind == ActorKind.ANONYMOUS
    return Line(
        event=event,
        told=_told(event, is_mine=is_mine),
        changes=_changes(event),
        place=event.ip or "" if shows_place else "",
        device=name_of(event.user_agent) if shows_place and event.user_agent else "",
    )


def _told(event: ActivityEvent, *, is_mine: bool) -> str:
    known = CATALOGUE.get(event.action)
    if known is None:
        return sentence(event)
    # Accounts and names of the operators' machines are for the operators.
    actors = {ActorKind.COMMAND: "An operator", ActorKind.DATABASE: "An operator"}
    actor = actors.get(ActorKind(event.actor_kind), event.actor_label or event.actor_kind)
    return known.sentence.format(actor="You" if is_mine else actor, target=event.target_label)


def _changes(event: ActivityEvent) -> list[tuple[str, str, str]]:
    # Whoever was just added has nothing before.
    if event.target_type != "user" or event.action == "user.created":
        return []
    return [
        (_name_of(field), _shown(old), _shown(new)) for field, (old, new) in event.changes.items()
    ]


def _name_of(field: str) -> str:
    """Return a field's name as people read it; newer and older fields by the record's own name."""
    try:
        return str(CustomUser._meta.get_field(field).verbose_name)  # type: ignore[union-attr]
    except (FieldDoesNotExist, AttributeError):
        return field.replace("_", " ")


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _end(request: HttpRequest, me: CustomUser) -> HttpResponse:
    """End the session that a form names, or all but this one."""
    ref = request.POST.get("session", "")
    this = request.session.session_key
    if ref == "others":
        ended = end_others(me, this)
        said = "You were signed in nowhere else."
        if ended:
            said = f"You are signed out on {ended} other device{'s' * (ended > 1)}."
        messages.success(request, said)
    elif end(me, ref):
        messages.success(request, "That session is ended.")
    else:
        messages.success(request, "That session had ended already.")
    return redirect("own-activity")


def _cursor(request: HttpRequest) -> Cursor:
    try:
        before = request.GET.get("before")
        return Cursor(before=uuid.UUID(before) if before else None)
    except ValueError:
        raise InvalidInput("there is no such page.", "Open your activity again.") from None
