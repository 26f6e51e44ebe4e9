"""What answers about schedules consist of."""

from datetime import UTC
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from activity.api import schedule_examples as examples


def _moment(**options: Any) -> Any:
    return serializers.DateTimeField(default_timezone=UTC, allow_null=True, **options)


class ThereField(serializers.DateTimeField):  # type: ignore[misc]
    """A moment with the offset of its place, whoever reads it."""

    def enforce_timezone(self, value: Any) -> Any:
        """Return it as it is: without this it would be put into the reader's time zone."""
        return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class ParametersField(serializers.JSONField):  # type: ignore[misc]
    """The parameters of a report."""


@extend_schema_field({"type": "array", "items": {"type": "object"}})
class RowsField(serializers.JSONField):  # type: ignore[misc]
    """Rows of a file, by column."""


class _Wished(serializers.Serializer):  # type: ignore[misc]
    name = serializers.CharField(help_text="One line of at most 60 characters.")
    source = serializers.CharField(help_text="`events`, or the name of a report.")
    cron = serializers.CharField(
        help_text="Minute, hour, day of the month, month and day of the week by the clock of the"
        " organisation; or `daily`, `weekly`, `monthly`."
    )


@extend_schema_serializer(examples=[examples.ASKED])
class WishSerializer(_Wished):
    """A schedule as it is asked for."""

    format = serializers.CharField(required=False, help_text="`csv` if left out.")
    compression = serializers.CharField(
        required=False, allow_null=True, help_text="`gzip` or `zstd`, of CSV and NDJSON."
    )
    search = serializers.CharField(required=False, help_text="Of events, as in the panel.")
    columns = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Of events; all if left out."
    )
    parameters = ParametersField(required=False, help_text="Of a report, by name.")
    span = serializers.CharField(
        required=False,
        help_text="Of which days: `day`, `week` or `month` before the run, or such as `last-30`.",
    )
    delivery = serializers.CharField(
        required=False, help_text="`link` or `attachment` by mail to the owner, or `storage`."
    )


@extend_schema_serializer(examples=[examples.CHANGED])
class WishChangeSerializer(WishSerializer):
    """What is to be another of a schedule; what is left out stays."""

    name = serializers.CharField(required=False)
    source = serializers.CharField(required=False)
    cron = serializers.CharField(required=False)


@extend_schema_serializer(examples=[examples.SCHEDULE])
class ScheduleSerializer(serializers.Serializer):  # type: ignore[misc]
    """What is made again and again, when, and how it went last."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    owner = serializers.CharField(
        allow_null=True, help_text="The user name; null when the account is gone."
    )
    is_mine = serializers.BooleanField(help_text="Whether whoever reads this is the owner.")
    source = serializers.CharField()
    format = serializers.CharField()
    compression = serializers.CharField(allow_null=True)
    search = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField(), help_text="Empty for all.")
    parameters = ParametersField()
    span = serializers.CharField()
    cron = serializers.CharField()
    when = serializers.CharField(help_text="The same in words.")
    time_zone = serializers.CharField(help_text="Whose clock it goes by: the organisation's.")
    delivery = serializers.CharField()
    active = serializers.BooleanField(help_text="False while it is paused.")
    why = serializers.CharField(
        allow_null=True, help_text="Why it is paused, or its last run failed; a word."
    )
    next_at = _moment(help_text="When it runs next; null while it is paused.")
    last_at = _moment(help_text="For when its last run was due.")
    outcome = serializers.CharField(
        help_text="Of the last run: `not run yet`, `under way`, `delivered` or `failed`."
    )
    missed = serializers.IntegerField(help_text="Runs before the last one that never were.")


@extend_schema_serializer(examples=[examples.SCHEDULES])
class SchedulePageSerializer(serializers.Serializer):  # type: ignore[misc]
    """Schedules, newest first."""

    schedules = ScheduleSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="Older ones; null after the oldest.")

    def to_representation(self, page: Any) -> Any:
        """Return the page: its schedules are documents already."""
        return {"schedules": page["schedules"], "next": page["next"]}


class RunSerializer(serializers.Serializer):  # type: ignore[misc]
    """One run."""

    id = serializers.UUIDField(
        allow_null=True, help_text="Of the event that tells its end; null while it is under way."
    )
    due_at = _moment(help_text="For when it was due.")
    missed = serializers.IntegerField(help_text="Runs before it that never were.")
    outcome = serializers.CharField(help_text="`under way`, `delivered` or `failed`.")
    ended_at = _moment()
    delivery = serializers.CharField(help_text="How the file left, once it has.")
    file = serializers.CharField(help_text="Its name in the storage, where it is kept.")
    why = serializers.CharField(help_text="Why it failed, a word.")
    error = serializers.CharField(help_text="What was said then.")
    export = serializers.UUIDField(allow_null=True, help_text="The export that made the file.")


@extend_schema_serializer(examples=[examples.RUNS])
class RunPageSerializer(serializers.Serializer):  # type: ignore[misc]
    """Runs of a schedule, newest first."""

    runs = RunSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="Older ones; null after the oldest.")


@extend_schema_serializer(examples=[examples.PREVIEW])
class PreviewSerializer(serializers.Serializer):  # type: ignore[misc]
    """What a schedule would do."""

    runs = serializers.ListField(
        child=ThereField(),
        help_text="The next runs, by the clock of the organisation.",
    )
    time_zone = serializers.CharField()
    since = serializers.DateField(help_text="The first day that a file of now would be of.")
    until = serializers.DateField(help_text="The last one.")
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.IntegerField(
        allow_null=True, help_text="Rows of a file of now; null of what has none."
    )
    has_more = serializers.BooleanField(help_text="Whether there are more rows than that.")
    first = RowsField(help_text="The first rows.")
