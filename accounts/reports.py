"""Reports of accounts: who sleeps, who has power today, and who could do what on a given day."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import powers
from accounts.models import CustomUser
from activity.periods import Period, zone
from activity.reports import parameters
from activity.reports.registry import Asked, Column, Definition, Kind, Row, Source, register
from activity.subjects import label_of

NEVER: Final = "never signed in"
_GROUPS: Final = ((90, "90 days or more"), (60, "60 to 89 days"), (30, "30 to 59 days"))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _dormant(asked: Asked) -> Iterable[Row]:
    today = timezone.now().astimezone(zone()).date()
    # Not seen since before this local day began.
    limit = Period(today - timedelta(asked["dormant_days"] - 1), today).start
    people = (
        CustomUser.objects.filter(is_active=True)
        .annotate(known=Coalesce("last_seen", "date_joined"))
        .filter(known__lt=limit)
        .order_by(F("last_seen").asc(nulls_first=True), "known", "username")
    )
    for person in people[: asked.most]:
        days = (today - person.known.astimezone(zone()).date()).days
        for least, words in _GROUPS:
            if days >= least:
                group = words
                break
        else:
            group = "less than 30 days"
        yield (
            label_of(person),
            person.username,
            NEVER if person.last_seen is None else group,
            person.last_seen,
            days,
            _yes(person.is_superuser),
            person.date_joined,
        )


def _administrators(asked: Asked) -> Iterable[Row]:
    seen = dict(CustomUser.objects.administrators().values_list("id", "last_seen"))
    for person in powers.administrators():
        power = person.powers[0]
        yield (
            person.label,
            person.username,
            _yes(person.is_active),
            power.since,
            power.by,
            seen.get(person.id),
        )


def _could(asked: Asked) -> Iterable[Row]:
    day = asked["day"]
    powers.refuse_forgotten(day)
    wanted = asked["person"].casefold()
    found = powers.holders(Period(day, day).end, everybody=asked["people"] == "all")
    for person in found:
        named = (person.label, person.username, person.public_id)
        if not any(wanted in name.casefold() for name in named):
            continue
        before = (person.label, person.username, _yes(person.is_active))
        for power in person.powers:
            yield (*before, power.through, ", ".join(power.permissions), power.since, power.by)
        if not person.powers:
            yield (*before, "", "", None, "")


_PERSON: Final = Column("person", "Person")
_USER_NAME: Final = Column("user_name", "User name")
_ACTIVE: Final = Column("may_sign_in", "May sign in")
_LAST_SEEN: Final = Column("last_seen", "Last seen", Kind.MOMENT)

register(
    Definition(
        name="dormant-accounts",
        title="Dormant accounts",
        about="People",
        sentence=(
            "Who may sign in and was not here for so many days, or never: those who never came"
            " first, then who is away longest. Programs with their tokens do not count."
        ),
        columns=(
            _PERSON,
            _USER_NAME,
            Column("dormant", "Dormant for"),
            _LAST_SEEN,
            Column("days", "Days since then, or since they were added", Kind.COUNT, "days"),
            Column("administrator", "Administrator"),
            Column("joined", "Added", Kind.MOMENT),
        ),
        rows=_dormant,
        reads=Source.TABLES,
        parameters=(
            parameters.number(
                "dormant_days",
                "Days",
                "For how many local days nobody saw them.",
                least=1,
                most=3_650,
                usual=30,
            ),
        ),
        has_period=False,
    ),
    Definition(
        name="administrators",
        title="Administrators today",
        about="Power",
        sentence="Who may do everything here, since when, and who made them administrator.",
        columns=(
            _PERSON,
            _USER_NAME,
            _ACTIVE,
            Column("since", "Since", Kind.MOMENT),
            Column("by", "Made by"),
            _LAST_SEEN,
        ),
        rows=_administrators,
        reads=Source.TABLES,
        has_period=False,
    ),
    Definition(
        name="who-could-what",
        title="Who could do what on a day",
        about="Power",
        sentence=(
            "What everybody could do at the end of a local day, through what, since when, and who"
            " gave it to them. Of roles and permissions as they were then, not as they are now."
        ),
        columns=(
            _PERSON,
            _USER_NAME,
            _ACTIVE,
            Column("through", "Through"),
            Column("permissions", "Permissions"),
            Column("since", "Since", Kind.MOMENT),
            Column("by", "Given by"),
        ),
        rows=_could,
        reads=Source.TABLES,
        parameters=(
            parameters.day("day", "Day", "At the end of which local day; today is until now."),
            parameters.choice(
                "people",
                "People",
                "Those who had any power, or all accounts.",
                ("powerful", "all"),
            ),
            parameters.words(
                "person", "Person", "Only who has this in their name or user name, or as their ID."
            ),
        ),
        has_period=False,
    ),
)
