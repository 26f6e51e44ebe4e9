"""For how long the record keeps what, and whom it must keep, in the panel."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render

from activity.actions import ABOUT
from activity.forgetting import holds, retention
from activity.forgetting.people import people, pseudonym
from activity.models import Hold
from activity.models.rules import EVERYBODY, LEAST_DAYS, MOST_DAYS
from tenants.errors import InvalidInput, NotFound, TenantryError
from tenants.refused import Refused
from tenants.sites import tenant_site


@permission_required("activity.change_retention", raise_exception=True)
def rules(request: HttpRequest) -> HttpResponse:
    """Show retention and holds; change one of them."""
    refused = None
    if request.method == "POST":
        try:
            done = _act(request)
        except TenantryError as error:
            messages.error(request, error.shown)
            return redirect("retention")
        if not isinstance(done, Refused):
            messages.success(request, done)
            return redirect("retention")
        refused = done
    may_hold = _may_hold(request)
    context = {
        **tenant_site.each_context(request),
        "title": "Retention",
        "families": _families(refused),
        "least": LEAST_DAYS,
        "most": MOST_DAYS,
        "may_hold": may_hold,
        "longest_reason": holds.LONGEST_REASON,
        "holds": [_described(hold, refused) for hold in Hold.objects.all()] if may_hold else [],
        "refused": refused,
    }
    return render(request, "panel/retention.html", context)


def _may_hold(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("activity.change_hold"))  # type: ignore[union-attr]


def _act(request: HttpRequest) -> str | Refused:
    given = request.POST
    act = given.get("act", "")
    if act == "keep":
        return _keep(given)
    if act not in ("hold", "release"):
        raise InvalidInput("nothing was asked for that can be done here.")
    if not _may_hold(request):
        raise PermissionDenied
    return _hold(given) if act == "hold" else _release(given)


def _keep(given: QueryDict) -> str | Refused:
    family, days = given.get("family", ""), given.get("days", "").strip()
    try:
        changed = retention.keep(family, _number(days))
    except InvalidInput as error:
        if family not in retention.families():
            raise
        return Refused(_days_of(family), error, given)
    kept = f"for {days} days" if days else "for ever"
    return f"Events of the family {family} are {'now ' if changed else ''}kept {kept}."


def _number(days: str) -> int | None:
    if not days:
        return None
    if not (days.isascii() and days.isdecimal() and len(days) < 9):
        raise InvalidInput(f"{days[:20]!r} is no number of days.", "Use a whole number, or none.")
    return int(days)


def _hold(given: QueryDict) -> str | Refused:
    who, field = given.get("who", "").strip(), "who"
    try:
        subject = uuid.UUID(people().find(who).id) if who else EVERYBODY
        field = "reason"
        placed = holds.place(subject, given.get("reason", ""))
    except TenantryError as error:
        return Refused(field, error, given)
    return "The hold is placed." if placed else "There is such a hold."


def _release(given: QueryDict) -> str | Refused:
    try:
        subject = uuid.UUID(given.get("subject", ""))
    except ValueError:
        raise InvalidInput("that is no hold.") from None
    try:
        released = holds.release(subject, given.get("reason", ""))
    except InvalidInput as error:
        return Refused(_why_of(subject), error, given)
    return "The hold is released." if released else "There is no such hold."


def _families(refused: Refused | None) -> list[dict[str, Any]]:
    ruled = retention.rules()
    typed = {refused.field: refused.given.get("days", "")} if refused else {}
    fields = {name: _days_of(name) for name in retention.families()}
    return [
        {
            "name": name,
            "about": ABOUT[name],
            "field": field,
            "days": typed.get(field, ruled.get(name)),
        }
        for name, field in fields.items()
    ]


def _described(hold: Hold, refused: Refused | None) -> dict[str, Any]:
    who = "the whole record"
    if hold.subject != EVERYBODY:
        try:
            who = people().find(str(hold.subject)).label
        except NotFound:
            who = pseudonym(str(hold.subject))
    field = _why_of(hold.subject)
    return {
        "subject": hold.subject,
        "who": who,
        "since": hold.placed_at,
        "reason": hold.reason,
        "field": field,
        "typed": refused.given.get("reason", "") if refused and refused.field == field else "",
    }


def _days_of(family: str) -> str:
    return f"days-{family}"


def _why_of(subject: uuid.UUID) -> str:
    return f"why-{subject}"
