"""Taking a row back to what it was: what would change, and doing exactly that.

A row is taken back by changing it, so triggers write the history row and the events as for any
other change; ``history.reverted`` says beside them to which version.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from activity import context
from activity.hashes import keyed_hash
from activity.recording import record
from activity.subjects import declaration_of, label_of, subject_of
from activity.text import one_line
from activity.unavailable import concerns_the_record
from tenants.errors import Conflict

LONGEST_REASON: Final = 300
"""Longest reason, in characters; what is longer is cut with a mark."""

_UNCHANGED: Final = "Nothing was changed. Change it by hand, or choose another version."


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not what it was. ``name`` is the column's attribute, ``label`` its words."""

    name: str
    label: str
    now: Any
    then: Any

    @property
    def words(self) -> tuple[str, str]:
        """What a person reads: now, and then."""
        return _words(self.now), _words(self.then)


@dataclass(frozen=True, slots=True)
class Preview:
    """What taking a row back to ``version`` would change, and what it would leave as it is.

    ``left`` are fields that differ too and are not for whoever asks.
    """

    version: Any
    changes: tuple[Difference, ...]
    left: tuple[Difference, ...]

    @property
    def fingerprint(self) -> str:
        """What is equal for equal previews: what was agreed to is what is done."""
        parts = [(d.name, str(d.now), str(d.then)) for d in (*self.changes, *self.left)]
        return keyed_hash("reverting", repr((self.version.pk, len(self.changes), parts)))


def is_of(version: Any, row: Model) -> bool:
    """Tell whether a version is of this row, and not of an earlier one that had the same key."""
    return subject_of(version.instance).id == subject_of(row).id


def preview(row: Model, version: Any, changeable: Collection[str]) -> Preview:
    """Compare a row with one of its versions. ``changeable`` names fields that may be put back.

    History has neither secrets nor when somebody was here, so neither is compared.
    """
    changes: list[Difference] = []
    left: list[Difference] = []
    for field in type(version).tracked_fields:
        if field.primary_key:
            continue
        now, then = getattr(row, field.attname), getattr(version, field.attname)
        if now != then:
            words = str(field.verbose_name)
            found = Difference(field.attname, words[:1].upper() + words[1:], now, then)
            (changes if field.name in changeable else left).append(found)
    return Preview(version, tuple(changes), tuple(left))


def take_back(row: Model, shown: Preview, *, agreed: str, reason: str = "") -> None:
    """Change ``row``, which the caller has locked, as a preview has it, and record that.

    ``agreed`` is the fingerprint of the preview that somebody saw. Raises ``Conflict`` when this is
    another one, and when the old values cannot be had any more, such as a user name that somebody
    else took meanwhile; then nothing is changed.
    """
    if agreed != shown.fingerprint:
        raise Conflict(
            "this was changed since you looked.",
            "Nothing was taken back. Look at what it would change now.",
        )
    known = declaration_of(type(row))
    reason = one_line(reason.strip(), LONGEST_REASON)
    moment = shown.version.history_date.astimezone(UTC)
    told = f"Taken back to how it was at {moment:%Y-%m-%d %H:%M:%S} UTC"
    for change in shown.changes:
        setattr(row, change.name, change.then)
    try:
        row.full_clean(exclude=known.ignored | known.secret)
        # What nobody agreed to is not written, whatever this row holds.
        with (
            transaction.atomic(),
            context.telling(reason=f"{told}: {reason}" if reason else told),
        ):
            row.save(update_fields=[change.name for change in shown.changes])
    except ValidationError as error:
        raise Conflict(_sentences(row, error), _UNCHANGED) from None
    except IntegrityError as error:
        if concerns_the_record(error):
            raise
        raise Conflict("somebody else has one of these values by now.", _UNCHANGED) from None
    left = {"left": [difference.name for difference in shown.left]} if shown.left else {}
    record(
        "history.reverted",
        target=row,
        details={
            "version": shown.version.pk,
            "as_of": moment.isoformat(),
            "fields": [change.name for change in shown.changes],
            **left,
        },
        reason=reason,
    )


def name_of(version: Any) -> str:
    """Return what the record called the row when it was this version."""
    return label_of(version.instance)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value in (None, "") else str(value)


def _sentences(row: Model, error: ValidationError) -> str:
    """Return what is wrong, each sentence with the field that it is about."""
    parts = []
    for name, messages in error.message_dict.items():
        names = {field.name: str(field.verbose_name) for field in row._meta.concrete_fields}
        about = f"{names[name]}: " if name in names else ""
        parts += [f"{about}{message}" for message in messages]
    return " ".join(parts)
