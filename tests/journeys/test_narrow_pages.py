"""Pages about people and roles on a phone: nothing is wider than the screen."""

from urllib.parse import urljoin

from playwright.sync_api import Browser, Page

from tests.journeys.conftest import Running
from tests.journeys.test_content_policy import entered

PEOPLE = "/admin/accounts/customuser/"
ROLES = "/admin/auth/group/"
PHONE = 390
LONG = "Wolfeschlegelsteinhausen" * 6


def too_wide(page: Page, address: str) -> bool:
    page.goto(address)
    page.wait_for_load_state()
    return int(page.evaluate("document.documentElement.scrollWidth")) > PHONE


def made(page: Page, form: str, **fields: str) -> str:
    """Fill a form of the panel in and save it; return the address of the page of what was made."""
    page.goto(form)
    for name, value in fields.items():
        page.fill(f"#id_{name}", value)
    if page.get_by_label(LONG).count():
        page.get_by_label(LONG).check()
    page.locator("[name=_continue]").click()
    page.wait_for_url("**/change/")
    return page.url


def pages_of(page: Page, change: str, *more: str) -> list[str]:
    """Return the addresses of something's pages, its first version's too."""
    history = change.replace("change/", "history/")
    page.goto(history)
    link = page.locator("#content table a").first.get_attribute("href") or ""
    version = urljoin(history, link)
    others = [change.replace("change/", last) for last in ("delete/", *more)]
    return [change, history, version, f"{version}take-back/", *others]


def test_a_long_name_makes_no_page_wider_than_a_phone(running: Running, browser: Browser) -> None:
    page = browser.new_context(viewport={"width": PHONE, "height": 844}).new_page()
    entered(page, running.url("acme", "/admin/"), "ann")
    addresses = [running.url("acme", path) for path in ("/admin/", PEOPLE, ROLES)]

    role = made(page, running.url("acme", f"{ROLES}add/"), name=LONG)
    person = made(
        page,
        running.url("acme", f"{PEOPLE}add/"),
        username=LONG.lower(),
        email="long@acme.example",
        display_name=LONG,
    )
    addresses += pages_of(page, role)
    addresses += pages_of(page, person, "erase/", "take-out/", "send-link/")

    assert [address for address in addresses if too_wide(page, address)] == []
