"""How OpenAPI describes the operations of schedules."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from activity.api.described import errors, parameter
from activity.api.schedule_documents import (
    PreviewSerializer,
    RunPageSerializer,
    SchedulePageSerializer,
    ScheduleSerializer,
    WishChangeSerializer,
    WishSerializer,
)

_ID: Final = OpenApiParameter(
    "schedule_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The schedule's id."
)
_REFUSED: Final = ("invalid-input", "not-installed")


def _page(of: str, before: str) -> list[OpenApiParameter]:
    return [
        parameter("before", before),
        parameter(
            "limit",
            f"{of} of the page, 1 to 200.",
            type={"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
        ),
    ]


def _act(name: str, *codes: str) -> Any:
    """Return the description of what is done to one schedule, and answered with it."""
    return extend_schema(
        operation_id=name,
        tags=["schedules"],
        parameters=[_ID],
        request=None,
        responses={200: ScheduleSerializer, **errors("not-found", *codes)},
    )


schedules = extend_schema(
    operation_id="listSchedules",
    tags=["schedules"],
    parameters=_page("Schedules", "The id of a schedule: those that were made before it."),
    responses={200: SchedulePageSerializer, **errors("invalid-parameters")},
)
add = extend_schema(
    operation_id="addSchedule",
    tags=["schedules"],
    request=WishSerializer,
    responses={201: ScheduleSerializer, **errors(*_REFUSED, "conflict")},
)
preview = extend_schema(
    operation_id="previewSchedule",
    tags=["schedules"],
    request=WishSerializer,
    responses={200: PreviewSerializer, **errors(*_REFUSED)},
)
schedule = _act("getSchedule")
change = extend_schema(
    operation_id="changeSchedule",
    tags=["schedules"],
    parameters=[_ID],
    request=WishChangeSerializer,
    responses={200: ScheduleSerializer, **errors("not-found", *_REFUSED)},
)
delete = extend_schema(
    operation_id="deleteSchedule",
    tags=["schedules"],
    parameters=[_ID],
    responses={204: OpenApiResponse(description="It is deleted."), **errors("not-found")},
)
pause = _act("pauseSchedule")
resume = _act("resumeSchedule", *_REFUSED, "conflict")
run = _act("runSchedule", "conflict")
runs = extend_schema(
    operation_id="listScheduleRuns",
    tags=["schedules"],
    parameters=[_ID, *_page("Runs", "The id of a run: those that ended before it.")],
    responses={200: RunPageSerializer, **errors("not-found", "invalid-parameters")},
)
