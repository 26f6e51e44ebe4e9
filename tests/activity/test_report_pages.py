"""The reports' pages: families, forms, units, charts, and what an empty one says."""

import re
from datetime import date, timedelta

import pytest
from bs4 import BeautifulSoup

from activity.recording import record
from activity.reports import REPORTS
from activity.reports.registry import Kind
from tenants.context import enter_tenant
from tests.activity.rolled import put
from tests.conftest import CANARY

HERE = {name: one for name, one in REPORTS.items() if not one.is_for_operators}
LIST = "/admin/reports/"
REPORT = "/admin/reports/{}/"
FIRST = date(2026, 3, 1)


@pytest.fixture
def busy(acme):
    """Acme with ten days of figures."""
    with enter_tenant(acme):
        put(
            [
                (FIRST + timedelta(number), "session.started", "success", "person", who, who,
                 1_000 * (number + 1) + (who == "Ann"))
                for number in range(10)
                for who in ("Ann", "<b>Bob</b>")
            ]
        )  # fmt: skip
    return acme


def shown(client, name, **query):
    response = client.get(REPORT.format(name), query)
    return response, BeautifulSoup(response.content, "html.parser")


def test_the_list_has_every_report_below_its_family(browser, acme, ann):
    page = BeautifulSoup(browser(acme, ann).get(LIST).content, "html.parser")

    listed = {
        card["href"]: section.h2.get_text()
        for section in page.select("section")
        for card in section.select("a.t-card")
    }
    assert listed == {REPORT.format(name): one.about for name, one in HERE.items()}
    assert len(page.select("section")) == len({one.about for one in HERE.values()})
    for one in HERE.values():
        assert one.sentence in " ".join(page.get_text().split())


@pytest.mark.parametrize("name", HERE)
def test_every_report_opens_with_titles_units_and_a_form(browser, acme, ann, name):
    definition = REPORTS[name]
    client = browser(acme, ann)

    response, page = shown(client, name)

    assert response.status_code == 200
    assert len(response.content) < 150_000
    assert (page.select_one("#since") is not None) == definition.has_period
    for parameter in definition.parameters:
        field = page.select_one(f"#parameter-{parameter.name}")
        assert field is not None
        assert page.select_one(f"label[for=parameter-{parameter.name}]")
    table = page.select_one("table.t-report")
    if table is None:
        said = " ".join(page.select_one(".t-empty").get_text().split())
        assert f"What will appear here: {definition.sentence}" in said
        return
    headings = table.select("thead th")
    assert len(headings) == len(definition.columns)
    for heading, column in zip(headings, definition.columns, strict=True):
        said = " ".join(heading.get_text().split())
        assert said.startswith(column.title)
        assert ("t-n" in heading.get("class", [])) == (column.kind in (Kind.COUNT, Kind.SHARE))


def test_a_chart_along_a_time_has_the_rows_behind_it(browser, busy, ann):
    days = {"since": "2026-03-01", "until": "2026-03-10"}
    _response, page = shown(browser(busy, ann), "sign-ins", **days)

    bars = page.select("svg.t-svg rect.t-mark")
    rows = page.select("table.t-report tbody tr")
    assert len(bars) == len(rows) == 10
    assert [bar.title.get_text().partition(": ")[2] for bar in bars] == [
        row.select("td")[1].get_text() for row in rows
    ]
    assert rows[-1].get_text(" ", strip=True) == "2026-03-10 20,001"
    assert page.select_one("svg.t-svg")["aria-label"].startswith(
        "Sign-ins per day, 1 Mar to 10 Mar"
    )


def test_who_comes_first_is_drawn_in_order_and_names_are_text(browser, busy, ann):
    days = {"since": "2026-03-01", "until": "2026-03-10"}
    response, page = shown(browser(busy, ann), "most-active", **days)

    ranks = [rank.get_text(" ", strip=True) for rank in page.select(".t-ranks li")]
    assert ranks == ["Ann 55,010", "<b>Bob</b> 55,000"]
    assert "<b>Bob</b>" not in response.text


def test_the_links_to_files_ask_for_what_is_shown(browser, busy, ann):
    client = browser(busy, ann)
    _response, page = shown(client, "sign-ins", since="2026-03-01", until="2026-03-03")

    [link] = [a["href"] for a in page.select("a") if a.get_text() == "Export CSV"]
    file = b"".join(client.get(REPORT.format("sign-ins") + link)).decode()

    assert len(file.splitlines()) == 4
    assert file.splitlines()[1] == "2026-03-01,2001"


@pytest.mark.parametrize("days", ["1", "7", "30", "90"])
def test_a_period_is_chosen_by_a_click(browser, acme, bob, days):
    response, page = shown(browser(acme, bob), "sign-ins", days=days)

    assert len(response.context["report"].period.days) == int(days)
    [chosen] = page.select(".t-period a[aria-current]")
    assert chosen["href"] == f"?days={days}"


def test_an_error_stands_beside_the_parameter_that_it_is_about(browser, acme, ann):
    numbers = [
        (name, parameter)
        for name, one in HERE.items()
        for parameter in one.parameters
        if parameter.kind in ("number", "select", "date")
    ]
    assert numbers
    client = browser(acme, ann)
    for name, parameter in numbers:
        response, page = shown(client, name, **{parameter.name: "<nonsense>"})

        assert response.status_code == 400, name
        [field] = page.select("[aria-invalid]")
        assert field["name"] == parameter.name
        error = page.select_one(f"#{field['aria-describedby']}")
        assert "nonsense" in error.get_text()
        assert "<nonsense>" not in response.text


def test_a_parameter_that_there_is_not_is_said_on_the_page(browser, acme, bob):
    response, page = shown(browser(acme, bob), "sign-ins", nonsense="1")

    assert response.status_code == 400
    assert "no parameter" in page.select_one(".t-error").get_text()


def test_an_event_in_a_report_leads_to_its_page(browser, acme, ann):
    named = [n for n, one in HERE.items() if any(c.name == "event" for c in one.columns)]
    assert named
    client = browser(acme, ann)
    b"".join(client.get(REPORT.format("sign-ins"), {"export": "csv"}))

    _response, page = shown(client, "exports")

    links = [a["href"] for a in page.select("table.t-report a")]
    assert links
    assert client.get(links[0]).status_code == 200


def test_a_long_report_stays_below_150_kilobytes(browser, busy, ann):
    year = {"since": "2025-03-11", "until": "2026-03-10"}
    response, page = shown(browser(busy, ann), "sign-ins", **year)

    assert page.select_one("svg.t-svg polyline.t-line")
    assert not page.select("svg.t-svg rect")
    assert len(response.content) < 150_000


def test_strangers_see_nothing(browser, acme, globex, sam, cleo):
    with enter_tenant(acme):
        record("user.changed")
    for name in REPORTS:
        assert browser(acme, cleo).get(REPORT.format(name)).status_code in (302, 403)
        assert CANARY["acme"] not in browser(globex, sam).get(REPORT.format(name)).text
    there = browser(acme)
    there.cookies = browser(globex, sam).cookies
    assert there.get(LIST).status_code == 302


def test_the_pages_bring_no_script_and_no_style_of_their_own(browser, busy, ann):
    for name in ("sign-ins", "most-active"):
        days = {"since": "2026-03-01", "until": "2026-03-10"}
        text = browser(busy, ann).get(REPORT.format(name), days).text
        content = re.search(r'<div class="t-period".*</table>', text, re.DOTALL)
        assert content
        assert not re.search(r"<script|style=|\son\w+=|javascript:", content[0])
