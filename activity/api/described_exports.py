"""How OpenAPI describes the operations of exports."""

from typing import Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from activity.api import export_examples
from activity.api.described import errors, parameter
from activity.api.export_documents import AskedSerializer, ExportPageSerializer, ExportSerializer

_ID: Final = OpenApiParameter(
    "export_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The export's id."
)

exports = extend_schema(
    operation_id="listExports",
    tags=["exports"],
    parameters=[
        parameter("before", "The id of an export: those that were asked for before it."),
        parameter(
            "limit",
            "Exports of the page, 1 to 200.",
            type={"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
        ),
    ],
    responses={200: ExportPageSerializer, **errors("invalid-parameters")},
)
ask = extend_schema(
    operation_id="requestExport",
    tags=["exports"],
    parameters=[
        OpenApiParameter(
            "Idempotency-Key",
            str,
            OpenApiParameter.HEADER,
            description="Names the request: sent again within a day, it is answered with the same"
            " export. At most 200 characters.",
        )
    ],
    request=AskedSerializer,
    responses={202: ExportSerializer, **errors("invalid-input", "not-installed", "quota-reached")},
)
export = extend_schema(
    operation_id="getExport",
    tags=["exports"],
    parameters=[_ID],
    responses={200: ExportSerializer, **errors("not-found")},
)
cancel = extend_schema(
    operation_id="cancelExport",
    tags=["exports"],
    parameters=[_ID],
    request=None,
    responses={200: ExportSerializer, **errors("not-found", "conflict")},
)
download = extend_schema(
    operation_id="downloadExport",
    tags=["exports"],
    parameters=[_ID],
    responses={
        (200, "application/octet-stream"): OpenApiResponse(
            OpenApiTypes.BINARY,
            description="The file, under the media type of its format. `Repr-Digest` has its"
            " SHA-256.",
        ),
        **errors("not-found", "not-made"),
    },
)
manifest = extend_schema(
    operation_id="getExportManifest",
    tags=["exports"],
    parameters=[_ID],
    responses={
        200: OpenApiResponse(OpenApiTypes.OBJECT, examples=[export_examples.MANIFEST]),
        **errors("not-found", "not-made"),
    },
)
