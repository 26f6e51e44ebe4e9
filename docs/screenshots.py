"""Takes the pictures in ``docs/images`` of a running ``make up``: ``docs/screenshots.py [PORT]``.

Signs in as the demo's administrator of Acme and looks; it changes nothing there but the record,
which says that she was here. Last, Globex is given so many events that an export of them takes long
enough to be looked at: with the ``TENANTRY_DATA`` of that ``make up``, if it had one.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from PIL import Image
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
COLORS: Final = 128
MANY: Final = """
from django.db import connection
from activity.models import ActivityEvent
from tenants.context import enter_tenant
from tenants.directory import tenant_to_enter
names = [field.column for field in ActivityEvent._meta.concrete_fields]
copied = ", ".join(name for name in names if name not in ("id", "occurred_at"))
table = ActivityEvent._meta.db_table
with enter_tenant(tenant_to_enter("globex")), connection.cursor() as cursor:
    for action, times in (("session.started", 400_000), ("user.created", 100_000)):
        event = ActivityEvent.objects.filter(action=action).first()
        cursor.execute(
            f"INSERT INTO {table} ({copied}) SELECT {copied} FROM {table}, "
            "generate_series(1, %s) WHERE id = %s", [times, event.pk],
        )
    cursor.execute(f"ANALYZE {table}")
"""
"""What a command is given to copy two events of Globex many times."""
DESK: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 320, "height": 800}


def main(port: int) -> None:
    """Take every picture, from the sign-in page to a person's."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        try:
            _take_all(browser, f"http://acme.localhost:{port}")
            _take_support(browser, port)
            _take_export(browser, f"http://globex.localhost:{port}")
        finally:
            browser.close()


def _take_all(browser: Browser, origin: str) -> None:
    page = _page(browser, viewport=DESK, color_scheme="light")
    page.goto(f"{origin}/admin/")
    _take(page, "signin")
    _sign_in(page)
    _take(page, "overview")
    _take_summary(page)

    page.goto(f"{origin}/admin/reports/most-active/")
    _take(page, "report")

    page.goto(f"{origin}/admin/activity/activityevent/?q=dan")
    _take(page, "events")

    page.goto(f"{origin}/admin/accounts/customuser/?q=bob")
    page.get_by_role("link", name="Bob Ray").first.click()
    _take(page, "person")

    for name, viewport, color_scheme in (
        ("overview-dark", DESK, "dark"),
        ("overview-phone", PHONE, "light"),
    ):
        page = _page(browser, viewport=viewport, color_scheme=color_scheme)
        page.goto(f"{origin}/admin/")
        _sign_in(page)
        _take(page, name)


def _page(browser: Browser, **options: Any) -> Page:
    return browser.new_page(locale="en-GB", timezone_id="Europe/Berlin", **options)


def _take_export(browser: Browser, origin: str) -> None:
    """Take the exports while one of them is being made."""
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", MANY],
        cwd=IMAGES.parents[1],
        env={"DJANGO_SETTINGS_MODULE": "config.settings.development", **os.environ},
        check=True,
    )
    page = _page(browser, viewport=DESK, color_scheme="light")
    page.goto(f"{origin}/admin/")
    _sign_in(page, "sam")
    for source, form in (("sign-ins", "csv"), ("events", "xlsx")):
        page.goto(f"{origin}/admin/exports/new/")
        page.get_by_label("What", exact=True).select_option(source)
        page.get_by_label("Format").select_option(form)
        page.get_by_role("button", name="Make the file").click()
    expect(page.locator("progress[value]").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text(re.compile(r"[1-9][0-9,]+ rows of about"))).to_be_visible(
        timeout=60_000
    )
    _keep(page.screenshot(animations="disabled", caret="hide"), "exports")


def _take_support(browser: Browser, port: int) -> None:
    """Take the banner that stands above every page under support access, and end the access."""
    asked = ("tenant", "support", "open", "acme", "--operator", "olga", "--for", "ann", "--json")
    found = subprocess.run(
        [sys.executable, "manage.py", *asked, "--reason", "Ticket 4711: a role is missing"],
        cwd=IMAGES.parents[1],
        env={"DJANGO_SETTINGS_MODULE": "config.settings.development", **os.environ},
        check=True,
        capture_output=True,
    )
    page = _page(browser, viewport={**DESK, "height": 420}, color_scheme="light")
    page.goto(json.loads(found.stdout)["link"])
    page.get_by_role("button", name="Begin").click()
    page.goto(f"http://acme.localhost:{port}/admin/accounts/customuser/")
    _take(page, "support")
    page.get_by_role("button", name="End support access").click()


def _sign_in(page: Page, who: str = "ann") -> None:
    page.get_by_label("E-mail or user name").fill(who)
    page.get_by_label("Password").fill("tenantry demo password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()


def _take(page: Page, name: str) -> None:
    # Fonts and icons come late, and a picture without them has words in the icons' places.
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    _keep(page.screenshot(animations="disabled", caret="hide"), name)


def _take_summary(page: Page) -> None:
    """Take the first page of the summary as it prints, where a program is that shows PDF."""
    program = shutil.which("pdftoppm")
    if program is None:
        sys.stdout.write("summary.png: left as it is, no pdftoppm (Debian: poppler-utils)\n")
        return
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as PDF").click()
    finished = subprocess.run(
        [program, "-png", "-r", "75", "-f", "1", "-l", "1", download.value.path()],
        capture_output=True,
        check=True,
    )
    _keep(finished.stdout, "summary")


def _keep(picture: bytes, name: str) -> None:
    """Keep a picture with few colours, which is a third of its size and looks the same."""
    path = IMAGES / f"{name}.png"
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(
        COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    ).save(path, optimize=True)
    size = path.stat().st_size
    note = "" if size <= MOST_BYTES else f", more than {MOST_BYTES:,}"
    sys.stdout.write(f"{path.name}: {size:,} bytes{note}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
