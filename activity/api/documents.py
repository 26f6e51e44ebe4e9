"""What answers consist of. The serializers write them and describe them in one."""

import base64
from datetime import UTC
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from activity.api import examples
from activity.events import COLUMNS, sentence
from activity.models import ActivityEvent
from activity.reports.registry import Kind, Source

_TEXTS_OR_VALUES = "of any JSON type: a text, a number, true or false, null, or a list"


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2},
        "description": f"Field → its value before and after, {_TEXTS_OR_VALUES}.",
    }
)
class ChangesField(serializers.JSONField):  # type: ignore[misc]
    """What changed."""


@extend_schema_field(
    {"type": "object", "description": "What else belongs to this action, by name."}
)
class DetailsField(serializers.JSONField):  # type: ignore[misc]
    """What else there is to say."""


@extend_schema_serializer(examples=[examples.EVENT])
class EventSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """An event: what happened, who did it to what, from where, and what changed.

    The members are the columns of the record, as exports have them, and the event as a sentence.
    """

    occurred_at = serializers.DateTimeField(default_timezone=UTC, read_only=True)
    sentence = serializers.CharField(read_only=True, help_text="The event in words, in English.")
    changes = ChangesField(read_only=True)
    details = DetailsField(read_only=True)

    class Meta:
        model = ActivityEvent
        fields: ClassVar[Any] = [*COLUMNS, "sentence"]
        read_only_fields = fields

    def to_representation(self, event: ActivityEvent) -> dict[str, Any]:
        """Return the columns as they are: asking each field takes nine times as long.

        That they are what the fields describe is tested.
        """
        values = {name: getattr(event, name) for name in COLUMNS}
        return {**values, "sentence": sentence(event)}


class EventPageSerializer(serializers.Serializer):  # type: ignore[misc]
    """Events, newest first, and where the pages beside them are."""

    events = EventSerializer(many=True)
    next = serializers.URLField(
        allow_null=True, help_text="The page of older events; null after the oldest."
    )
    previous = serializers.URLField(
        allow_null=True,
        help_text="The page of newer events, also of such as do not exist yet: asked again later, "
        "it has what has happened since. Null only while there is nothing to begin from.",
    )
    looked_back_to = serializers.DateTimeField(
        allow_null=True,
        default_timezone=UTC,
        help_text="Set when the page is not full because only so many events are looked at for "
        "one page: how far this one has looked. The next one goes on from there.",
    )


@extend_schema_serializer(examples=[examples.PROOF])
class ProofSerializer(serializers.Serializer):  # type: ignore[misc]
    """That an event is a leaf of the tree whose signed head is the checkpoint."""

    event = serializers.UUIDField(source="event_id")
    number = serializers.IntegerField(help_text="Which leaf, from 0.")
    leaf = serializers.SerializerMethodField(help_text="The document that is hashed.")
    path = serializers.SerializerMethodField(
        help_text="The hashes beside its way to the root, from the leaf up, in Base64 (RFC 6962)."
    )
    checkpoint = serializers.CharField(help_text="The signed note.")

    def get_leaf(self, proof: Any) -> str:
        """Return the leaf as text: it is JSON."""
        return str(proof.leaf.decode())

    def get_path(self, proof: Any) -> list[str]:
        """Return the hashes in Base64."""
        return [base64.b64encode(one).decode() for one in proof.path]


class ColumnSerializer(serializers.Serializer):  # type: ignore[misc]
    """A column of a report."""

    name = serializers.CharField(help_text="The member of each row. Never renamed.")
    title = serializers.CharField()
    kind = serializers.ChoiceField(
        choices=[*Kind], help_text="What its values are: a day is a text of YYYY-MM-DD."
    )
    unit = serializers.CharField(allow_blank=True, help_text="What is counted, if anything is.")


class ReportParameterSerializer(serializers.Serializer):  # type: ignore[misc]
    """What may be asked of a report beside its period."""

    name = serializers.CharField()
    title = serializers.CharField()
    sentence = serializers.CharField()
    default = serializers.CharField(allow_blank=True)
    choices = serializers.ListField(
        child=serializers.CharField(), help_text="All values that there are, if they are listed."
    )


class DefinitionSerializer(serializers.Serializer):  # type: ignore[misc]
    """A report that may be asked for."""

    name = serializers.CharField()
    title = serializers.CharField()
    about = serializers.CharField(help_text="What it is about: reports are grouped by it.")
    sentence = serializers.CharField()
    has_period = serializers.BooleanField(help_text="Whether it takes since and until.")
    reads = serializers.ChoiceField(choices=[*Source], help_text="What its figures are made of.")
    parameters = ReportParameterSerializer(many=True)
    columns = ColumnSerializer(many=True)


@extend_schema_serializer(examples=[examples.REPORTS])
class ReportListSerializer(serializers.Serializer):  # type: ignore[misc]
    """The reports, those about one subject beside each other."""

    reports = DefinitionSerializer(many=True)


@extend_schema_serializer(examples=[examples.REPORT])
class ReportSerializer(serializers.Serializer):  # type: ignore[misc]
    """A report: what was asked for, what its columns are, and its rows."""

    name = serializers.CharField()
    title = serializers.CharField()
    since = serializers.DateField(source="period.since")
    until = serializers.DateField(source="period.until")
    parameters = serializers.DictField(
        child=serializers.CharField(), source="given", help_text="Those that were given."
    )
    as_of = serializers.DateTimeField(
        allow_null=True,
        default_timezone=UTC,
        help_text="When the figures were brought up to date; null if they never were.",
    )
    columns = ColumnSerializer(many=True, source="described")
    rows = serializers.SerializerMethodField(help_text="Objects with a member for each column.")
    is_cut = serializers.BooleanField(
        help_text="Whether there are more rows than limit. An export has them all."
    )

    @extend_schema_field({"type": "array", "items": {"type": "object"}})
    def get_rows(self, report: Any) -> list[dict[str, Any]]:
        """Return the rows by column."""
        return [dict(zip(report.columns, row, strict=True)) for row in report.rows]


class WrongParameterSerializer(serializers.Serializer):  # type: ignore[misc]
    """What is wrong with one parameter."""

    parameter = serializers.CharField()
    code = serializers.ChoiceField(
        choices=["unknown-parameter", "repeated-parameter", "invalid-value", "invalid-query"]
    )
    detail = serializers.CharField()
    hint = serializers.CharField()
    position = serializers.IntegerField(
        required=False, help_text="In a search: the character, from 0, where it is wrong."
    )
    pointed = serializers.CharField(
        required=False, help_text="The search, and a caret under that place in the line below."
    )


class ProblemSerializer(serializers.Serializer):  # type: ignore[misc]
    """Why there is no answer (RFC 9457)."""

    type = serializers.CharField(help_text="An address on this host that explains the kind.")
    title = serializers.CharField(help_text="The kind in a few words; the same each time.")
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="The kind, for programs. Never renamed.")
    detail = serializers.CharField(help_text="What is wrong this time.")
    hint = serializers.CharField(help_text="What to do about it.")
    errors = WrongParameterSerializer(
        many=True, required=False, help_text="Every parameter that cannot be used."
    )
    position = serializers.IntegerField(
        required=False, help_text="Of a search that was sent: the character, from 0."
    )
    pointed = serializers.CharField(
        required=False, help_text="That search, and a caret under that place in the line below."
    )
    media_types = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="What there is, where what was asked for is not acceptable.",
    )
