"""Takes the pictures in ``docs/images`` of a running ``make up``: ``docs/screenshots.py [PORT]``.

Signs in as the demo's administrator of Acme and looks; it changes nothing but the record, which
says that she was here.
"""

import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES: Final = Path(__file__).parent / "images"
CHROMIUM: Final = "/usr/bin/chromium"
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MOST_BYTES: Final = 120_000


def main(port: int) -> None:
    """Take every picture, from the sign-in page to a person's."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        try:
            _take_all(browser, f"http://acme.localhost:{port}")
        finally:
            browser.close()


def _take_all(browser: Browser, origin: str) -> None:
    page = browser.new_page(
        viewport={"width": 1280, "height": 800},
        locale="en-GB",
        timezone_id="Europe/Berlin",
        color_scheme="light",
    )
    page.goto(f"{origin}/admin/")
    _take(page, "signin")

    page.get_by_label("E-mail or user name").fill("ann")
    page.get_by_label("Password").fill("tenantry demo password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Last changes")).to_be_visible()
    _take(page, "overview")

    page.goto(f"{origin}/admin/activity/activityevent/?q=dan")
    _take(page, "events")

    page.goto(f"{origin}/admin/accounts/customuser/?q=bob")
    page.get_by_role("link", name="Bob Ray").first.click()
    _take(page, "person")


def _take(page: Page, name: str) -> None:
    # Fonts and icons come late, and a picture without them has words in the icons' places.
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    path = IMAGES / f"{name}.png"
    size = len(page.screenshot(path=path, animations="disabled", caret="hide"))
    note = "" if size <= MOST_BYTES else f", more than {MOST_BYTES:,}"
    sys.stdout.write(f"{path.name}: {size:,} bytes{note}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
