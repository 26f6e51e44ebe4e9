"""Announced support access, as far as the platform has to know of it: its rows and its times.

Who a person of a tenant is and what the record says of it, ``accounts.support`` knows, and
registers how an access is opened and ended. The clock is PostgreSQL's throughout.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from tenants import reasons
from tenants.context import enter_platform
from tenants.errors import InvalidInput, NotFound
from tenants.models import SupportAccess, Tenant

MINUTES: Final = (15, 30, 60, 120)
"""For how long an access can be opened; the settings may leave out the longest."""

LONGEST_REASON: Final = reasons.LONGEST

PERMISSION: Final = "tenants.open_support"


@dataclass(frozen=True, slots=True)
class Opened:
    """An access, and the link that begins it: shown once, since only its hash is kept."""

    access: SupportAccess
    link: str


@dataclass(frozen=True, slots=True)
class Desk:
    """How an access is opened and ended.

    ``open`` takes the tenant, the user names of operator and person, the reason and the minutes;
    ``end`` takes the access and how it ends, and returns whether it ended now.
    """

    open: Callable[[Tenant, str, str, str, int], Opened]
    end: Callable[[SupportAccess, str], bool]


_desk: list[Desk] = []


def register(desk: Desk) -> None:
    """Say how accesses are opened and ended. The last registration holds."""
    _desk[:] = [desk]


def open_access(tenant: Tenant, operator: str, person: str, *, reason: str, minutes: int) -> Opened:
    """Let an operator act as a person of a tenant; raises ``TenantryError`` for what may not be."""
    return _desk[0].open(tenant, operator, person, reason, minutes)


def end_access(access: SupportAccess, how: str) -> bool:
    """End an access at once; returns ``False`` for one that had ended."""
    return _desk[0].end(access, how)


def offered_minutes() -> list[int]:
    """Return for how long an access can be opened here."""
    return [minutes for minutes in MINUTES if minutes <= settings.TENANTRY_SUPPORT_MINUTES]


def check_minutes(minutes: int) -> int:
    """Return for how long an access is wanted; raises ``InvalidInput`` for what is not offered."""
    offered = offered_minutes()
    if minutes not in offered:
        raise InvalidInput(
            f"support access cannot be opened for {minutes} minutes.",
            f"Choose {', '.join(map(str, offered))}.",
        )
    return minutes


def check_reason(reason: str) -> str:
    """Return a reason as it is stored; raises ``InvalidInput`` without a usable one."""
    return reasons.sound(reason, "the customer reads it")


def access_with(access_id: str) -> SupportAccess:
    """Return the access with this id; raises ``NotFound``."""
    try:
        key = uuid.UUID(access_id)
    except ValueError:
        raise NotFound(f"{access_id[:60]!r} is no access.", _LIST) from None
    with enter_platform():
        access = SupportAccess.objects.select_related("tenant").filter(pk=key).first()
    if access is None:
        raise NotFound(f"there is no access {key}.", _LIST)
    return access


_LIST: Final = "`manage.py tenant support list` shows those that run."


def accesses_of(tenant: Tenant, most: int = 50) -> list[SupportAccess]:
    """Return the newest accesses to a tenant, those that are over too."""
    with enter_platform():
        return list(SupportAccess.objects.filter(tenant=tenant)[:most])


def running(tenant: Tenant | None = None) -> list[SupportAccess]:
    """Return the accesses that run, of one tenant or of all, newest first."""
    with enter_platform():
        found = SupportAccess.objects.running().select_related("tenant")
        return list(found.filter(tenant=tenant) if tenant else found)
