"""Which content security policy goes with which answer."""

import base64
import hashlib
import re

import pytest
from django.conf import settings

from config.environment import CHECKOUT

HEADER = "Content-Security-Policy"


def policy(answer):
    """The directives of an answer: name → sources."""
    parts = (part.split() for part in answer[HEADER].split(";"))
    return {name: set(sources) for name, *sources in parts}


def expected(**other):
    """The policy of all pages, with what differs."""
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    return {name: set(sources) for name, sources in (directives | other).items()}


STRICT = ["/", "/accounts/login/", "/nothing-here/", "/api/v1/activity/events/"]


@pytest.mark.parametrize("path", [*STRICT, "/static/tenantry/icon.svg"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_no_page_outside_the_panel_may_make_code_of_text(browser, acme, ann, path, signed_in):
    answer = browser(acme, ann if signed_in else None).get(path)

    answer.close()
    sources = policy(answer)
    assert sources == expected()
    assert sources["default-src"] == sources["base-uri"] == {"'none'"}
    assert sources["script-src"] == sources["form-action"] == {"'self'"}
    assert "unsafe" not in answer[HEADER]


@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/customuser/", "/admin/reports/"])
def test_the_panel_may_what_unfold_needs_and_no_inline_script(browser, acme, ann, path):
    answer = browser(acme, ann).get(path)

    assert answer.status_code == 200
    assert policy(answer) == expected(
        **{"script-src": ["'self'", "'unsafe-eval'"], "style-src": ["'self'", "'unsafe-inline'"]}
    )


def test_a_file_that_is_downloaded_may_nothing(browser, acme, ann):
    answer = browser(acme, ann).get("/admin/activity/activityevent/", {"export": "csv"})
    for _ in answer.streaming_content:
        pass

    assert answer.status_code == 200
    assert policy(answer)["default-src"] == {"'none'"}


def test_the_one_inline_style_is_the_one_that_is_allowed():
    plain = (CHECKOUT / "tenants/templates/tenants/plain.html").read_text()
    (style,) = re.findall(r"<style>(.*?)</style>", plain, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"'sha256-{digest}'" in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["style-src"]


def test_no_template_has_an_inline_script():
    for app in ("accounts", "activity", "config", "tenants"):
        for path in (CHECKOUT / app).rglob("*.html"):
            text = path.read_text()
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
            assert not re.search(r"\son[a-z]+=|javascript:", text), path
