"""The main job from end to end, through the doors and windows that people use."""

import csv
import io
import json
import re
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import DEMO_PASSWORD, Running

PASSWORD = "an umbrella on a sunny day"


def sign_in(page: Page, login: str, password: str) -> None:
    page.get_by_label("E-mail or user name").fill(login)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def export_events(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_from_an_empty_name_to_an_export_that_a_stranger_never_sees(
    running: Running, browser: Browser
) -> None:
    # An operator provisions a tenant from a second terminal.
    made = json.loads(
        running.manage(
            "tenant", "create", "hooli", "--name", "Hooli", "--admin-email", "gavin@hooli.example",
            "--json",
        )
    )  # fmt: skip
    assert made["created"] is True
    link = made["administrator"]["link"]
    assert link.startswith(running.url("hooli", "/accounts/password/reset/key/"))

    # Its administrator chooses a password by the link and signs in on the tenant's own host.
    office = browser.new_context().new_page()
    office.goto(link)
    office.get_by_label("New password").fill(PASSWORD)
    office.get_by_label("The same again").fill(PASSWORD)
    office.get_by_role("button", name="Save password").click()
    office.get_by_role("link", name="Sign in").click()
    sign_in(office, "gavin@hooli.example", PASSWORD)
    expect(office).to_have_url(running.url("hooli", "/admin/"))
    expect(office.get_by_text("Hooli").first).to_be_visible()

    # They add somebody, who gets a link of their own.
    office.goto(running.url("hooli", "/admin/accounts/customuser/add/"))
    office.get_by_label("User name").fill("nelson")
    office.get_by_label("E-mail").fill("nelson@hooli.example")
    office.locator("#id_display_name").fill("Nelson Bighetti")
    office.get_by_role("button", name="Save", exact=True).click()
    expect(office.get_by_text("nelson@hooli.example was sent a link")).to_be_visible()

    # The sign-in and the change are in the record, as sentences, at once.
    office.goto(running.url("hooli", "/admin/activity/activityevent/"))
    expect(office.get_by_text("gavin added Nelson Bighetti (nelson)")).to_be_visible()
    expect(office.get_by_text("gavin signed in")).to_be_visible()
    office.get_by_role("link", name="gavin added Nelson Bighetti (nelson)").click()
    expect(
        office.get_by_role("row", name=re.compile("email.*nelson@hooli.example"))
    ).to_be_visible()

    # The export has exactly what the list shows, and is itself recorded.
    office.goto(running.url("hooli", "/admin/activity/activityevent/?q=family:user"))
    exported = export_events(office)
    actions = [row["action"] for row in exported]
    assert actions == ["user.created", "user.password_reset", "user.created", "user.invited"]
    assert exported[-1]["target_label"] == "Nelson Bighetti (nelson)"
    office.goto(running.url("hooli", "/admin/activity/activityevent/?q=family:export"))
    expect(office.get_by_text("gavin exported events")).to_be_visible()

    # Celery counts the sign-in into the overview.
    for _ in range(120):
        office.goto(running.url("hooli", "/admin/"))
        if (
            office.locator("a.t-card", has_text="Sign-ins").first.locator(".t-number").inner_text()
            == "1"
        ):
            break
        time.sleep(1)
    else:
        raise AssertionError("the sign-in was not counted within two minutes")

    # A stranger, the administrator of another tenant, sees nothing of it.
    stranger_context = browser.new_context()
    stranger = stranger_context.new_page()
    stranger.goto(running.url("globex", "/accounts/login/"))
    sign_in(stranger, "sam", DEMO_PASSWORD)
    expect(stranger).to_have_url(running.url("globex", "/admin/"))
    for path in ("/admin/", "/admin/accounts/customuser/", "/admin/activity/activityevent/"):
        stranger.goto(running.url("globex", path))
        expect(stranger.get_by_text("Globex Corporation").first).to_be_visible()
        assert "nelson" not in stranger.content().lower()
        assert "hooli" not in stranger.content().lower()

    # Nor with their cookie carried over by hand.
    session = next(c for c in stranger_context.cookies() if c["name"] == "sessionid")
    stranger_context.add_cookies(
        [{"name": "sessionid", "value": session["value"], "url": running.url("hooli")}]
    )
    stranger.goto(running.url("hooli", "/admin/activity/activityevent/"))
    expect(stranger).to_have_url(re.compile(r"/accounts/login/"))
    assert "nelson" not in stranger.content().lower()


def test_everything_works_without_scripts_on_a_phone(running: Running, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    phone = context.new_page()

    phone.goto(running.url("acme", "/accounts/login/"))
    sign_in(phone, "cleo", DEMO_PASSWORD)
    expect(phone).to_have_url(running.url("acme", "/"))
    phone.get_by_label("Time zone").fill("Europe/Paris")
    phone.get_by_role("button", name="Save").click()
    expect(phone.get_by_text("Your account was saved.")).to_be_visible()

    assert phone.evaluate("document.documentElement.scrollWidth") <= 320
    phone.get_by_role("link", name="Sign out").click()
    phone.get_by_role("button", name="Sign out").click()
    expect(phone).to_have_url(running.url("acme", "/accounts/login/"))


def test_the_panel_is_there_without_scripts_and_without_a_mouse(
    running: Running, browser: Browser
) -> None:
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 900})
    page = plain.new_page()
    page.goto(running.url("acme", "/admin/"))
    sign_in(page, "ann", DEMO_PASSWORD)
    page.locator("#nav-sidebar").get_by_role("link", name="People").click()
    expect(page.get_by_role("link", name="Bob Ray")).to_be_visible()
    page.get_by_role("link", name="Deactivated").click()
    expect(page.get_by_role("link", name="Dan Wu")).to_be_visible()
    page.get_by_role("link", name="Dan Wu").click()
    expect(page.get_by_label("User name")).to_have_value("dan")

    small = browser.new_context(viewport={"width": 1024, "height": 768}).new_page()
    small.goto(running.url("acme", "/admin/"))
    sign_in(small, "ann", DEMO_PASSWORD)
    small.get_by_role("button", name="Navigation").press("Enter")
    small.locator("#nav-sidebar").get_by_role("link", name="Reports").press("Enter")
    expect(small).to_have_url(running.url("acme", "/admin/reports/"))
