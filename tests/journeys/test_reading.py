"""Reading the record, and one's own activity, in a real browser."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import DEMO_PASSWORD, Running
from tests.journeys.test_main_job import export_events, sign_in

LIST = "/admin/activity/activityevent/"


def entered(running: Running, page: Page, path: str, login: str = "ann") -> Page:
    page.goto(running.url("acme", path))
    sign_in(page, login, DEMO_PASSWORD)
    expect(page).to_have_url(running.url("acme", path))
    return page


def test_a_reader_who_does_not_know_the_language_finds_saves_and_shares(
    running: Running, browser: Browser
) -> None:
    # Without scripts, which only decorate.
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 1280, "height": 900}
    )
    page = entered(running, context.new_page(), LIST)

    page.locator("summary", has_text="Filters").click()
    page.get_by_label("Action").select_option("user.deactivated")
    page.get_by_label("What it was done to").fill("dan wu")
    page.get_by_role("button", name="Show these events").click()

    search = 'action:user.deactivated target:"dan wu"'
    expect(page.get_by_label("Search the record")).to_have_value(search)
    expect(page.get_by_role("link", name="Ann Lee (ann) deactivated Dan Wu (dan)")).to_be_visible()
    assert [row["action"] for row in export_events(page)] == ["user.deactivated"]

    page.locator("summary", has_text="Saved searches").click()
    page.get_by_label("Save this search as").fill("Who left")
    page.get_by_label("share it with everybody").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The search is saved as “Who left”.")).to_be_visible()

    # A term is taken out alone.
    page.get_by_role("link", name="Without action:user.deactivated").click()
    expect(page.get_by_label("Search the record")).to_have_value('target:"dan wu"')

    # A colleague who may read the record uses it, and cannot change it.
    colleague = entered(running, browser.new_context().new_page(), LIST, "bob")
    colleague.locator("summary", has_text="Saved searches").click()
    colleague.get_by_role("link", name="Who left", exact=True).click()
    expect(colleague.get_by_label("Search the record")).to_have_value(search)
    colleague.goto(running.url("acme", f"{LIST}searches/"))
    expect(colleague.get_by_text("by Ann Lee")).to_be_visible()
    expect(colleague.get_by_role("button", name="Delete")).to_have_count(0)

    page.goto(running.url("acme", f"{LIST}searches/"))
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("“Who left” is deleted.")).to_be_visible()


def test_an_event_leads_to_its_request_its_object_and_back(
    running: Running, browser: Browser
) -> None:
    page = entered(running, browser.new_context().new_page(), f"{LIST}?q=action:user.deactivated")
    page.get_by_role("link", name="Ann Lee (ann) deactivated Dan Wu (dan)").click()
    expect(page.get_by_role("row", name=re.compile("is active.*yes.*no"))).to_be_visible()

    page.get_by_role("link", name="everything about this object").click()
    expect(page.get_by_role("link", name="Ann Lee (ann) added Dan Wu (dan)")).to_be_visible()
    expect(page.get_by_text("Cleo Diaz")).to_have_count(0)


def test_a_mistake_is_pointed_at_and_every_page_fits_a_phone(
    running: Running, browser: Browser
) -> None:
    phone = browser.new_context(viewport={"width": 320, "height": 700}).new_page()
    entered(running, phone, LIST)
    for query in ("", "?q=outcome:deny", "?q=behalf:nobody"):
        phone.goto(running.url("acme", LIST + query))
        assert phone.evaluate("document.documentElement.scrollWidth") <= 320, query
    phone.goto(running.url("acme", f"{LIST}?q=bob+outcome:deny"))
    alert = phone.locator("#search-problem")
    expect(alert).to_contain_text("success, failure, denied")
    expect(alert.locator("pre")).to_have_text("bob outcome:deny\n            ^")


def test_somebody_without_the_panel_ends_a_session_that_is_not_theirs(
    running: Running, browser: Browser
) -> None:
    other = browser.new_context(user_agent="Mozilla/5.0 (Windows NT 10.0) Firefox/131.0").new_page()
    other.goto(running.url("acme", "/"))
    sign_in(other, "cleo", DEMO_PASSWORD)
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 700})
    page = plain.new_page()
    page.goto(running.url("acme", "/"))
    sign_in(page, "cleo", DEMO_PASSWORD)

    page.get_by_role("link", name="My activity").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    expect(page.get_by_text("this one")).to_have_count(1)
    page.get_by_role("button", name="Sign out on Firefox on Windows").first.click()
    expect(page.get_by_text("That session is ended.")).to_be_visible()

    other.reload()
    expect(other).to_have_url(re.compile("/accounts/login/"))
    expect(page.get_by_text("You ended a session of Cleo Diaz (cleo)").first).to_be_visible()
