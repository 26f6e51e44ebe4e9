"""The reports of accounts: who could do what, against what was seen on each day as it was."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.models import Max
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import CustomUser, Membership
from activity import context
from activity.context import Actor, ActorKind, Channel, Context
from activity.forgetting import retention
from activity.models import ActivityEvent, Retention
from activity.periods import Period, last_days
from activity.reports import build, period_for
from tenants.context import enter_tenant
from tenants.errors import InvalidInput
from tests.activity.past import id_at, unguarded
from tests.api import program, token_of
from tests.conftest import CANARY

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = ["Zoë", "=1+1", "the role x", "a'b\"c", "%s {}", ""]
WITH_HISTORY = [CustomUser, Group, Membership]


@pytest.fixture
def berlin(acme):
    acme.time_zone = "Europe/Berlin"
    with enter_tenant(acme):
        yield acme


@pytest.fixture
def nobody(berlin):
    """Acme before anybody came: what follows is all there is."""
    CustomUser.objects.all().delete()
    Group.objects.all().delete()
    for model in WITH_HISTORY:
        model.history.model.objects.all().delete()
    with unguarded("activity_activityevent"):
        ActivityEvent.objects.all().delete()
    return berlin


class Story:
    """What happens to people and roles, one act a day, and what everybody could do that evening."""

    def __init__(self, seed, days):
        self.chance = random.Random(seed)
        self.first = date(2026, 3, 20)
        self.permissions = list(Permission.objects.order_by("pk")[:6])
        self.days, self.evenings, self.since = [], [], {}
        self.made = 0
        for number in range(days):
            self.live(self.first + timedelta(number))

    def live(self, day):
        # Close to midnight, where a day in UTC is another one than in Berlin.
        hour = self.chance.choice([0, 1, 12, 23])
        moment = datetime(day.year, day.month, day.day, hour, 30, tzinfo=BERLIN).astimezone(UTC)
        actor = Actor(ActorKind.PERSON, f"id-{day.day}", f"Actor of {day}")
        before = [(one, self.newest(one)) for one in WITH_HISTORY]
        known = set(ActivityEvent.objects.values_list("pk", flat=True))
        with context.acting_as(Context(actor=actor, channel=Channel.PAGE)):
            for _ in range(self.chance.randint(1, 3)):
                self.act()
        for model, newest in before:
            model.history.model.objects.filter(history_id__gt=newest).update(history_date=moment)
        with unguarded("activity_activityevent"):
            # In their order, as the database numbers them.
            new = ActivityEvent.objects.exclude(pk__in=known).order_by("id")
            for number, event in enumerate(list(new)):
                later = id_at(moment + timedelta(milliseconds=number))
                ActivityEvent.objects.filter(pk=event.pk).update(id=later, occurred_at=moment)
        evening = self.look()
        for key in [key for key in self.since if key not in evening]:
            del self.since[key]
        for key in evening:
            self.since.setdefault(key, (moment, actor.label))
        self.days.append(day)
        self.evenings.append({(*key, *evening[key], *self.since[key]) for key in evening})

    def newest(self, model):
        return model.history.model.objects.aggregate(Max("history_id"))["history_id__max"] or 0

    def act(self):
        people, roles = list(CustomUser.objects.order_by("pk")), list(Group.objects.order_by("pk"))
        chance = self.chance
        acts = [self.add_person, self.add_role]
        if people:
            person = chance.choice(people)
            acts += [
                lambda: self.flip(person, chance.choice(["is_staff", "is_superuser", "is_active"])),
                lambda: self.rename(person),
                lambda: person.user_permissions.add(chance.choice(self.permissions)),
                lambda: person.user_permissions.remove(chance.choice(self.permissions)),
                lambda: person.user_permissions.set(chance.sample(self.permissions, 2)),
            ]
            if chance.random() < 0.3:
                acts += [person.delete]
        if roles:
            role = chance.choice(roles)
            acts += [
                lambda: role.permissions.set(chance.sample(self.permissions, chance.randint(0, 3))),
                lambda: role.permissions.clear(),
            ]
            if chance.random() < 0.3:
                acts += [role.delete]
        if people and roles:
            acts += 3 * [lambda: person.groups.add(role)]
        ties = list(Membership.objects.order_by("pk"))
        if ties:
            acts += 2 * [chance.choice(ties).delete]
        chance.choice(acts)()

    def add_person(self):
        self.made += 1
        CustomUser.objects.create(
            username=f"person-{self.made}", email=f"{self.made}@acme.example",
            display_name=self.chance.choice(NAMES), is_staff=self.chance.random() < 0.3,
        )  # fmt: skip

    def add_role(self):
        self.made += 1
        Group.objects.create(name=f"{self.chance.choice(NAMES)} {self.made}")

    def flip(self, person, field):
        setattr(person, field, not getattr(person, field))
        person.save()

    def rename(self, person):
        person.display_name = self.chance.choice(NAMES)
        person.save()

    def look(self):
        """What everybody can do now, found by asking the tables one by one."""
        seen = {}
        for person in CustomUser.objects.all():
            named = f"{person.display_name} ({person.username})".removeprefix(" ")
            named = named if person.display_name else person.username
            who = (named, person.username, "yes" if person.is_active else "no")

            def could(through, *permissions, key, who=who):
                seen[(who[1], key)] = (*who, through, ", ".join(sorted(permissions)))

            if person.is_superuser:
                could("administrator", "everything", key="admin")
            if person.is_staff:
                could("may open the panel", key="staff")
            for tie in Membership.objects.filter(user=person):
                could(
                    f"role {tie.group.name}",
                    *(self.name(one) for one in tie.group.permissions.all()),
                    key=("tie", tie.pk),
                )
            for one in person.user_permissions.all():
                could("permission", self.name(one), key=("permission", one.pk))
        return seen

    def name(self, permission):
        return f"{permission.content_type.app_label}.{permission.codename}"


def could(day, **given):
    period = Period(day, day)
    return build("who-could-what", period, {"day": str(day), **given}).rows


@pytest.mark.parametrize("seed", range(5))
def test_who_could_what_is_what_was_seen_that_evening(nobody, seed):
    story = Story(seed, days=16)

    for day, evening in zip(story.days, story.evenings, strict=True):
        assert set(could(day)) == {row[2:] for row in evening}, day
    assert any(story.evenings)


def test_before_anybody_came_nobody_could_do_anything(nobody):
    story = Story(1, days=3)

    assert could(story.first - timedelta(1)) == ()
    assert could(story.first - timedelta(1), people="all") == ()


def test_all_accounts_are_there_if_asked_for(nobody):
    Story(2, days=8)
    CustomUser.objects.create(username="powerless", email="powerless@acme.example")
    today = timezone.now().astimezone(BERLIN).date()

    everybody = {row[1] for row in could(today, people="all")}

    assert everybody == set(CustomUser.objects.values_list("username", flat=True))
    assert {row[1] for row in could(today)} <= everybody - {"powerless"}


def test_one_person_can_be_asked_for(berlin, acme):
    today = timezone.now().astimezone(BERLIN).date()

    assert {row[1] for row in could(today, person="BOB")} == {"bob"}
    assert could(today, person="nobody-at-all") == ()
    ann = CustomUser.objects.get(username="ann")
    assert {row[1] for row in could(today, person=str(ann.public_id))} == {"ann"}


def test_whoever_gave_a_power_and_is_forgotten_is_not_named(berlin):
    bob = CustomUser.objects.get(username="bob")
    actor = Actor(ActorKind.PERSON, "person-12345678", "Somebody Forgotten")
    with context.acting_as(Context(actor=actor, channel=Channel.PAGE)):
        bob.is_superuser = True
        bob.save()
    CustomUser.history.model.objects.filter(history_user_id=actor.id).update(actor_label="")

    today = timezone.now().astimezone(BERLIN).date()
    [row] = [row for row in could(today, person="bob") if row[3] == "administrator"]

    assert row[6] == "erased person 12345678"
    [listed] = [row for row in build("administrators", last_days(1)).rows if row[1] == "bob"]
    assert listed[4] == row[6]


def test_a_power_whose_beginning_was_cut_says_neither_since_nor_by(berlin):
    bob = CustomUser.objects.get(username="bob")
    bob.is_superuser = True
    bob.save()
    bob.display_name = "Bob the Second"
    bob.save()
    rows = CustomUser.history.model.objects.filter(username="bob")
    rows.exclude(history_id=rows.aggregate(Max("history_id"))["history_id__max"]).delete()

    today = timezone.now().astimezone(BERLIN).date()
    [row] = [row for row in could(today, person="bob") if row[3] == "administrator"]

    assert row[5:] == (None, "")


def test_a_day_of_which_too_little_is_kept_is_refused(berlin, still):
    today = timezone.now().astimezone(BERLIN).date()
    retention.keep("group", 40)

    assert could(today - timedelta(39)) is not None
    with pytest.raises(InvalidInput, match=r"longer ago than events of the family group"):
        could(today - timedelta(40))
    Retention.objects.all().delete()
    assert could(today - timedelta(40)) is not None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"day": "2026-02-30"}, "is not a day"),
        ({"day": "9980-01-01"}, "has not come yet"),
        ({"day": "1066-10-14"}, "out of range"),
        ({"people": "some"}, "is none of them"),
        ({"person": "x" * 201}, "cannot be looked for"),
        ({"person": "a\0b"}, "cannot be looked for"),
        ({"dya": "2026-02-03"}, "has no parameter 'dya'"),
        ({"x" * 5_000: ""}, "has no parameter"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(berlin, given, sentence):
    with pytest.raises(InvalidInput, match=sentence) as refused:
        build("who-could-what", last_days(1), {name: text or "x" for name, text in given.items()})

    assert len(str(refused.value)) < 250
    assert refused.value.hint


# Administrators


def test_administrators_are_those_of_the_table(nobody):
    Story(4, days=12)

    rows = build("administrators", last_days(1)).rows

    assert {(row[1], row[2]) for row in rows} == {
        (one.username, "yes" if one.is_active else "no")
        for one in CustomUser.objects.filter(is_superuser=True)
    }
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    assert all(row[3] and row[4].startswith("Actor of") for row in rows)
    assert rows


# Dormant accounts


@pytest.mark.parametrize("days", [1, 30, 60, 90])
@pytest.mark.parametrize("seed", range(3))
def test_dormant_accounts_equal_a_recount(nobody, still, seed, days):
    chance = random.Random(seed)
    today = timezone.now().astimezone(BERLIN).date()
    midnight = datetime.combine(today, datetime.min.time(), BERLIN).astimezone(UTC)
    for number in range(80):
        ago = timedelta(chance.choice([0, 1, 29, 30, 59, 60, 89, 90, 400]))
        edge = timedelta(milliseconds=chance.randint(-2, 2))
        CustomUser.objects.create(
            username=f"p{number}", email=f"{number}@acme.example",
            display_name=chance.choice(NAMES),
            is_active=chance.random() < 0.8, is_superuser=chance.random() < 0.2,
            last_seen=None if chance.random() < 0.3 else midnight - ago + edge,
            date_joined=midnight - chance.choice([timedelta(0), ago]) + edge,
        )  # fmt: skip

    rows = build("dormant-accounts", last_days(1), {"dormant_days": str(days)}).rows

    expected = {}
    for one in CustomUser.objects.all():
        slept = (today - (one.last_seen or one.date_joined).astimezone(BERLIN).date()).days
        if one.is_active and slept >= days:
            words = (
                "90 days or more" if slept >= 90
                else "60 to 89 days" if slept >= 60
                else "30 to 59 days" if slept >= 30
                else "less than 30 days"
            )  # fmt: skip
            expected[one.username] = (
                "never signed in" if one.last_seen is None else words, one.last_seen, slept,
                "yes" if one.is_superuser else "no", one.date_joined,
            )  # fmt: skip
    assert {row[1]: row[2:] for row in rows} == expected
    assert len(rows) == len(expected) > 5
    seen = [row[3] for row in rows]
    assert seen == sorted(seen, key=lambda moment: moment or datetime.min.replace(tzinfo=UTC))


@pytest.mark.parametrize("text", ["0", "-1", "3651", "1.5", "٣", "1e3", "never", "1" * 99, " 1"])
def test_days_that_are_none_are_refused(berlin, text):
    with pytest.raises(InvalidInput, match="is no number of this report's") as refused:
        build("dormant-accounts", last_days(1), {"dormant_days": text})

    assert "from 1 to 3650" in refused.value.hint


# All of them

NAMED = ["dormant-accounts", "administrators", "who-could-what"]


@pytest.mark.parametrize("name", NAMED)
def test_reports_of_accounts_ask_no_more_of_many(nobody, name):
    with CaptureQueriesContext(connection) as few:
        build(name, last_days(1))
    Story(3, days=8)
    with CaptureQueriesContext(connection) as many:
        build(name, last_days(1))

    # Whoever had power is asked for apart, if there is anybody.
    assert len(many) <= len(few) + 1 <= 6


@pytest.mark.parametrize("name", NAMED)
def test_nobody_of_another_tenant_is_in_a_report(browser, globex, sam, name):
    page = browser(globex, sam).get(f"/admin/reports/{name}/")

    assert page.status_code == 200
    assert CANARY["acme"] not in page.text
    assert CANARY["globex"] in page.text or name == "dormant-accounts"


@pytest.mark.parametrize("name", NAMED)
def test_who_may_not_read_the_record_may_read_no_report(browser, acme, cleo, bob, name):
    with enter_tenant(acme):
        bob.groups.clear()

    assert browser(acme, bob).get(f"/admin/reports/{name}/").status_code == 403
    assert browser(acme, cleo).get(f"/admin/reports/{name}/").status_code in (302, 403)


def test_a_report_of_a_moment_takes_no_period(acme, ann, no_attempts_yet):
    with enter_tenant(acme), pytest.raises(InvalidInput, match="is of one moment"):
        period_for("administrators", "2026-01-01", "")
    asked = program(acme, token_of(acme, ann)[1])

    said = asked.get("/api/v1/activity/reports/administrators?until=2026-01-01")

    assert said.status_code == 400
    assert said.json()["errors"][0]["parameter"] == "until"
