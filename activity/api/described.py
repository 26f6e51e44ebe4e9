"""How OpenAPI describes the operations: parameters, answers, examples and errors."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from activity.api import examples
from activity.api.documents import (
    EventPageSerializer,
    EventSerializer,
    ProblemSerializer,
    ProofSerializer,
    ReportListSerializer,
    ReportSerializer,
)
from activity.api.parameters import MOST
from activity.reading.paging import SIZE
from activity.reading.query import FILTERS
from tenants.problems import KINDS, MEDIA_TYPE


def errors(*codes: str, shown: tuple[Any, ...] = ()) -> dict[Any, Any]:
    """Return the errors of an operation, those that every one has among them."""
    every = (*codes, "not-authenticated", "invalid-token", "not-permitted", "insufficient-scope")
    every += ("not-acceptable", "too-many-requests", "unavailable")
    by_status: dict[int, list[str]] = {}
    for code in every:
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        (status, MEDIA_TYPE): OpenApiResponse(
            ProblemSerializer,
            description=", ".join(f"`{code}`" for code in named),
            examples=[one for one in shown if str(status) in one.status_codes],
        )
        for status, named in sorted(by_status.items())
    }


def parameter(name: str, description: str, example: Any = None, **more: Any) -> OpenApiParameter:
    """Return the description of a parameter of the address."""
    examples_ = [OpenApiExample(name, value=example)] if example is not None else []
    return OpenApiParameter(name, description=description, examples=examples_, **more)


_ID: Final = OpenApiParameter(
    "event_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The event's id."
)

_PARAMETERS: Final = [
    parameter("q", "A search, as in the panel: terms that must all hold.", "actor:ann -ip:::1"),
    *(
        parameter(name, f"The same as {name}: in a search.", one.example.partition(":")[2])
        for name, one in FILTERS.items()
    ),
    parameter("cursor", "Where the page begins: what next and previous have."),
    parameter(
        "limit",
        f"Events of the page, 1 to {MOST}.",
        type={"type": "integer", "minimum": 1, "maximum": MOST, "default": SIZE},
    ),
]

events = extend_schema(
    operation_id="listEvents",
    tags=["activity"],
    parameters=_PARAMETERS,
    responses={
        200: OpenApiResponse(EventPageSerializer, examples=[examples.EVENTS]),
        **errors("invalid-parameters", shown=(examples.INVALID,)),
    },
)
event = extend_schema(
    operation_id="getEvent",
    tags=["activity"],
    parameters=[_ID],
    responses={200: EventSerializer, **errors("not-found")},
)
proof = extend_schema(
    operation_id="getProof",
    tags=["activity"],
    parameters=[_ID],
    responses={
        200: ProofSerializer,
        **errors("not-found", "not-sealed", "not-as-sealed"),
    },
)
checkpoint = extend_schema(
    operation_id="getCheckpoint",
    tags=["activity"],
    responses={
        (200, "text/plain"): OpenApiResponse(str, examples=[examples.CHECKPOINT]),
        **errors("not-found"),
    },
)
catalogue = extend_schema(
    operation_id="getCatalogue",
    tags=["activity"],
    responses={
        200: OpenApiResponse(OpenApiTypes.OBJECT, examples=[examples.CATALOGUE]),
        **errors(),
    },
)
reports = extend_schema(
    operation_id="listReports",
    tags=["activity"],
    responses={200: ReportListSerializer, **errors()},
)
report = extend_schema(
    operation_id="getReport",
    tags=["activity"],
    parameters=[
        OpenApiParameter("name", str, OpenApiParameter.PATH, description="The report's name."),
        parameter("since", "The first local day; without it, 30 days up to until.", "2026-11-01"),
        parameter("until", "The last local day; without it, today.", "2026-11-30"),
        parameter(
            "limit",
            "Rows at most, 1 to 10000.",
            type={"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000},
        ),
        OpenApiParameter(
            "parameters",
            {"type": "object", "additionalProperties": {"type": "string"}},
            description="The parameters that the list of reports has for this one, by name.",
            style="form",
            explode=True,
        ),
    ],
    responses={200: ReportSerializer, **errors("not-found", "invalid-parameters")},
)
