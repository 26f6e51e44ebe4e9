"""For how long the record keeps what, and whom it must keep, in the panel."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from activity.forgetting import holds, retention
from activity.forgetting.people import people, pseudonym
from activity.models import Hold
from activity.models.rules import EVERYBODY, LEAST_DAYS, MOST_DAYS
from tenants.errors import InvalidInput, NotFound, TenantryError
from tenants.sites import tenant_site


@permission_required("activity.change_retention", raise_exception=True)
def rules(request: HttpRequest) -> HttpResponse:
    """Show retention and holds; change one of them."""
    if request.method == "POST":
        try:
            messages.success(request, _act(request))
        except TenantryError as error:
            messages.error(request, str(error))
        return redirect("retention")
    ruled = retention.rules()
    context = {
        **tenant_site.each_context(request),
        "title": "Retention",
        "families": [(family, ruled.get(family)) for family in retention.families()],
        "least": LEAST_DAYS,
        "most": MOST_DAYS,
        "may_hold": _may_hold(request),
        "longest_reason": holds.LONGEST_REASON,
        "holds": [_described(hold) for hold in Hold.objects.all()] if _may_hold(request) else [],
    }
    return render(request, "panel/retention.html", context)


def _may_hold(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("activity.change_hold"))  # type: ignore[union-attr]


def _act(request: HttpRequest) -> str:
    given = request.POST
    act = given.get("act", "")
    if act == "keep":
        return _keep(given.get("family", ""), given.get("days", "").strip())
    if act not in ("hold", "release"):
        raise InvalidInput("nothing was asked for that can be done here.")
    if not _may_hold(request):
        raise PermissionDenied
    reason = given.get("reason", "")
    if act == "hold":
        who = given.get("who", "").strip()
        subject = uuid.UUID(people().find(who).id) if who else EVERYBODY
        return "The hold is placed." if holds.place(subject, reason) else "There is such a hold."
    try:
        subject = uuid.UUID(given.get("subject", ""))
    except ValueError:
        raise InvalidInput("that is no hold.") from None
    return "The hold is released." if holds.release(subject, reason) else "There is no such hold."


def _keep(family: str, days: str) -> str:
    if days and not (days.isascii() and days.isdecimal() and len(days) < 9):
        raise InvalidInput(f"{days[:20]!r} is no number of days.", "Use a whole number, or none.")
    changed = retention.keep(family, int(days) if days else None)
    kept = f"for {days} days" if days else "for ever"
    return f"Events of the family {family} are {'now ' if changed else ''}kept {kept}."


def _described(hold: Hold) -> dict[str, Any]:
    who = "the whole record"
    if hold.subject != EVERYBODY:
        try:
            who = people().find(str(hold.subject)).label
        except NotFound:
            who = pseudonym(str(hold.subject))
    return {"subject": hold.subject, "who": who, "since": hold.placed_at, "reason": hold.reason}
