"""The second factor on a person's page: whether it is on, and taking it away from who lost it."""

from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import date_format
from django.utils.timezone import localtime
from unfold.decorators import action, display

from accounts import second_factors
from accounts.models import CustomUser
from tenants import reasons
from tenants.errors import InvalidInput, TenantryError


class WithSecondFactor:
    """What the page says of it, and an act that asks first; for administrators alone."""

    factor_actions: ClassVar[tuple[str, ...]] = ("take_factor_away",)

    @display(description="Second factor")
    def second_factor(self, user: CustomUser) -> str:
        """On since when, or off."""
        # The theme asks for each field five times.
        if "factor_state" not in vars(user):
            vars(user)["factor_state"] = second_factors.state_of(user)
        state = vars(user)["factor_state"]
        if not state:
            return "Off"
        since = date_format(localtime(state["since"]), "DATE_FORMAT")
        return f"On since {since}, {state['codes_left']} recovery codes left"

    def has_take_factor_away_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether somebody may do it at all, or to this one; never to themselves.

        For the buttons of a page the theme passes a key.
        """
        key = getattr(obj, "pk", obj)
        return bool(request.user.is_superuser) and str(key) != str(request.user.pk)  # type: ignore[union-attr]

    @action(
        description="Take second factor away",
        url_path="take-second-factor-away",
        icon="phonelink_erase",
        permissions=["take_factor_away"],
    )
    def take_factor_away(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason and for the user name, then do it."""
        user: CustomUser | None = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if user is None:
            raise Http404
        if not self.has_take_factor_away_permission(request, user):
            raise PermissionDenied
        if request.method == "POST":
            try:
                ended = _take_away(request, user)
            except TenantryError as error:
                messages.error(request, error.shown)
            else:
                messages.success(
                    request,
                    f"The second factor of {user} is gone, and {ended} of their sessions ended. "
                    f"{user.email} was told.",
                )
                return redirect("admin:accounts_customuser_change", object_id)
        site: Any = self.admin_site  # type: ignore[attr-defined]
        context = {
            **site.each_context(request),
            "title": str(user),
            "person": user,
            "has_factor": second_factors.is_on(user),
            "reason": request.POST.get("reason", ""),
            "longest_reason": reasons.LONGEST,
        }
        return render(request, "accounts/take_factor_away.html", context)


def _take_away(request: HttpRequest, user: CustomUser) -> int:
    if request.POST.get("username", "").strip().lower() != user.username:
        raise InvalidInput("that is not the user name.", "Nothing was changed.")
    return second_factors.take_away(user, request.POST.get("reason", ""))
