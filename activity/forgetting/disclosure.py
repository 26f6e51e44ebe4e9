"""Subject access: everything that the record holds on one person, as one file for them.

A ZIP with a list for each kind, as NDJSON, and ``manifest.json`` with the number of lines and the
SHA-256 of each. Lists are streamed: memory stays the same however much there is.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any, Final

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone

from activity.events import COLUMNS
from activity.exporters import safe_cell
from activity.forgetting.people import Person, people
from activity.forgetting.places import LISTS
from activity.jobs.forgetting import disclose
from activity.models import ActivityEvent
from activity.recording import record
from activity.subjects import Subject, nouns_of
from tenants.certificates import moment
from tenants.context import current_scope
from tenants.moments import one_moment

FORMAT: Final = "tenantry-subject-access"
VERSION: Final = 1
_CHUNK: Final = 500


@dataclass(frozen=True)
class Member:
    """A list in the file: how many lines it has, and their hash."""

    name: str
    rows: int
    sha256: str


def write(person: Person, file: IO[bytes]) -> list[Member]:
    """Write what is kept of somebody, and record that it was taken.

    Outside a transaction all of it is of one moment.
    """
    with one_moment():
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as container:
            members = [_member(container, name, rows) for name, rows in _lists(person)]
            manifest = {
                "format": FORMAT,
                "version": VERSION,
                "record": current_scope(),
                "person": person.id,
                "as_of": moment(timezone.now()),
                "files": {one.name: {"rows": one.rows, "sha256": one.sha256} for one in members},
            }
            container.writestr("manifest.json", json.dumps(manifest, indent=2))
        record(
            "user.exported",
            target=Subject("user", person.id, person.label),
            details={"rows": sum(member.rows for member in members)},
        )
    return members


def _lists(person: Person) -> Iterator[tuple[str, Iterable[dict[str, Any]]]]:
    yield from people().rows(person)
    yield "exports", disclose(person.id)
    yield from ((name, kept(person)) for name, kept in LISTS.items())
    yield "events", _events(person)


def _events(person: Person) -> Iterator[dict[str, Any]]:
    """Events they did, that were done on their behalf, and that were done to them.

    Of what they did to others, the others' part is not theirs and is left out.
    """
    of_people = nouns_of(get_user_model())
    theirs = Q(actor_id=person.id) | Q(on_behalf_of_id=person.id) | Q(target_id=person.id)
    rows = ActivityEvent.objects.filter(theirs).order_by("id").values_list(*COLUMNS)
    for values in rows.iterator(chunk_size=_CHUNK):
        event = dict(zip(COLUMNS, values, strict=True))
        yield _without_others(event, person.id, of_people)


def _without_others(
    event: dict[str, Any], person_id: str, of_people: frozenset[str]
) -> dict[str, Any]:
    if event["target_type"] in of_people and event["target_id"] != person_id:
        event |= {"target_label": "", "changes": {}, "details": {}}
    is_by_another = event["actor_kind"] != "anonymous"
    if is_by_another and person_id not in (event["actor_id"], event["on_behalf_of_id"]):
        event |= {"ip": None, "user_agent": "", "session_ref": ""}
    return event


def _member(container: zipfile.ZipFile, name: str, rows: Iterable[dict[str, Any]]) -> Member:
    digest, count = hashlib.sha256(), 0
    with container.open(f"{name}.ndjson", "w", force_zip64=True) as member:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, default=_text).encode() + b"\n"
            digest.update(line)
            member.write(line)
            count += 1
    return Member(f"{name}.ndjson", count, digest.hexdigest())


def _text(value: Any) -> str:
    return str(safe_cell(value)) if isinstance(value, datetime | date) else str(value)
