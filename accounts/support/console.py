"""Support access in the operators' console: opened with a reason and the password once more."""

from typing import Any
from uuid import UUID

from allauth.core import ratelimit
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import second_factors
from accounts.factor_texts import said_of
from accounts.models import CustomUser
from accounts.second_factors import Verdict
from accounts.support import ending, opening, telling
from accounts.support.pages import rows_of
from activity.subjects import Subject
from activity.unavailable import RecordUnavailable
from tenants import support
from tenants.context import enter_tenant
from tenants.errors import InvalidInput, TenantryError
from tenants.hosts import owned
from tenants.models import SupportAccess, Tenant
from tenants.sites import platform_site

How = SupportAccess.How


@sensitive_post_parameters("password", "code")
@never_cache
def page(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Show who has access to a tenant and who had; open one, or end one.

    A link is shown in the answer that opens, and never again.
    """
    operator = request.user
    assert isinstance(operator, CustomUser)
    if not operator.has_perm("tenants.view_tenant"):
        raise PermissionDenied
    tenant = get_object_or_404(Tenant, pk=object_id)
    may_act = opening.may_open(operator)
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    opened = None
    if request.method == "POST":
        if not may_act:
            raise PermissionDenied
        if request.POST.get("act") == "end":
            _end(request, tenant, operator)
            return redirect("tenant-support", object_id=object_id)
        opened = _open(request, tenant, operator)
    return render(request, "console/support.html", _context(request, tenant, may_act, opened))


def _context(
    request: HttpRequest, tenant: Tenant, may_act: bool, opened: support.Opened | None
) -> dict[str, Any]:
    given = request.POST if opened is None else {}
    return {
        **platform_site.each_context(request),
        "title": f"Support access to {tenant.name}",
        "tenant": tenant,
        "may_open": may_act and tenant.is_active and tenant.allows_support and opened is None,
        "may_end": may_act,
        "opened": opened,
        "minutes": support.offered_minutes(),
        "longest_reason": support.LONGEST_REASON,
        "has_factor": second_factors.is_on(request.user),  # type: ignore[arg-type]
        "reason": given.get("reason", ""),
        "person": given.get("person", ""),
        "chosen": given.get("minutes", "30"),
        "rows": _rows(tenant),
    }


def _rows(tenant: Tenant) -> list[dict[str, Any]]:
    """Return the accesses; whom they were for is known only while the tenant can be entered."""
    accesses = support.accesses_of(tenant)
    if not tenant.is_active or owned(Tenant.objects.filter(pk=tenant.pk)) is None:
        return [{"access": one, "how": one.get_ended_how_display()} for one in accesses]
    with enter_tenant(tenant):
        return rows_of(accesses)


def _open(request: HttpRequest, tenant: Tenant, operator: CustomUser) -> support.Opened | None:
    given = request.POST
    try:
        minutes = _minutes(given.get("minutes", ""))
        support.check_reason(given.get("reason", ""))
        opening.check_open(tenant, operator)
        _check_again(request, tenant, operator)
        return opening.open_access(
            tenant,
            operator,
            given.get("person", ""),
            reason=given.get("reason", ""),
            minutes=minutes,
        )
    except RecordUnavailable:
        raise
    except TenantryError as error:
        messages.error(request, error.shown)
        return None


def _check_again(request: HttpRequest, tenant: Tenant, operator: CustomUser) -> None:
    """Raise ``InvalidInput`` unless the operator's password is right, and the code if there is one.

    An open session of an operator's is not enough to look into a tenant.
    """
    place = Subject("tenant", str(tenant.pk), tenant.name)
    if not ratelimit.consume(request, action="reauthenticate", user=operator):
        telling.refuse("too many attempts", place)
        raise InvalidInput("there were too many attempts.", "Wait a minute.")
    if not operator.check_password(request.POST.get("password", "")):
        telling.refuse("wrong password", place)
        raise InvalidInput("that is not your password.", "Nothing was opened.")
    if not second_factors.is_on(operator):
        return
    with transaction.atomic():
        verdict = second_factors.check(operator, request.POST.get("code", ""), at="change")
    if verdict is not Verdict.PASSED:
        telling.refuse("wrong code", place)
        raise InvalidInput(said_of(verdict), "Nothing was opened.")


def _minutes(text: str) -> int:
    try:
        return support.check_minutes(int(text))
    except ValueError:
        raise InvalidInput(f"{text[:20]!r} is no number of minutes.", "Choose one.") from None


def _end(request: HttpRequest, tenant: Tenant, operator: CustomUser) -> None:
    try:
        access = support.access_with(request.POST.get("access", ""))
        if access.tenant_id != tenant.pk:
            raise InvalidInput("that is no access to this tenant.", "Choose one of the list.")
        is_own = access.operator_id == operator.public_id
        ended = ending.end(access, How.OPERATOR if is_own else How.PLATFORM)
    except RecordUnavailable:
        raise
    except TenantryError as error:
        messages.error(request, error.shown)
    else:
        said = "The support access is ended." if ended else "It had ended already."
        messages.success(request, said)
