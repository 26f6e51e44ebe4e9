"""From the one-time link to a session that is marked as support access.

Following the link only shows what it begins, so that a program that looks ahead begins nothing;
the form on that page takes it. Its hash is bound to the tenant: elsewhere it is a link to nothing.
"""

from typing import Any, Final

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import transaction
from django.db.models import BooleanField, Case, Value, When
from django.db.models.functions import Now
from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from accounts import devices
from accounts.models import CustomUser
from accounts.support import ending, serving, telling
from accounts.support.opening import hash_of
from accounts.support.serving import mark, operator_may
from accounts.timeouts import SUPPORT
from activity import signins
from activity.requests import actor_of
from activity.subjects import Subject
from tenants.context import current_tenant, enter_platform
from tenants.errors import Conflict, NotFound, TenantryError
from tenants.models import SupportAccess, Tenant

BACKEND: Final = "allauth.account.auth_backends.AuthenticationBackend"

_AGAIN: Final = "Open another access in the console."
_WHY: Final = {
    "unknown link": "this link begins nothing here.",
    "used link": "this link was used.",
    "expired link": "this link was not used in time.",
    "ended": "this support access has ended.",
    "forbidden": "support access is not allowed here any more.",
    "operator": "the operator whom this link is for may not open support access any more.",
    "person": "the person whom this link is for may not sign in any more.",
}


def behind(key: str, *, lock: bool = False) -> tuple[SupportAccess, CustomUser]:
    """Return the access that a link begins and the person it is for; refuses any other link.

    Raises ``NotFound`` for a link that is none, ``Conflict`` for one that is used, too late, or
    begins nothing any more. Each refusal is recorded.
    """
    tenant = current_tenant()
    if tenant is None:
        raise NotFound(_WHY["unknown link"], _AGAIN)
    access = _found(tenant, key, lock=lock)
    if access is None:
        raise _refused("unknown link")
    person = CustomUser.objects.filter(public_id=access.person_id).first()
    why = _wrong(access) or ("" if person and person.is_active else "person")
    if why or person is None:
        raise _refused(why, access)
    return access, person


def _found(tenant: Tenant, key: str, *, lock: bool) -> SupportAccess | None:
    def tells(condition: dict[str, Any]) -> Case:
        return Case(When(**condition, then=Value(True)), default=False, output_field=BooleanField())

    with enter_platform():
        found = SupportAccess.objects.select_related("tenant").annotate(
            is_late=tells({"link_until__lte": Now()}), is_over=tells({"ends_at__lte": Now()})
        )
        if lock:
            found = found.select_for_update(of=("self",))
        return found.filter(link_hash=hash_of(tenant, key), tenant=tenant).first()


def _wrong(access: Any) -> str:
    """Return why an access cannot begin now; nothing if it can."""
    if access.entered_at is not None:
        return "used link"
    if access.ended_at is not None or access.is_over:
        return "ended"
    if access.is_late:
        return "expired link"
    if not (access.tenant.is_active and access.tenant.allows_support):
        return "forbidden"
    return "" if operator_may(access) else "operator"


def _refused(why: str, access: SupportAccess | None = None) -> TenantryError:
    target = Subject("page", label="a link for support access")
    telling.refuse(why, target, access)
    return (NotFound if why == "unknown link" else Conflict)(_WHY[why], _AGAIN)


def enter(request: HttpRequest, key: str) -> tuple[SupportAccess, CustomUser]:
    """Use up a link and begin its session, which is new and holds nothing from before.

    Row, session and events are one transaction. The person's last sign-in stays what it was.
    """
    with transaction.atomic():
        access, person = behind(key, lock=True)
        with enter_platform():
            SupportAccess.objects.filter(pk=access.pk).update(entered_at=Now())
        _leave(request)
        _begin_session(request, access, person)
        telling.tell(
            "support.entered",
            access,
            {"ends_at": access.ends_at.isoformat()},
            inside={"actor": telling.operator_in(access), "on_behalf_of": actor_of(person)},
            on_platform={"actor": telling.operator_on_platform(access), "on_behalf_of": None},
        )
    return access, person


def _leave(request: HttpRequest) -> None:
    """Record that the session ends that this browser has, if somebody is signed in with it."""
    before = serving.in_force(request)
    if before is not None:
        ending.end(before.access, SupportAccess.How.OPERATOR)
    elif request.user.is_authenticated:
        signins.signed_out(user=request.user)


def _begin_session(request: HttpRequest, access: SupportAccess, person: CustomUser) -> None:
    session: Any = request.session
    session.flush()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = BACKEND
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session[SUPPORT] = mark(access)
    # The row of the session ends with the access too, whatever else is asked.
    session.set_expiry(access.ends_at)
    devices.begin(session)
    session.save(must_create=True)
    rotate_token(request)
