"""Sending people a link to choose a password, from their page in the panel or the console."""

from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from unfold.decorators import action

from accounts.invitations import force_new_password, invite
from accounts.models import CustomUser


class Invitable:
    """The act, with a page that asks first, and what is said of it."""

    invitation_actions: ClassVar[tuple[str, ...]] = ("send_link",)

    @staticmethod
    def _force_new_password(request: HttpRequest, user: CustomUser) -> None:
        def told(was_sent: bool) -> None:
            if was_sent:
                messages.success(request, f"{user.email} was sent a link to choose a new one.")
            else:
                messages.error(request, f"The mail to {user.email} could not be sent. Try again.")

        sessions, tokens = force_new_password(user, told)
        messages.success(
            request,
            f"The password of {user} is void. Ended: {sessions} of their sessions, {tokens} of "
            "their API tokens.",
        )

    @staticmethod
    def invite(request: HttpRequest, user: CustomUser) -> None:
        """Mail somebody a link, and say whether that could be done."""

        def told(was_sent: bool) -> None:
            if was_sent:
                messages.success(request, f"{user.email} was sent a link to choose a password.")
                return
            messages.error(
                request,
                f"The mail to {user.email} could not be sent. Try again from their page: "
                "Send link to choose a password.",
            )

        # After the commit, and before the answer takes along what is to be said.
        invite(user, told)

    @action(description="Send link to choose a password", url_path="send-link", icon="mail")
    def send_link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether to mail somebody a one-time link, then do it.

        The theme makes actions links, and following a link must not send anything.
        """
        user: CustomUser | None = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user):  # type: ignore[attr-defined]
            raise PermissionDenied
        may_void = user.pk != request.user.pk and user.is_active
        if request.method == "POST":
            if may_void and "void" in request.POST:
                self._force_new_password(request, user)
            else:
                self.invite(request, user)
            return redirect("admin:accounts_customuser_change", object_id)
        site: Any = self.admin_site  # type: ignore[attr-defined]
        context = {
            **site.each_context(request),
            "title": str(user),
            "person": user,
            "may_void": may_void,
        }
        return render(request, "accounts/send_link.html", context)
