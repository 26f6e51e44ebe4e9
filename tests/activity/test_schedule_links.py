"""Links that schedule what somebody looks at, and the operators' schedules in the console."""

import html
import re
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from activity.models import ExportJob, Schedule
from activity.periods import Period
from activity.schedules import keeping, running
from activity.schedules.filling import link_to
from activity.schedules.spans import span_like
from activity.schedules.wishes import Wish
from tenants.context import enter_platform, enter_tenant
from tests.activity.test_schedules import FORM, LIST, NEW
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import made

pytestmark = pytest.mark.usefixtures("exports_of_its_own")


def asked(link):
    parts = urlsplit(link)
    assert parts.path == NEW
    return {name: value for name, [value] in parse_qs(parts.query).items()}


def linked(page):
    """The first link of a page that schedules something."""
    [found, *_] = re.findall(r'href="(/admin/schedules/new/\?[^"]*)"', page)
    return html.unescape(found)


def chosen(page, name):
    """What the list of a form has chosen, or what its field holds."""
    field = re.search(rf'<select id="{name}".*?</select>', page, re.DOTALL)
    if field:
        return re.search(r'value="([^"]*)" selected', field[0])[1]
    return html.unescape(re.search(rf'id="{name}"[^>]*value="([^"]*)"', page)[1])


@pytest.mark.parametrize(
    ("since", "until", "span"),
    [
        ("2026-03-04", "2026-03-04", "day"),
        ("2026-03-02", "2026-03-08", "week"),
        ("2026-03-03", "2026-03-09", "last-7"),
        ("2026-02-01", "2026-02-28", "month"),
        ("2026-12-01", "2026-12-31", "month"),
        ("2026-02-01", "2026-03-31", "last-59"),
    ],
)
def test_a_period_is_a_span_of_its_kind(since, until, span):
    period = Period(date.fromisoformat(since), date.fromisoformat(until))
    assert span_like(period).text == span
    if not span.startswith("last"):
        # A run at its right moment is of that very period.
        after = period.until.toordinal() + 1
        assert span_like(period).before(date.fromordinal(after)) == period


def test_a_report_is_scheduled_as_it_is_shown(browser, acme, ann):
    client = browser(acme, ann)
    page = client.get("/admin/reports/active-people/?since=2026-03-01&until=2026-03-31&by=week")
    link = linked(page.text)
    said = asked(link)
    assert said["source"] == "active-people"
    assert (said["span"], said["parameters"]) == ("month", "by=week")
    form = client.get(link).text
    assert chosen(form, "source") == "active-people"
    assert chosen(form, "span") == "month"
    assert chosen(form, "parameters") == "by=week"
    assert chosen(form, "name") == said["name"]


def test_a_report_of_one_moment_has_no_days(browser, acme, ann):
    said = asked(linked(browser(acme, ann).get("/admin/reports/dormant-accounts/").text))
    assert said["source"] == "dormant-accounts"
    assert "span" not in said


def test_an_export_is_scheduled_as_it_was_asked_for(browser, acme, ann):
    made(acme, ann)
    with enter_tenant(acme):
        ExportJob.objects.update(
            asked={
                "filters": {"q": "action:user.*", "since": "2026-03-02", "until": "2026-03-08"},
                "form": "ndjson",
                "compression": "zstd",
                "columns": ["id", "action"],
            }
        )
    client = browser(acme, ann)
    form = client.get(linked(client.get("/admin/exports/").text)).text
    assert [chosen(form, name) for name in ("source", "form", "compression", "span")] == [
        *("events", "ndjson", "zstd", "week")
    ]
    assert chosen(form, "search") == "action:user.*"
    assert chosen(form, "columns") == "id, action"


def test_a_new_export_can_be_scheduled_instead(browser, acme, ann):
    client = browser(acme, ann)
    page = client.get(
        "/admin/exports/new/?source=events&format=csv&q=actor:ann&since=2026-03-01&until=2026-03-10"
    )
    said = asked(linked(page.text))
    assert (said["search"], said["span"], said["days"]) == ("actor:ann", "last", "10")
    assert said["form"] == "csv"


def test_what_a_link_says_is_text(browser, acme, ann):
    link = link_to("events", {"q": '"><script>alert(1)</script>'})
    page = browser(acme, ann).get(link).text
    assert "<script>alert(1)" not in page
    assert chosen(page, "search") == '"><script>alert(1)</script>'
    assert browser(acme, ann).get(f"{NEW}?span=%00&days=x&name=%00").status_code == 200


def test_days_that_are_none_fill_in_nothing():
    assert "span" not in asked(link_to("events", {"since": "x", "until": "2026-03-01"}))
    assert "span" not in asked(link_to("events", {"since": "2026-03-01"}))


# On the console


def test_operators_schedule_reports_of_the_platform(browser, operator, acme, ann):
    with enter_tenant(acme):
        theirs = keeping.create(ann, Wish(name="Ann's", source="sign-ins", cron="daily"))
    client = browser(None, operator)
    link = linked(client.get("/admin/reports/sign-ins/").text)
    assert client.get(link).status_code == 200
    answer = client.post(NEW, {**FORM, "delivery": "storage"}, follow=True)
    assert "Sign-ins of a week" in answer.text
    assert "Ann" not in answer.text.replace("Anna", "")
    with enter_platform():
        schedule = Schedule.objects.get()
        assert schedule.owner == operator
        Schedule.objects.update(next_at=timezone.now())
        assert running.visit() >= 1
        [job] = ExportJob.objects.filter(schedule_id=schedule.pk)
        assert job.requester_id == str(operator.public_id)
    page = client.get(f"{LIST}{schedule.pk}/").text
    assert "Sign-ins of a week" in page
    client.post(LIST, {"do": "pause", "key": str(schedule.pk)})
    with enter_platform():
        assert not Schedule.objects.get().is_active
    # What is a tenant's is not there, nor the other way round.
    assert client.get(f"{LIST}{theirs.pk}/").status_code == 404
    assert browser(acme, ann).get(f"{LIST}{schedule.pk}/").status_code == 404


def test_the_console_leads_to_its_schedules(browser, operator):
    page = browser(None, operator).get("/admin/exports/").text
    assert f'href="{LIST}"' in page
    assert f'href="{NEW}"' in page


def test_operators_without_the_permission_have_no_schedules(browser, operator):
    with enter_platform():
        type(operator).objects.filter(pk=operator.pk).update(is_superuser=False)
    assert browser(None, operator).get(LIST).status_code == 403
