"""Erasing a person, and taking out what is kept on them, on their page in the panel."""

import tempfile
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from unfold.decorators import action

from accounts import erasure
from accounts.models import CustomUser
from activity.forgetting import disclosure, erasing, tasks
from tenants.errors import InvalidInput, TenantryError

_IN_MEMORY = 1 << 20


class Forgettable:
    """The two acts, each with a page that asks first and a permission of its own."""

    forgetting_actions: ClassVar[tuple[str, ...]] = ("take_out", "erase")

    def has_erase_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether somebody may erase people at all, or this one; never themselves."""
        return self._may(request, "activity.erase_person", obj) and str(
            getattr(obj, "pk", obj)
        ) != str(request.user.pk)

    def has_disclose_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether somebody may take out what is kept on people, or on this one."""
        return self._may(request, "activity.disclose_person", obj)

    def _may(self, request: HttpRequest, permission: str, obj: Any) -> bool:
        """For the buttons of a page the theme passes a key: that is not worth a statement."""
        allowed = request.user.has_perm(permission)  # type: ignore[union-attr]
        return allowed and (not isinstance(obj, CustomUser) or self.may_touch(request, obj))

    @staticmethod
    def may_touch(request: HttpRequest, user: CustomUser) -> bool:
        """Tell whether ``user`` may not do more than who asks."""
        raise NotImplementedError

    def _asked(self, request: HttpRequest, object_id: str, may: Any) -> CustomUser:
        user: CustomUser | None = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if user is None:
            raise Http404
        if not may(request, user):
            raise PermissionDenied
        return user

    @action(
        description="Take out what is kept",
        url_path="take-out",
        icon="folder_zip",
        permissions=["disclose"],
    )
    def take_out(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask, then answer with the file."""
        user = self._asked(request, object_id, self.has_disclose_permission)
        if request.method != "POST":
            return self._page(request, user, "accounts/take_out.html")
        # Closed by the answer.
        file: Any = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        disclosure.write(erasure.person_with(str(user.public_id)), file)
        file.seek(0)
        answer = FileResponse(
            file, as_attachment=True, filename=f"person-{str(user.public_id)[-8:]}.zip"
        )
        answer["Cache-Control"] = "no-store"
        answer["X-Content-Type-Options"] = "nosniff"
        return answer

    @action(description="Erase", url_path="erase", icon="person_remove", permissions=["erase"])
    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason and for the user name, then erase."""
        user = self._asked(request, object_id, self.has_erase_permission)
        if request.method == "POST":
            try:
                self._erase(request, user)
            except TenantryError as error:
                messages.error(request, error.shown)
            else:
                return redirect("admin:accounts_customuser_changelist")
        return self._page(request, user, "accounts/erase.html")

    @staticmethod
    def _erase(request: HttpRequest, user: CustomUser) -> None:
        person = erasure.person_with(str(user.public_id))
        reason = request.POST.get("reason", "")
        if request.POST.get("username", "").strip().lower() != user.username:
            raise InvalidInput("that is not the user name.", "Nothing was changed.")
        erasing.check(person, reason)
        erasing.begin(person, reason)
        tasks.finish_later(person)
        messages.success(
            request,
            f"The account is gone, and what the record holds is being erased. What stays is called "
            f"{person.subject.label}; the certificate will be in the record.",
        )

    def _page(self, request: HttpRequest, user: CustomUser, template: str) -> HttpResponse:
        site: Any = self.admin_site  # type: ignore[attr-defined]
        context = {
            **site.each_context(request),
            "title": str(user),
            "person": user,
            "reason": request.POST.get("reason", ""),
            "longest_reason": erasing.LONGEST_REASON,
        }
        return render(request, template, context)
