"""What answers consist of. The serializers write them and describe them in one."""

import base64
from datetime import UTC
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from activity.api import examples
from activity.events import COLUMNS, sentence
from activity.models import ActivityEvent

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
    media_types = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="What there is, where what was asked for is not acceptable.",
    )
