"""What answers about exports consist of."""

from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from activity.api import export_examples
from activity.models import ExportJob


def _moment(source: str, **options: Any) -> Any:
    return serializers.DateTimeField(
        source=f"job.{source}", default_timezone=UTC, allow_null=True, **options
    )


def _count(source: str, **options: Any) -> Any:
    return serializers.IntegerField(source=f"job.{source}", **options)


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class FiltersField(serializers.JSONField):  # type: ignore[misc]
    """How rows are chosen."""


@extend_schema_serializer(examples=[export_examples.ASKED])
class AskedSerializer(serializers.Serializer):  # type: ignore[misc]
    """What is to be made."""

    source = serializers.CharField(help_text="`events`, `bundle`, or the name of a report.")
    filters = FiltersField(
        required=False,
        help_text="Of events `q`, a search, and the local days `since` and `until`; of a report"
        " its days and parameters; of a bundle its days.",
    )
    format = serializers.CharField(
        required=False, help_text="`csv`, `ndjson`, `xlsx`, `parquet`; of a bundle `zip`."
    )
    compression = serializers.CharField(
        required=False, allow_null=True, help_text="`gzip` or `zstd`, of CSV and NDJSON."
    )
    columns = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Of events; all if left out."
    )
    note = serializers.CharField(
        required=False, help_text="Shown in lists, at most 200 characters."
    )


@extend_schema_serializer(examples=[export_examples.EXPORT])
class ExportSerializer(serializers.Serializer):  # type: ignore[misc]
    """A file that was asked for, and what has become of it."""

    id = serializers.UUIDField(source="job.pk")
    source = serializers.CharField(source="job.source")
    filters = FiltersField(source="asked.filters")
    format = serializers.CharField(source="asked.form")
    compression = serializers.CharField(source="asked.compression", help_text="Empty for none.")
    columns = serializers.ListField(
        child=serializers.CharField(), help_text="Empty for all there are."
    )
    note = serializers.CharField(source="asked.note")
    state = serializers.ChoiceField(source="job.state", choices=ExportJob.State.choices)
    error = serializers.CharField(source="job.error", help_text="Why there is no file.")
    requested_by = serializers.CharField(source="job.requester_label")
    is_mine = serializers.BooleanField(help_text="Whether whoever reads this has asked for it.")
    rows = _count("rows_done")
    rows_expected = _count("rows_expected", allow_null=True, help_text="About as many.")
    rows_per_second = serializers.IntegerField(allow_null=True)
    seconds_left = serializers.IntegerField(allow_null=True, help_text="At this rate.")
    bytes = _count("bytes")
    sha256 = serializers.CharField(source="job.sha256", help_text="Of the file, once it is ready.")
    attempts = _count("attempts", help_text="How often it was begun.")
    asked_at = _moment("asked_at")
    started_at = _moment("started_at")
    finished_at = _moment("finished_at")
    expires_at = _moment("expires_at")
    downloaded_at = _moment("downloaded_at")
    download = serializers.CharField(
        allow_null=True, help_text="The address of the file, when it is ready and yours."
    )


@extend_schema_serializer(examples=[export_examples.EXPORTS])
class ExportPageSerializer(serializers.Serializer):  # type: ignore[misc]
    """Exports, newest first."""

    exports = ExportSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="Older ones; null after the oldest.")

    def to_representation(self, page: Any) -> Any:
        """Return the page: its exports are documents already."""
        return {"exports": page["exports"], "next": page["next"]}
