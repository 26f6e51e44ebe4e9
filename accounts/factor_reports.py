"""Reports of second factors: how many people have one, and who has none."""

from collections.abc import Iterable
from typing import Final

from django.db.models import Count, F, Q

from accounts import second_factors
from activity.reports import parameters
from activity.reports.registry import Asked, Column, Definition, Kind, Row, Source, register
from activity.subjects import label_of

_WHO: Final = ("without", "with", "all")

_GROUPS: Final = (
    ("Everybody", Q()),
    ("May open the panel", Q(is_staff=True)),
    ("Administrators", Q(is_superuser=True)),
)


def _coverage(asked: Asked) -> Iterable[Row]:
    counts = {}
    for number, (_, group) in enumerate(_GROUPS):
        counts[f"people{number}"] = Count("pk", filter=group)
        counts[f"have{number}"] = Count("factor", filter=group)
    found = second_factors.people().aggregate(**counts)
    for number, (name, _) in enumerate(_GROUPS):
        people, have = found[f"people{number}"], found[f"have{number}"]
        yield name, people, have, people - have


def _people(asked: Asked) -> Iterable[Row]:
    people = second_factors.people().annotate(since=F("factor__created_at"))
    people = people.order_by("-is_superuser", "-is_staff", "username")
    if asked["who"] != "all":
        people = people.filter(factor__isnull=asked["who"] == "without")
    for person in people[: asked.most]:
        yield (
            label_of(person),
            person.username,
            "yes" if person.is_superuser else "no",
            "yes" if person.is_staff else "no",
            person.since,
            person.last_seen,
        )


register(
    Definition(
        name="second-factors",
        title="Second factors",
        about="Signing in",
        sentence="How many of those who may sign in have a second factor, and of whom.",
        columns=(
            Column("group", "Of"),
            Column("people", "People", Kind.COUNT, "people"),
            Column("with_factor", "With a second factor", Kind.COUNT, "people"),
            Column("without", "Without", Kind.COUNT, "people"),
        ),
        rows=_coverage,
        reads=Source.TABLES,
        has_period=False,
    ),
    Definition(
        name="people-without-second-factor",
        title="Who has no second factor",
        about="Signing in",
        sentence="Who may sign in without a second factor, administrators first; or who has one.",
        columns=(
            Column("person", "Person"),
            Column("user_name", "User name"),
            Column("administrator", "Administrator"),
            Column("panel", "May open the panel"),
            Column("since", "Second factor since", Kind.MOMENT),
            Column("last_seen", "Last seen", Kind.MOMENT),
        ),
        rows=_people,
        reads=Source.TABLES,
        parameters=(parameters.choice("who", "Who", "Those without one, with one, or all.", _WHO),),
        has_period=False,
    ),
)
