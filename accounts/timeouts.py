"""When a session is over by itself: left idle too long, or begun too long ago.

Django moves the end of a session with every change to it, and asks nothing about use. So both are
told from what the session keeps of its device (OWASP ASVS 5.0, 7.3.1 and 7.3.2; NIST SP 800-63B-4,
5.2).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

DEVICE: Final = "device"
"""Where a session keeps when it began and when it was seen last; see ``accounts.devices``."""

SUPPORT: Final = "support"
"""Where a session says that it is support access, which has an end of its own."""


def moment(text: Any) -> datetime | None:
    """Return the moment that a session keeps as text; ``None`` if it keeps none."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def is_over(held: Mapping[str, Any]) -> bool:
    """Tell whether a session that holds ``held`` opens nothing any more, whatever its row says.

    Sessions of nobody are never over: they keep no device.
    """
    device = held.get(DEVICE)
    if not isinstance(device, Mapping) or SUPPORT in held:
        return False
    now = timezone.now()
    began, seen = moment(device.get("began")), moment(device.get("seen"))
    idle = timedelta(minutes=settings.TENANTRY_SESSION_IDLE_MINUTES)
    longest = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return (seen is not None and now - seen > idle) or (began is not None and now - began > longest)
