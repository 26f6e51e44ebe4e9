"""An operator helps a customer, in a real browser, and the customer sees that and ends it."""

import json

from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import DEMO_PASSWORD, Running
from tests.journeys.test_main_job import sign_in
from tests.journeys.test_second_factor import fits

REASON = "Ticket 12: cleo cannot find the panel"


def banner(page: Page) -> None:
    shown = page.get_by_role("region", name="Support access")
    expect(shown).to_be_visible()
    expect(shown).to_contain_text("olga acts for Ann Lee until")
    expect(shown).to_contain_text(REASON)
    assert fits(page)


def test_an_operator_comes_to_help_and_is_sent_away(running: Running, browser: Browser) -> None:
    desk = browser.new_context(viewport={"width": 390, "height": 800}).new_page()
    desk.goto(f"http://localhost:{running.port}/admin/")
    sign_in(desk, "olga", DEMO_PASSWORD)
    acme = json.loads(running.manage("tenant", "show", "acme", "--json"))["id"]
    desk.goto(f"http://localhost:{running.port}/admin/tenants/tenant/{acme}/support/")
    desk.get_by_label("Reason").fill(REASON)
    desk.get_by_label("Act for").fill("ann")
    desk.get_by_label("Your password").fill(DEMO_PASSWORD)
    desk.get_by_role("button", name="Open", exact=True).click()

    # The link is followed, and begins nothing until somebody says so.
    desk.locator("a[href*='/support/enter/']").click()
    expect(desk.get_by_role("heading", name="Begin support access")).to_be_visible()
    desk.get_by_role("button", name="Begin").click()
    expect(desk).to_have_url(running.url("acme", "/admin/"))
    banner(desk)
    desk.goto(running.url("acme", "/"))
    banner(desk)
    expect(desk.get_by_role("link", name="Change password")).to_have_count(0)
    desk.goto(running.url("acme", "/accounts/password/change/"))
    expect(desk.get_by_role("heading", name="Not under support access")).to_be_visible()
    banner(desk)

    # Ann reads who is here, and why, and sends them away.
    office = browser.new_context().new_page()
    office.goto(running.url("acme", "/admin/"))
    sign_in(office, "ann", DEMO_PASSWORD)
    expect(office.get_by_text("olga, operator, is here under support access")).to_be_visible()
    expect(office.get_by_role("region", name="Support access")).to_have_count(0)
    office.get_by_role("link", name="What operators did here").click()
    expect(office.get_by_text("olga, operator began support access to Ann Lee")).to_be_visible()
    office.goto(running.url("acme", "/admin/support/"))
    office.get_by_role("button", name="End the access of olga").click()
    expect(office.get_by_text("The support access is ended.")).to_be_visible()

    desk.goto(running.url("acme", "/admin/"))
    expect(desk.get_by_text("The support access is over.")).to_be_visible()

    # Her record says what was done as her, and by whom.
    found = running.manage("activity", "events", "--tenant", "acme", "--json")
    told = [event for event in map(json.loads, found.splitlines()) if event["on_behalf_of_id"]]
    assert {event["actor_label"] for event in told} == {"olga, operator"}
    assert {"support.entered", "access.denied"} <= {event["action"] for event in told}
