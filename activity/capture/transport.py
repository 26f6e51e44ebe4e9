"""What the triggers are told of who acts: ``activity.context`` in a form that can be sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activity import context
from activity.context import Context
from activity.text import one_line
from tenants.backend import telling


@dataclass(frozen=True, slots=True)
class Told:
    """The circumstances of an act, as they are sent."""

    now: Context

    def told(self) -> Mapping[str, Any]:
        """Return what is known, each text on one line and as long as its column."""
        now = self.now
        behalf = now.on_behalf_of
        known: dict[str, Any] = {
            "kind": str(now.actor.kind),
            "id": one_line(now.actor.id, 64),
            "label": one_line(now.actor.label, 200),
            "behalf_id": one_line(behalf.id, 64) if behalf else "",
            "behalf_label": one_line(behalf.label, 200) if behalf else "",
            "ip": now.ip,
            "agent": one_line(now.user_agent, 400),
            "channel": str(now.channel),
            "request": str(now.request_id),
            "session": one_line(now.session_ref, 32),
            "reason": one_line(now.reason, 500),
            "meaning": now.meaning,
        }
        return {name: value for name, value in known.items() if value}


def connect() -> None:
    """Send the circumstances along with what may change a recorded table."""
    telling.tell(lambda: Told(context.current()))
