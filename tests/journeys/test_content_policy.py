"""What the content security policy lets a real browser do, and what it keeps it from."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import DEMO_PASSWORD, Running
from tests.journeys.test_main_job import sign_in

PANEL = (
    "/admin/",
    "/admin/accounts/customuser/",
    "/admin/accounts/customuser/add/",
    "/admin/auth/group/",
    "/admin/accounts/apitoken/",
    "/admin/activity/activityevent/",
    "/admin/reports/",
    "/admin/reports/sign-ins/",
    "/admin/exports/",
    "/admin/exports/new/",
    "/admin/schedules/",
    "/admin/schedules/new/",
    "/admin/retention/",
)
OUTSIDE = ("/", "/activity/", "/accounts/password/change/", "/nothing-here/")
CONSOLE = (
    "/admin/tenants/tenant/",
    "/admin/tenants/operation/",
    "/admin/accounts/customuser/",
    "/admin/activity/activityevent/",
    "/admin/reports/",
)


def refusals(page: Page) -> list[str]:
    """Collect what the browser refuses to load or run from now on."""
    found: list[str] = []
    page.on("console", lambda said: "Content Security" in said.text and found.append(said.text))
    page.on("pageerror", lambda error: found.append(f"{page.url}: {error}"))
    return found


def is_run(page: Page) -> bool:
    """Whether a script runs that somebody smuggled into the page."""
    page.evaluate(
        "const script = document.createElement('script');"
        "script.textContent = 'window.smuggled = true';"
        "document.body.append(script)"
    )
    return bool(page.evaluate("window.smuggled === true"))


def entered(page: Page, address: str, login: str) -> None:
    page.goto(address)
    sign_in(page, login, DEMO_PASSWORD)
    expect(page).to_have_url(address)
    page.wait_for_load_state()


def test_no_page_needs_more_than_its_policy(running: Running, browser: Browser) -> None:
    page = browser.new_context().new_page()
    found = refusals(page)

    entered(page, running.url("acme", "/"), "ann")
    for path in PANEL + OUTSIDE:
        page.goto(running.url("acme", path))
    # What makes functions of attributes has come to life.
    page.goto(running.url("acme", "/admin/"))
    assert page.evaluate("typeof window.Alpine") == "object"

    assert found == []


def test_no_page_of_the_console_needs_more_than_its_policy(
    running: Running, browser: Browser
) -> None:
    page = browser.new_context().new_page()
    found = refusals(page)
    platform = f"http://localhost:{running.port}"

    entered(page, f"{platform}/", "olga")
    for path in CONSOLE:
        page.goto(f"{platform}{path}")

    assert found == []


@pytest.mark.parametrize("path", ["/", "/admin/"])
def test_a_script_that_was_smuggled_into_a_page_does_not_run(
    running: Running, browser: Browser, path: str
) -> None:
    page = browser.new_context().new_page()
    entered(page, running.url("acme", path), "ann")
    found = refusals(page)

    assert not is_run(page)
    assert len(found) == 1
