"""The panel's first page and the reports in a real browser: small, dark, printed, unscripted."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Running
from tests.journeys.test_reading import entered

HOME = "/admin/"
PAGES = (HOME, f"{HOME}reports/", f"{HOME}reports/most-active/", f"{HOME}reports/sign-ins/")

# Every visible text, with the contrast to what is behind it (WCAG 2.2, 1.4.3).
FAINT = """() => {
    const channel = value => {
        value /= 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    };
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const brush = canvas.getContext("2d", {willReadFrequently: true});
    const mixed = colors => {
        brush.clearRect(0, 0, 1, 1);
        for (const color of colors) { brush.fillStyle = color; brush.fillRect(0, 0, 1, 1); }
        return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3).map(channel);
    };
    const light = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim();
        const element = walker.currentNode.parentElement;
        const seen = {checkOpacity: true, checkVisibilityCSS: true};
        if (!text || !element.checkVisibility(seen)) continue;
        const unseen = ".t-hidden, option, title, script, .material-symbols-outlined";
        if (element.closest(unseen)) continue;
        const behind = [];
        for (let one = element; one; one = one.parentElement)
            behind.unshift(getComputedStyle(one).backgroundColor);
        behind.unshift(document.documentElement.classList.contains("dark") ? "black" : "white");
        const style = getComputedStyle(element);
        const back = light(mixed(behind)), front = light(mixed([...behind, style.color]));
        const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
        const size = parseFloat(style.fontSize), heavy = parseInt(style.fontWeight) >= 700;
        const enough = size >= 24 || (heavy && size >= 18.66) ? 3 : 4.5;
        if (ratio < enough) faint.push(`${text.slice(0, 40)} ${ratio.toFixed(2)}`);
    }
    return faint;
}"""

SHIFTED = """() => new Promise(resolve => {
    let sum = 0;
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) sum += entry.value;
    }).observe({type: "layout-shift", buffered: true});
    setTimeout(() => resolve(sum), 500);
})"""


def open_page(browser: Browser, running: Running, **options: Any) -> Page:
    return entered(running, browser.new_context(**options).new_page(), HOME)


def test_the_first_page_answers_on_a_phone_without_scripts(
    running: Running, browser: Browser
) -> None:
    page = open_page(
        browser, running, java_script_enabled=False, viewport={"width": 320, "height": 700}
    )
    for name in ("Is anything wrong?", "Who is active", "What changed"):
        expect(page.get_by_role("heading", name=name)).to_be_visible()

    page.get_by_role("link", name="30 days").click()
    expect(page).to_have_url(re.compile(r"\?days=30$"))
    page.get_by_label("From").fill("2026-03-09")
    page.get_by_label("to", exact=True).fill("2026-03-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("is after until")
    expect(page.get_by_label("From")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("From").fill("2026-03-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("1 March 2026", exact=True)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_phone(running: Running, browser: Browser, path: str) -> None:
    page = open_page(browser, running, viewport={"width": 320, "height": 700})
    page.goto(running.url("acme", path))

    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(
    running: Running, browser: Browser, scheme: Any
) -> None:
    page = open_page(browser, running, color_scheme=scheme)
    for path in (*PAGES, f"{HOME}?since=x"):
        page.goto(running.url("acme", path))
        page.wait_for_load_state("networkidle")

        assert page.evaluate("document.documentElement.classList.contains('dark')") == (
            scheme == "dark"
        )
        assert page.evaluate(FAINT) == [], path


def test_the_next_page_is_light_asks_nobody_else_and_stays_in_place(
    running: Running, browser: Browser
) -> None:
    page = open_page(browser, running)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    sizes: list[float] = []
    page.on("request", lambda request: asked.append(request.url))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))

    for path in (f"{HOME}?days=90", f"{HOME}reports/sign-ins/?days=90"):
        sizes.clear()
        page.goto(running.url("acme", path))
        page.wait_for_load_state("networkidle")

        assert sizes
        assert sum(sizes) < 150_000, path
        assert page.evaluate(SHIFTED) < 0.01, path
    origin = running.url("acme", "")
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []


def test_the_table_behind_a_chart_is_reached_by_keys(running: Running, browser: Browser) -> None:
    page = open_page(browser, running)
    chart = page.locator("figure", has_text="Sign-ins per day").first
    picture = chart.get_by_role("img")
    expect(picture).to_have_attribute("aria-label", re.compile("^Sign-ins per day, .* on average"))

    chart.locator("summary").press("Enter")

    rows = chart.get_by_role("row")
    expect(rows).to_have_count(8)
    expect(rows.last.get_by_role("cell").first).to_be_visible()


def test_on_paper_there_is_what_is_said_and_nothing_to_click(
    running: Running, browser: Browser
) -> None:
    page = open_page(browser, running, color_scheme="dark")

    page.emulate_media(media="print")

    for gone in ("#nav-sidebar", ".t-period", ".t-chart details"):
        expect(page.locator(gone).first).to_be_hidden()
    for there in ("Is anything wrong?", "What changed"):
        expect(page.get_by_role("heading", name=there)).to_be_visible()
    expect(page.locator("svg.t-svg").first).to_be_visible()
    assert page.evaluate(FAINT) == []


def test_the_period_is_saved_as_a_pdf(running: Running, browser: Browser) -> None:
    page = open_page(browser, running)
    page.get_by_role("link", name="30 days").click()

    with page.expect_download() as download:
        page.get_by_role("link", name="Save as PDF").click()

    content = Path(download.value.path()).read_bytes()
    assert content.startswith(b"%PDF-")
    assert download.value.suggested_filename.startswith("acme-summary-")
    page.goto(running.url("acme", "/admin/activity/activityevent/?q=action:export.finished"))
    expect(page.get_by_text("The export of summary by Ann Lee (ann) was complete")).to_be_visible()
