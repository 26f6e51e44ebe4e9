"""Appointing a tenant's administrators, as far as the platform has to know of it.

The platform does not know what a user is: ``accounts`` does, and registers how one is made.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tenants.models import Tenant


@dataclass(frozen=True, kw_only=True)
class Appointment:
    """Who became an administrator, and the one-time link to choose a password, if one is needed."""

    username: str
    email: str
    created: bool
    has_new_password: bool = False
    link: str = ""


Appoint = Callable[[Tenant, str, str, str | None], Appointment]
"""Takes tenant, user name (empty: from the address), e-mail and password (``None``: by link)."""

Check = Callable[[Tenant | None, str, str, str | None], None]
"""Takes the same and raises ``InvalidInput`` or ``Conflict`` for what ``Appoint`` would refuse.

The tenant is ``None`` while it does not exist yet.
"""


@dataclass(frozen=True)
class Office:
    """How administrators are checked and made."""

    check: Check
    appoint: Appoint


_office: list[Office] = []


def register(office: Office) -> None:
    """Say how administrators are made. The last registration holds."""
    _office[:] = [office]


def check(tenant: Tenant | None, *, username: str = "", email: str, password: str | None) -> None:
    """Refuse, with a sentence, what ``appoint`` would refuse; change nothing."""
    _office[0].check(tenant, username, email, password)


def appoint(
    tenant: Tenant, *, username: str = "", email: str, password: str | None = None
) -> Appointment:
    """Make ``email`` an administrator of ``tenant``; with no password they get a one-time link.

    Raises ``InvalidInput`` for an unusable address, name or password, ``Conflict`` when the name
    or the address belongs to somebody else.
    """
    return _office[0].appoint(tenant, username, email, password)
