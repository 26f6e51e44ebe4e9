"""Which content security policy goes with which answer."""

import base64
import hashlib
import re

import pytest
from django.conf import settings
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import Client

from config.environment import CHECKOUT
from tenants.hosts import forget_hosts
from tenants.models import Domain, Tenant
from tests.apps import APPS

HEADER = "Content-Security-Policy"


def policy(answer):
    """The directives of an answer: name → sources."""
    parts = (part.split() for part in answer[HEADER].split(";"))
    return {name: set(sources) for name, *sources in parts}


def expected(**other):
    """The policy of all pages, with what differs."""
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    return {name: set(sources) for name, sources in (directives | other).items()}


def suspended(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(state=Tenant.State.SUSPENDED)


def closed(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(state=Tenant.State.DELETION_SCHEDULED)


def behind(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(lacks=["accounts.0001_initial"])


def moved(tenant):
    Domain.objects.create(tenant=tenant, domain=OLD, redirects=True, verified_at=Now())


OLD = "old.acme.example"
UNSERVED = [
    ("nobody.localhost", "/", lambda tenant: None, 404),
    ("acme.localhost", "/", suspended, 403),
    ("acme.localhost", "/api/v1/activity/events/", suspended, 403),
    ("acme.localhost", "/", closed, 403),
    ("acme.localhost", "/", behind, 503),
    ("acme.localhost", "/api/v1/activity/events/", behind, 503),
    (OLD, "/", moved, 308),
    ("acme.localhost", "/healthz", lambda tenant: None, 200),
    ("nobody.localhost", "/readyz", lambda tenant: None, (200, 503)),
]


@pytest.mark.parametrize(("host", "path", "become", "status"), UNSERVED)
def test_what_is_answered_before_any_page_has_the_headers_too(
    acme, settings, host, path, become, status
):
    settings.SECURE_HSTS_SECONDS = 3600
    become(acme)
    forget_hosts()

    answer = Client(headers={"host": host}).get(path, secure=True)

    assert answer.status_code in (status if isinstance(status, tuple) else (status,))
    assert policy(answer) == expected()
    assert secured(answer)


def test_a_host_that_cannot_be_looked_up_is_answered_with_the_headers_too(
    db, settings, monkeypatch
):
    def fail(host):
        raise OperationalError("the server is gone")

    settings.SECURE_HSTS_SECONDS = 3600
    monkeypatch.setattr("tenants.middleware.answer_for", fail)

    client = Client(headers={"host": "acme.localhost"}, raise_request_exception=False)
    answer = client.get("/", secure=True)

    assert answer.status_code == 503
    assert policy(answer) == expected()
    assert secured(answer)


def test_a_page_has_each_header_once(browser, acme, ann, settings):
    settings.SECURE_HSTS_SECONDS = 3600

    answer = browser(acme, ann).get("/", secure=True)

    assert answer.status_code == 200
    assert secured(answer)


def secured(answer):
    """Whether a browser is told to guess no types, to keep to https, and to say little of us."""
    told = ("X-Content-Type-Options", "Strict-Transport-Security", "Referrer-Policy")
    wanted = ["nosniff", "max-age=3600", "same-origin"]
    return [answer.headers.get(name, "") for name in told] == wanted


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
    for app in APPS:
        for path in (CHECKOUT / app).rglob("*.html"):
            text = path.read_text()
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
            assert not re.search(r"\son[a-z]+=|javascript:", text), path
