"""What the description of the API shows for each operation."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

_EVENT: Final[dict[str, Any]] = {
    "id": "019dbb6c-9e1c-7c35-b5ab-2d1b9e4f0a11",
    "occurred_at": "2026-11-23T09:14:07.312045Z",
    "action": "user.privileges_changed",
    "outcome": "success",
    "severity": "warning",
    "actor_kind": "person",
    "actor_id": "019dbb60-1f6b-7a55-8f0e-1c7d8f0b6a01",
    "actor_label": "Ann Lee (ann)",
    "on_behalf_of_id": "",
    "on_behalf_of_label": "",
    "target_type": "user",
    "target_id": "019dbb60-2a01-7d10-9a3b-55c0f4a1e802",
    "target_label": "Bob Ray (bob)",
    "changes": {"is_superuser": [False, True]},
    "details": {},
    "ip": "203.0.113.9",
    "user_agent": "Mozilla/5.0",
    "channel": "page",
    "request_id": "019dbb6c-9df2-7b41-a3f1-6f2f3f7f9d10",
    "session_ref": "6f3b0f2f7d0c4f5a9b1e2c3d4e5f6071",
    "reason": "",
    "schema_version": 1,
    "sentence": "Ann Lee (ann) changed the privileges of Bob Ray (bob)",
}

_HOST: Final = "https://acme.people.example.com/api/v1/activity/events"

_NOTE: Final = (
    "tenantry/7d3f8e1a-4c2b-4f60-9a57-0b1c2d3e4f50\n"
    "2\n"
    "jIJhxaDLtNmy3dPYkPhUrgcT4cLxFGYX5T0lWq0hJ3U=\n"
    "sealed 2026-11-23T09:14:09.000518Z\n"
    "previous 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    "\n"
    "— people.example.com OwwfXk1Zc…\n"
)

EVENT: Final = OpenApiExample("A person was made an administrator", value=_EVENT)

EVENTS: Final = OpenApiExample(
    "The first page",
    value={
        "events": [_EVENT],
        "next": f"{_HOST}?limit=1&cursor=YgGdu2yeHHw1tastG55PChE",
        "previous": f"{_HOST}?limit=1&cursor=YQGdu2yeHHw1tastG55PChE",
        "looked_back_to": None,
    },
)

PROOF: Final = OpenApiExample(
    "The first of two events",
    value={
        "event": _EVENT["id"],
        "number": 0,
        "leaf": '{"action":"user.privileges_changed",…}',
        "path": ["9YkXcQ2fFqVbJc3m3lG0bqz8rTqTqz0m1kq9b2mVQyE="],
        "checkpoint": _NOTE,
    },
)

CHECKPOINT: Final = OpenApiExample("A record of two events", value=_NOTE, media_type="text/plain")

CATALOGUE: Final = OpenApiExample(
    "One action of many",
    value={
        "actions": [
            {
                "name": "session.started",
                "family": "session",
                "severity": "info",
                "sentence": "{actor} signed in",
                "meaning": "Somebody gave the right password and has a session.",
                "schema": {"type": "object"},
            }
        ]
    },
)

_COLUMNS: Final[list[dict[str, str]]] = [
    {"name": "day", "title": "Day", "kind": "day", "unit": ""},
    {"name": "sign_ins", "title": "Sign-ins", "kind": "count", "unit": "sign-ins"},
]

REPORTS: Final = OpenApiExample(
    "One report of many",
    value={
        "reports": [
            {
                "name": "sign-ins",
                "title": "Sign-ins per day",
                "about": "Signing in",
                "sentence": "How often people signed in.",
                "has_period": True,
                "reads": "roll-ups",
                "parameters": [],
                "columns": _COLUMNS,
            }
        ]
    },
)

REPORT: Final = OpenApiExample(
    "Sign-ins of two days",
    value={
        "name": "sign-ins",
        "title": "Sign-ins per day",
        "since": "2026-11-22",
        "until": "2026-11-23",
        "parameters": {},
        "as_of": "2026-11-23T09:14:00Z",
        "columns": _COLUMNS,
        "rows": [{"day": "2026-11-22", "sign_ins": 48}, {"day": "2026-11-23", "sign_ins": 7}],
        "is_cut": False,
    },
)

INVALID: Final = OpenApiExample(
    "A search that cannot be read",
    value={
        "type": "/api/v1/problems/invalid-parameters",
        "title": "A parameter cannot be used",
        "status": 400,
        "code": "invalid-parameters",
        "detail": "There is no filter 'acter'.",
        "hint": "Did you mean actor:?",
        "errors": [
            {
                "parameter": "q",
                "code": "invalid-query",
                "detail": "There is no filter 'acter'.",
                "hint": "Did you mean actor:?",
                "position": 0,
                "pointed": "acter:ann\n^",
            }
        ],
    },
    response_only=True,
    status_codes=["400"],
)
