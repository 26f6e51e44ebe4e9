"""Reports of all tenants: against a recount of the figures, and for operators alone."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import CustomUser
from activity.periods import Period
from activity.reports import REPORTS, build
from activity.reports.listing import by_subject
from activity.reports.registry import Asked
from tenants.context import enter_platform, enter_tenant
from tenants.errors import InvalidInput, NotInTenant
from tenants.models import Tenant, TenantFigure, TenantMonth
from tests.api import program, token_of
from tests.conftest import CANARY, PASSWORD

FIRST, LAST = date(2026, 3, 20), date(2026, 3, 31)
MARCH = Period(FIRST, LAST)
NAMED = ["all-tenants", "tenants", "tenant-outliers"]
FIGURES = ("events", "sign_ins", "failures", "people", "changes")
REPORT = "/admin/reports/{}/"


@pytest.fixture
def figures(acme, globex):
    """Two months of the two tenants, some days silent and some wild; and of the platform."""
    chance = random.Random(5)
    Tenant.objects.filter(slug__in=("acme", "globex")).update(
        created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    Tenant.objects.filter(slug="globex").update(created_at=datetime(2026, 3, 18, tzinfo=UTC))
    rows = []
    for record in (str(acme.pk), str(globex.pk), "platform"):
        for number in range(80):
            day = date(2026, 2, 1) + timedelta(number)
            if record == str(globex.pk) and day < date(2026, 3, 18):
                continue
            if chance.random() < 0.15:
                continue
            wild = chance.choice([1, 1, 1, 1, 10, 0])
            rows.append(
                TenantFigure(
                    record=record,
                    day=day,
                    **{name: chance.randint(20, 60) * wild for name in FIGURES},
                )
            )
    with enter_platform():
        TenantFigure.objects.all().delete()
        TenantFigure.objects.bulk_create(rows)
        TenantMonth.objects.all().delete()
        TenantMonth.objects.bulk_create(months_of(rows))
    return rows


def months_of(figures):
    """The figures of days, by month."""
    for record, month in sorted({(one.record, one.day.replace(day=1)) for one in figures}):
        days = [one for one in figures if (one.record, one.day.replace(day=1)) == (record, month)]
        sums = {name: sum(getattr(one, name) for one in days) for name in FIGURES}
        sums["most_people"] = max(one.people for one in days)
        del sums["people"]
        yield TenantMonth(record=record, month=month, last_day=max(one.day for one in days), **sums)


def of_tenants(figures):
    return [row for row in figures if row.record != "platform"]


def test_all_tenants_by_day_equal_a_recount(figures):
    rows = build("all-tenants", MARCH).rows

    for row, day in zip(rows, MARCH.days, strict=True):
        found = [one for one in of_tenants(figures) if one.day == day]
        assert row == (
            day,
            sum(one.events > 0 for one in found),
            *(sum(getattr(one, name) for one in found) for name in FIGURES),
        )


@pytest.mark.parametrize(
    ("since", "until"),
    [(FIRST, LAST), (date(2026, 2, 10), date(2026, 4, 9)), (date(2026, 3, 1), LAST)],
)
def test_each_tenant_equals_a_recount(figures, acme, globex, since, until):
    rows = {row[0]: row[1:] for row in build("tenants", Period(since, until)).rows}

    for tenant in (acme, globex):
        found = [
            one for one in figures if one.record == str(tenant.pk) and since <= one.day <= until
        ]
        assert rows[tenant.slug] == (
            tenant.name,
            "active",
            sum(one.events for one in found),
            sum(one.sign_ins for one in found),
            sum(one.failures for one in found),
            max(one.people for one in found),
            sum(one.changes for one in found),
            max(one.day for one in found),
        )


@pytest.mark.parametrize(("times", "least"), [(3, 20), (2, 1), (5, 100)])
def test_outliers_equal_a_recount(figures, acme, globex, times, least):
    given = {"times": str(times), "least": str(least)}
    rows = build("tenant-outliers", MARCH, given).rows

    known = {(one.record, one.day): one for one in figures}
    expected = set()
    for tenant, born in ((acme, date(2026, 1, 1)), (globex, date(2026, 3, 18))):
        for name in FIGURES:

            def value(day, record=str(tenant.pk), name=name):
                return getattr(known.get((record, day)), name, 0)

            for day in MARCH.days:
                # As far back as is looked: 28 days before the period's first.
                past = [day - timedelta(n) for n in range(1, 29)]
                past = [one for one in past if max(born, FIRST - timedelta(28)) <= one]
                if len(past) < 7 or day < born:
                    continue
                usual, now = Decimal(sum(map(value, past))) / len(past), value(day)
                shown = float(usual.quantize(Decimal("0.1"), ROUND_HALF_UP))
                if now >= least and now > times * usual:
                    expected.add((tenant.slug, day, name, "more", now, shown))
                elif usual >= least and now * times < usual:
                    expected.add((tenant.slug, day, name, "less", now, shown))
    assert {(*row[:5], row[5]) for row in rows} == expected
    assert len(rows) == len(expected) > 0


def test_a_tenant_without_figures_is_listed_with_zeros(acme, globex):
    with enter_platform():
        TenantFigure.objects.all().delete()
        TenantMonth.objects.all().delete()

        rows = {row[0]: row[3] for row in build("tenants", MARCH).rows}
        assert (rows["acme"], rows["globex"]) == (0, 0)
        assert build("tenant-outliers", MARCH).rows == ()
        assert build("all-tenants", MARCH).total("events") == 0


@pytest.mark.parametrize("name", NAMED)
def test_no_schema_of_a_tenant_is_opened(figures, browser, operator, acme, name):
    client = browser(None, operator)
    with CaptureQueriesContext(connection) as asked:
        response = client.get(REPORT.format(name))

    assert response.status_code == 200
    schemas = Tenant.objects.values_list("schema_name", flat=True)
    assert not [one["sql"] for one in asked if any(schema in one["sql"] for schema in schemas)]
    with enter_platform(), CaptureQueriesContext(connection) as built:
        build(name, MARCH)
    assert len(built) <= 2


# Who may


@pytest.mark.parametrize("name", NAMED)
def test_in_a_tenant_there_is_no_such_report(figures, browser, acme, ann, no_attempts_yet, name):
    token = token_of(acme, ann)[1]

    assert browser(acme, ann).get(REPORT.format(name)).status_code == 404
    assert browser(acme, ann).get(f"{REPORT.format(name)}?export=csv").status_code == 404
    assert program(acme, token).get(f"/api/v1/activity/reports/{name}").status_code == 404
    listed = program(acme, token).get("/api/v1/activity/reports").json()["reports"]
    assert name not in [one["name"] for one in listed]
    assert REPORT.format(name) not in browser(acme, ann).get("/admin/reports/").text
    with enter_tenant(acme):
        assert name not in [one.name for one in by_subject()]
        with pytest.raises(InvalidInput, match="there is no report") as refused:
            build(name, MARCH)
        assert name not in refused.value.hint
        asked = Asked(MARCH, {"times": 3, "least": 20})
        with pytest.raises(NotInTenant):
            list(REPORTS[name].rows(asked))


def test_what_is_not_known_of_a_tenant_is_an_empty_cell(acme, capsys):
    call_command("activity", "report", "tenants")
    [line] = [one for one in capsys.readouterr().out.splitlines() if one.startswith("acme\t")]
    assert line.split("\t")[-1] == ""


@pytest.mark.parametrize("name", NAMED)
def test_operators_need_the_permission_to_see_tenants(figures, browser, name):
    with enter_platform():
        reader = CustomUser.objects.create_user(
            "rita", "rita@platform.example", PASSWORD, is_staff=True
        )
        reader.user_permissions.add(Permission.objects.get(codename="view_activityevent"))
    client = browser(None, reader)

    assert client.get(REPORT.format(name)).status_code == 403
    assert REPORT.format(name) not in client.get("/admin/reports/").text
    assert client.get(REPORT.format("sign-ins")).status_code == 200
    with enter_platform():
        reader.user_permissions.add(Permission.objects.get(codename="view_tenant"))
    assert client.get(REPORT.format(name)).status_code == 200


def test_strangers_and_people_of_tenants_see_nothing_of_the_console(browser, acme, ann):
    for client in (browser(None), browser(None, None)):
        assert client.get(REPORT.format("tenants")).status_code == 302
    page = browser(acme, ann).get(REPORT.format("tenants"))
    assert CANARY["globex"] not in page.text


def test_an_operator_reads_the_reports_of_the_platforms_own_record(browser, operator):
    client = browser(None, operator)
    listed = client.get("/admin/reports/").text

    for name, report in REPORTS.items():
        assert REPORT.format(name) in listed
        assert report.title in client.get(REPORT.format(name)).text
