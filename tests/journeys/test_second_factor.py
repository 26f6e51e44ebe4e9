"""A second factor on a small phone, without scripts: switched on, asked for, lost, taken away."""

import re
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from accounts import factor_codes
from tests.journeys.conftest import Running
from tests.journeys.test_main_job import PASSWORD, sign_in


def fits(page: Page) -> bool:
    """Whether nobody has to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def code(secret: str, *, after: str = "") -> str:
    """What the phone shows; once more, when it shows another."""
    while True:
        shown = factor_codes.code_at(secret, int(time.time()) // factor_codes.STEP_SECONDS)
        if shown != after:
            return shown
        time.sleep(1)


def test_on_a_small_phone_without_scripts(running: Running, browser: Browser) -> None:
    running.manage("tenant", "create", "raviga", "--name", "Raviga", "--json")
    running.manage(
        *("tenant", "superuser", "raviga", "--username", "laurie"),
        *("--email", "laurie@raviga.example"),
    )
    phone = browser.new_context(
        viewport={"width": 320, "height": 640}, java_script_enabled=True, accept_downloads=True
    ).new_page()
    phone.route(re.compile(r"\.js(\?|$)"), lambda route: route.abort())
    link = running.manage(
        *("tenant", "superuser", "raviga", "--username", "laurie"),
        *("--email", "laurie@raviga.example", "--json"),
    )
    address = re.search(r'"link": "(http[^"]+)"', link)
    assert address
    phone.goto(address[1])
    phone.get_by_label("New password").fill(PASSWORD)
    phone.get_by_label("The same again").fill(PASSWORD)
    phone.get_by_role("button", name="Save password").click()
    phone.get_by_role("link", name="Sign in").click()
    sign_in(phone, "laurie", PASSWORD)

    # It is switched on with the password once more and a code.
    phone.goto(running.url("raviga", "/"))
    phone.get_by_role("link", name="Second factor").click()
    phone.get_by_role("link", name="Switch it on").click()
    phone.get_by_label("Password").fill(PASSWORD)
    phone.get_by_role("button", name="Go on").click()
    expect(phone.get_by_role("img", name="QR code")).to_be_visible()
    assert fits(phone)
    secret = re.sub(r"\s", "", phone.locator("code.key").inner_text())
    first = code(secret)
    phone.get_by_label("Type the code that the app shows").fill(first)
    phone.get_by_role("button", name="Switch on").click()
    assert fits(phone)
    codes = phone.locator(".codes code").all_inner_texts()
    assert len(codes) == factor_codes.RECOVERY_CODES
    with phone.expect_download() as download:
        phone.get_by_role("link", name="Save as a file").click()
    assert download.value.suggested_filename == "recovery-codes.txt"
    saved = Path(download.value.path()).read_text()
    assert all(one in saved for one in codes)

    # From now on the password alone leads to a question.
    office = browser.new_context(java_script_enabled=False).new_page()
    office.set_viewport_size({"width": 320, "height": 640})
    office.goto(running.url("raviga", "/admin/"))
    sign_in(office, "laurie", PASSWORD)
    expect(office.get_by_role("heading", name="One more step")).to_be_visible()
    office.get_by_label("Code from your app").fill("000000")
    office.get_by_role("button", name="Sign in").click()
    expect(office.get_by_role("alert")).to_contain_text("not the right code")
    office.get_by_label("Code from your app").fill(code(secret, after=first))
    office.get_by_role("button", name="Sign in").click()
    expect(office).to_have_url(running.url("raviga", "/admin/"))

    # The phone is lost: an operator takes it away, and the session is over.
    said = running.manage(
        *("account", "second-factor", "reset", "--tenant", "raviga", "--person", "laurie"),
        *("--reason", "phone lost", "--yes"),
    )
    assert "sessions ended: 2" in said
    office.goto(running.url("raviga", "/"))
    expect(office.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(office, "laurie", PASSWORD)
    expect(office.get_by_role("heading", name="My account")).to_be_visible()
