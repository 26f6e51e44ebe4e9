"""When somebody was last here. Written past the record: the sign-in itself is an event."""

from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from accounts.models import CustomUser

SEEN_RESOLUTION: Final = timedelta(minutes=5)
"""``last_seen`` is at most this old while somebody is here: one write in it, not one a request."""


def note_sign_in(user: CustomUser, **_: Any) -> None:
    """Keep the time of the last sign-in."""
    user.last_login = user.last_seen = timezone.now()
    CustomUser.objects.filter(pk=user.pk).update(
        last_login=user.last_login, last_seen=user.last_seen
    )


def note_seen(user: CustomUser) -> None:
    """Keep the time of the last page, to the resolution of ``SEEN_RESOLUTION``."""
    now = timezone.now()
    if user.last_seen is None or now - user.last_seen >= SEEN_RESOLUTION:
        user.last_seen = now
        CustomUser.objects.filter(pk=user.pk).update(last_seen=now)
