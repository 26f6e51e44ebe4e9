"""When somebody was last here, and when somebody came with another tenant's session.

The first is written past the record: the sign-in itself is an event.
"""

from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from accounts.devices import begin
from accounts.models import CustomUser
from activity.hashes import keyed_hash
from activity.models import Outcome
from activity.recording import record

SEEN_RESOLUTION: Final = timedelta(minutes=5)
"""``last_seen`` is at most this old while somebody is here: one write in it, not one a request."""


def note_sign_in(user: CustomUser, request: Any = None, **_: Any) -> None:
    """Keep the time of the last sign-in, and in the session on which device it is."""
    if request is not None:
        begin(request.session)
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


def note_foreign_session(key: str) -> None:
    """Record that a session of another tenant was presented here, not which tenant's."""
    record(
        "session.refused",
        outcome=Outcome.DENIED,
        details={"presented_session_ref": keyed_hash("session", key)},
    )
