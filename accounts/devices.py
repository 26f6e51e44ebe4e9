"""Where a person is signed in: their sessions, as devices that they can tell apart and end."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import CustomUser
from accounts.sessions import SessionStore, rows_of
from accounts.timeouts import DEVICE, SUPPORT, is_over, moment
from activity import context
from activity.context import ActorKind
from activity.recording import keyed_hash, record
from activity.text import one_line
from tenants import support
from tenants.errors import NotFound
from tenants.models import SupportAccess

SEEN_RESOLUTION: Final = timedelta(minutes=5)
"""A device's last time is at most this old while it is used: one write in it, not one a request."""

MOST_SHOWN: Final = 200

_BROWSERS: Final = {
    "Edg/": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS: Final = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@dataclass(frozen=True, slots=True)
class Device:
    """One session. ``ref`` names it and opens nothing; it is the record's ``session_ref``."""

    ref: str
    user_agent: str
    ip: str
    began: datetime | None
    seen: datetime | None
    is_this: bool
    operator: str = ""
    """Who is there as the person, under support access; their browser is theirs."""

    @property
    def name(self) -> str:
        """What the browser says it is, in words."""
        if self.operator:
            return f"Support access by {self.operator}, operator"
        return name_of(self.user_agent)


def name_of(user_agent: str) -> str:
    """Return browser and system in words, as far as they are known. Anybody can claim to be any."""
    browser = next((name for token, name in _BROWSERS.items() if token in user_agent), "")
    system = next((name for token, name in _SYSTEMS.items() if token in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or one_line(user_agent, 60) or "An unknown program"


def begin(session: Any) -> None:
    """Note in a session that somebody has just signed in on this device."""
    now = timezone.now().isoformat(timespec="seconds")
    session[DEVICE] = _here() | {"began": now, "seen": now}


def note_device(session: SessionStore) -> None:
    """Keep the time and the place of the last request, to the resolution of ``SEEN_RESOLUTION``.

    Neither the session's end nor its cookie moves. A row that changed meanwhile stays as it is.
    """
    kept = session.get(DEVICE, {})
    now = timezone.now()
    seen = moment(kept.get("seen"))
    if not session.stored or (seen is not None and now - seen < SEEN_RESOLUTION):
        return
    device = kept | _here() | {"seen": now.isoformat(timespec="seconds")}
    # What the row held, not what the request has changed in it since: that is saved at its end.
    text = session.encode(session.decode(session.stored) | {DEVICE: device})
    row = Session.objects.filter(session_key=session.session_key, session_data=session.stored)
    row.update(session_data=text)
    session._session[DEVICE] = device  # type: ignore[attr-defined]


def support_of(held: SessionBase | dict[str, Any]) -> dict[str, str]:
    """Return what a session says of the support access that it is; nothing if it is none."""
    return dict(held.get(SUPPORT) or {})


def kept_device(held: dict[str, Any]) -> dict[str, Any]:
    """Return what a session that holds ``held`` keeps of its device; nothing if it keeps none."""
    return dict(held.get(DEVICE, {}))


def devices_of(person: CustomUser, this_key: str | None) -> list[Device]:
    """Return where the person is signed in: this device first, then the last seen."""
    found = [_device(row, data, this_key) for row, data in _open(person)]
    oldest = timezone.now() - timedelta(days=36_500)
    found.sort(key=lambda device: (device.is_this, device.seen or oldest), reverse=True)
    return found[:MOST_SHOWN]


def end(person: CustomUser, ref: str) -> int:
    """End one of the person's sessions; returns how many that were."""
    return _end(person, [one for one in _open(person) if _ref(one[0]) == ref])


def end_others(person: CustomUser, this_key: str | None) -> int:
    """End all of the person's sessions but this one; returns how many."""
    return _end(person, [one for one in _open(person) if one[0].session_key != this_key])


def end_deactivated(person: CustomUser) -> int:
    """End all sessions of somebody who may not sign in any more; returns how many."""
    return _end(person, _open(person), SupportAccess.How.PERSON_LOST)


def _end(
    person: CustomUser,
    chosen: list[tuple[Session, dict[str, Any]]],
    how: str | None = None,
) -> int:
    """End sessions; ``how`` is said of support access that is among them, or else who did it."""
    for row, data in chosen:
        record("session.revoked", target=person, details={"revoked_session_ref": _ref(row)})
        if access := support_of(data).get("access"):
            # Without its row it is over already, and the session ends all the same.
            with suppress(NotFound):
                support.end_access(support.access_with(access), how or _how(person))
    Session.objects.filter(session_key__in=[row.session_key for row, _ in chosen]).delete()
    return len(chosen)


def _how(person: CustomUser) -> str:
    """Return by whom support access to somebody ends with its session, as who acts now."""
    actor = context.current().actor
    if actor.kind != ActorKind.PERSON:
        # Of a tenant's people nobody has a shell.
        return SupportAccess.How.PLATFORM
    is_own = actor.id == str(person.public_id)
    return SupportAccess.How.PERSON if is_own else SupportAccess.How.TENANT


def is_outdated(person: CustomUser, access_id: str) -> bool:
    """Tell whether the session of a support access is of a password that the person had before."""
    held = [data for _, data in _marked(person) if support_of(data).get("access") == access_id]
    return any(not _is_good(person, data) for data in held)


def _open(person: CustomUser) -> list[tuple[Session, dict[str, Any]]]:
    """Return the person's sessions that still open something, with what they hold."""
    return [(row, data) for row, data in _marked(person) if _is_good(person, data)]


def _marked(person: CustomUser) -> list[tuple[Session, dict[str, Any]]]:
    """Return the sessions that were begun as the person and have not run out."""
    marked = rows_of([person.pk]).filter(expire_date__gt=timezone.now())
    store = SessionStore()
    return [(row, store.decode(row.session_data)) for row in marked]


def _is_good(person: CustomUser, data: dict[str, Any]) -> bool:
    """Tell whether the session is the person's, not over, and of no password of before."""
    if is_over(data):
        return False
    good = (person.get_session_auth_hash(), *person.get_session_auth_fallback_hash())
    held = data.get(HASH_SESSION_KEY, "")
    return data.get(SESSION_KEY) == str(person.pk) and any(
        constant_time_compare(held, one) for one in good
    )


def _device(row: Session, data: dict[str, Any], this_key: str | None) -> Device:
    kept = data.get(DEVICE, {})
    operator = support_of(data).get("operator", "")
    return Device(
        ref=_ref(row),
        operator=operator,
        user_agent="" if operator else str(kept.get("user_agent", "")),
        ip="" if operator else str(kept.get("ip") or ""),
        began=moment(kept.get("began")),
        seen=moment(kept.get("seen")),
        is_this=row.session_key == this_key,
    )


def _ref(row: Session) -> str:
    return keyed_hash("session", row.session_key)


def _here() -> dict[str, Any]:
    now = context.current()
    return {"ip": now.ip, "user_agent": one_line(now.user_agent, 400)}
