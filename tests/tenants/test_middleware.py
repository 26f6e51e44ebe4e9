"""Whose a request is: the host says it, and nothing else does."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext

from accounts.models import CustomUser
from tenants import hosts, lifecycle
from tenants.context import current_tenant, enter_tenant
from tenants.models import Domain, Tenant

SIGN_IN = "/accounts/login/"
CUSTOM = "people.acme.example"


def ask(host: str, path: str = SIGN_IN, **extra: Any) -> HttpResponse:
    """Ask as somebody whom nobody knows."""
    return Client(headers={"host": host}).get(path, **extra)


def answer(response: Any) -> tuple[int, bytes, dict[str, str]]:
    """All that a stranger can see of an answer."""
    return response.status_code, response.content, dict(response.headers)


@pytest.fixture
def custom_domain(acme: Tenant) -> Domain:
    """A host of Acme's own."""
    return Domain.objects.create(tenant=acme, domain=CUSTOM, verified_at=Now())


@pytest.fixture
def nobody(db: None) -> tuple[int, bytes, dict[str, str]]:
    """What a host that nobody owns is answered."""
    return answer(ask("nobody.localhost"))


# The host names the tenant


def test_each_host_leads_to_its_tenant(acme: Tenant, globex: Tenant) -> None:
    at_acme, at_globex = ask("acme.localhost:8000"), ask("globex.localhost:8000")

    assert at_acme.status_code == at_globex.status_code == 200
    assert "Acme" in at_acme.content.decode()
    assert "Acme" not in at_globex.content.decode()
    assert "Globex" in at_globex.content.decode()
    assert current_tenant() is None


@pytest.mark.parametrize(
    "host",
    [
        "acme.localhost",
        "ACME.LocalHost",
        "acme.localhost.",
        "Acme.localhost.:8000",
        "acme.localhost:1",
        "acme.localhost:",
    ],
)
def test_every_spelling_of_a_host_is_the_same_host(acme: Tenant, host: str) -> None:
    response = ask(host)

    assert response.status_code == 200
    assert "Acme" in response.content.decode()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1:8000"])
def test_the_platform_has_its_own_host(db: None, host: str) -> None:
    response = ask(host)

    assert response.status_code == 200
    assert "Tenantry platform" in response.content.decode()


def test_a_customers_own_domain_needs_no_setting(custom_domain: Domain) -> None:
    assert not any("acme.example" in host for host in django_settings.ALLOWED_HOSTS)

    response = ask(f"{CUSTOM.upper()}.:8443")

    assert response.status_code == 200
    assert "Acme" in response.content.decode()


def test_ann_signs_in_on_the_customers_own_domain(custom_domain: Domain, ann: CustomUser) -> None:
    browser = Client(headers={"host": CUSTOM}, enforce_csrf_checks=True)
    browser.get(SIGN_IN)

    response = browser.post(
        SIGN_IN,
        {
            "login": "ann",
            "password": "correct horse battery staple",
            "csrfmiddlewaretoken": browser.cookies["csrftoken"].value,
        },
        headers={"origin": f"http://{CUSTOM}"},
    )

    assert response.status_code == 302
    assert browser.get("/admin/").status_code == 200


def test_a_customers_domain_is_redirected_to_https(custom_domain: Domain, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True

    response = ask(CUSTOM, "/admin/?next=1")

    assert response.status_code == 301
    assert response.headers["Location"] == f"https://{CUSTOM}/admin/?next=1"


def test_a_header_of_the_clients_does_not_choose_the_tenant(acme: Tenant, globex: Tenant) -> None:
    forged = {
        "x-forwarded-host": "globex.localhost",
        "x-host": "globex.localhost",
        "forwarded": "host=globex.localhost",
    }

    response = Client(headers={"host": "acme.localhost", **forged}).get(SIGN_IN)

    assert "Acme" in response.content.decode()
    assert "Globex" not in response.content.decode()
    assert ask("nobody.localhost", headers=forged).status_code == 404


# A host that nobody owns learns nothing


@pytest.mark.parametrize(
    "host",
    [
        "nobody.localhost",
        "www.localhost",
        "public.localhost",
        "example.com",
        "acme",
        "acme.localhost.evil.example",
        "acme.localhost@evil.example",
        "xacme.localhost",
        "a.acme.localhost",
        "acme.localhost..",
        ".acme.localhost",
        "acme..localhost",
        "acme localhost",
        "acme.localhost/",
        "acme.localhost:80:80",
        "acme.localhost:x",
        "acme.localhost:-1",
        "acme.localhost:\xb2",
        "acm\xe9.localhost",
        "acme_.localhost",
        "-acme.localhost",
        "%61cme.localhost",
        "acme.localhost\0",
        "acme.localhost,globex.localhost",
        "[::1]",
        "[::1]:8000",
        "10.0.0.1",
        "0",
        "'; DROP SCHEMA public; --",
        "*",
        "..",
        f"{'a' * 64}.localhost",
        f"{'a.' * 130}localhost",
        "a" * 100_000,
    ],
    ids=lambda host: repr(host[:40]),
)
def test_a_host_that_nobody_owns_is_answered_alike(
    acme: Tenant, nobody: tuple[int, bytes, dict[str, str]], host: str
) -> None:
    assert nobody[0] == 404
    for path in ("/", "/admin/", SIGN_IN, "/nothing", "/static/tenantry/panel.css"):
        assert answer(ask(host, path)) == nobody


def test_the_answer_names_nobody(nobody: tuple[int, bytes, dict[str, str]]) -> None:
    _, page, headers = nobody

    for word in (b"acme", b"globex", b"tenant", b"django", b"nobody.localhost"):
        assert word not in page.lower()
    assert not {"Set-Cookie", "X-Request-ID", "Location"} & set(headers)


@pytest.mark.parametrize("method", ["post", "put", "delete", "options", "patch"])
def test_no_method_gets_more(nobody: tuple[int, bytes, dict[str, str]], method: str) -> None:
    client = Client(headers={"host": "nobody.localhost"}, enforce_csrf_checks=True)

    assert answer(getattr(client, method)("/accounts/login/")) == nobody


# A tenant that is to be deleted says so until it is purged: tests/tenants/test_deletion.py.
KNOWN = ("active", "suspended", "deletion_scheduled")


@pytest.mark.parametrize("state", [state for state in Tenant.State if state not in KNOWN])
def test_a_tenant_that_is_not_there_yet_or_any_more_is_nobody(
    acme: Tenant, nobody: tuple[int, bytes, dict[str, str]], state: str
) -> None:
    acme.state = state
    acme.save()

    assert answer(ask("acme.localhost")) == nobody


@pytest.mark.parametrize(
    "damage",
    [
        "COMMENT ON SCHEMA {acme.schema_name} IS 'tenantry:{globex.pk}'",
        "COMMENT ON SCHEMA {acme.schema_name} IS NULL",
        "COMMENT ON SCHEMA {acme.schema_name} IS 'tenantry'",
        "ALTER SCHEMA {acme.schema_name} RENAME TO elsewhere",
    ],
)
def test_a_schema_that_is_not_the_tenants_own_is_not_served(
    acme: Tenant, globex: Tenant, nobody: tuple[int, bytes, dict[str, str]], damage: str
) -> None:
    assert ask("acme.localhost").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute(damage.format(acme=acme, globex=globex))
    hosts.forget_hosts()

    assert answer(ask("acme.localhost")) == nobody
    assert ask("globex.localhost").status_code == 200


def test_two_tenants_with_exchanged_schemas_are_not_served(acme: Tenant, globex: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SCHEMA {acme.schema_name} RENAME TO between")
        cursor.execute(f"ALTER SCHEMA {globex.schema_name} RENAME TO {acme.schema_name}")
        cursor.execute(f"ALTER SCHEMA between RENAME TO {globex.schema_name}")

    assert ask("acme.localhost").status_code == ask("globex.localhost").status_code == 404


def test_for_a_host_that_nobody_owns_no_session_and_no_person_is_looked_up(
    acme: Tenant, browser: Callable[..., Client], ann: CustomUser
) -> None:
    jar = browser(acme, ann).cookies
    client = Client(headers={"host": "nobody.localhost"})
    client.cookies = jar

    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = client.get("/admin/")

    statements = [q["sql"] for q in queries if "search_path" not in q["sql"]]
    assert response.status_code == 404
    assert len(statements) == 1
    assert "tenants_domain" in statements[0]


# Suspended


def test_a_suspended_tenant_gets_a_plain_refusal(
    acme: Tenant, globex: Tenant, browser: Callable[..., Client], ann: CustomUser
) -> None:
    client = browser(acme, ann)
    lifecycle.suspend(acme)

    for path in ("/", "/admin/", SIGN_IN, "/nothing"):
        response = client.get(path)
        assert response.status_code == 403
        assert "suspended" in response.content.decode()
        assert "Acme" not in response.content.decode()
        assert not response.cookies
    assert ask("globex.localhost").status_code == 200


def test_a_tenant_that_is_resumed_is_there_at_once(
    acme: Tenant, browser: Callable[..., Client], ann: CustomUser
) -> None:
    client = browser(acme, ann)
    lifecycle.suspend(acme)
    assert client.get("/").status_code == 403

    lifecycle.resume(acme)

    assert client.get("/").status_code == 200


# Each host has its own URLs (I22)


def test_the_tenants_panel_is_not_on_the_platform(
    browser: Callable[..., Client], operator: CustomUser
) -> None:
    client = browser(None, operator)

    for path in ("/admin/summary/", "/admin/retention/", "/admin/auth/group/"):
        assert client.get(path).status_code == 404
        assert ask("localhost", path).status_code in (302, 404)


def test_the_platforms_console_is_not_on_a_tenants_host(
    acme: Tenant, browser: Callable[..., Client], ann: CustomUser
) -> None:
    client = browser(acme, ann)

    for path in (
        "/admin/tenants/",
        "/admin/tenants/tenant/",
        "/admin/tenants/tenant/add/",
        f"/admin/tenants/tenant/{acme.pk}/change/",
        "/admin/tenants/domain/",
    ):
        assert client.get(path).status_code == 404
        assert client.post(path, {"slug": "mine", "name": "Mine"}).status_code == 404
        assert ask("acme.localhost", path).status_code in (302, 404)
    assert not Tenant.objects.filter(slug="mine").exists()


# What a process remembers


def test_the_second_request_asks_nobody_whose_the_host_is(
    acme: Tenant, django_assert_num_queries: Any
) -> None:
    hosts.answer_for("acme.localhost")

    with django_assert_num_queries(0):
        assert hosts.answer_for("acme.localhost").tenant == acme


def test_that_nobody_owns_a_host_is_remembered_too(
    db: None, django_assert_num_queries: Any
) -> None:
    hosts.answer_for("nobody.localhost")

    with django_assert_num_queries(0):
        assert hosts.answer_for("nobody.localhost").tenant is None


def test_what_is_remembered_expires(acme: Tenant, settings: Any) -> None:
    settings.TENANTRY_HOST_CACHE_SECONDS = -1.0
    assert hosts.answer_for("acme.localhost").tenant == acme
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.DELETED)

    known = hosts.answer_for("acme.localhost").tenant

    assert known
    assert not known.is_active


def test_a_new_domain_is_known_at_once(acme: Tenant) -> None:
    assert ask(CUSTOM).status_code == 404

    domain = Domain.objects.create(tenant=acme, domain=CUSTOM, verified_at=Now())
    assert ask(CUSTOM).status_code == 200

    domain.delete()
    assert ask(CUSTOM).status_code == 404


def test_what_was_being_asked_for_when_all_was_forgotten_is_not_remembered(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = hosts._look_up

    def overtaken(host: str) -> hosts.Answer:
        answer = look_up(host)
        Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.SUSPENDED)
        hosts.forget_hosts()
        return answer

    monkeypatch.setattr(hosts, "_look_up", overtaken)
    hosts.answer_for("acme.localhost")
    monkeypatch.undo()

    tenant = hosts.answer_for("acme.localhost").tenant
    assert tenant is not None
    assert tenant.state == Tenant.State.SUSPENDED


def test_what_another_thread_remembered_before_the_commit_is_dropped_at_the_commit(
    acme: Tenant, django_capture_on_commit_callbacks: Any, elsewhere: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.suspend(acme)
        # Another thread of this process asks while nothing is committed.
        assert elsewhere(hosts.answer_for, "acme.localhost").tenant.is_active

    assert ask("acme.localhost").status_code == 403


def test_strangers_cannot_fill_the_memory(acme: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr(hosts, "_MOST_HOSTS", 20)

    for number in range(40):
        ask(f"host-{number}.localhost")

    assert len(hosts._remembered) <= 20
    assert ask("acme.localhost").status_code == 200


# Links name the stored host


def test_links_name_the_primary_domain_whatever_was_asked(
    custom_domain: Domain, acme: Tenant
) -> None:
    assert hosts.absolute_url("/x", acme) == "http://acme.localhost:8000/x"

    acme.domains.update(is_primary=False)
    acme.domains.filter(domain=CUSTOM).update(is_primary=True)

    assert hosts.absolute_url("/x", acme) == f"http://{CUSTOM}:8000/x"
    assert hosts.absolute_url("/x") == "http://localhost:8000/x"


def test_a_forged_host_does_not_get_into_a_mail(
    acme: Tenant, ann: CustomUser, mailoutbox: list[Any]
) -> None:
    with TestCase.captureOnCommitCallbacks(execute=True):
        Client(headers={"host": "ACME.localhost.:6666", "x-forwarded-host": "evil.example"}).post(
            "/accounts/password/reset/", {"email": ann.email}
        )

    (mail,) = mailoutbox
    assert "http://acme.localhost:8000/" in mail.body
    assert "6666" not in mail.body
    assert "evil" not in mail.body


@pytest.mark.parametrize(
    ("scheme", "port", "expected"),
    [
        ("https", None, "https://acme.example"),
        ("https", 443, "https://acme.example"),
        ("http", 80, "http://acme.example"),
        ("https", 8443, "https://acme.example:8443"),
    ],
)
def test_the_port_is_named_where_it_is_not_the_schemes_own(
    settings: Any, scheme: str, port: int | None, expected: str
) -> None:
    settings.TENANTRY_SCHEME, settings.TENANTRY_PUBLIC_PORT = scheme, port

    assert hosts.origin("acme.example") == expected


# Cookies of one host at another


def test_anns_cookie_opens_nothing_at_globex(
    acme: Tenant, globex: Tenant, browser: Callable[..., Client], ann: CustomUser, sam: CustomUser
) -> None:
    stolen = browser(acme, ann).cookies
    client = browser(globex)
    client.cookies = stolen

    assert client.get("/admin/").status_code == 302
    assert client.get("/").status_code == 302


def test_a_session_key_known_at_both_hosts_still_opens_only_one(
    acme: Tenant, globex: Tenant, browser: Callable[..., Client], ann: CustomUser, sam: CustomUser
) -> None:
    """Even with the session's row copied and equal password hashes, as after a bad restore."""
    client = browser(acme, ann)
    key = client.cookies["sessionid"].value
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {globex.schema_name}.django_session "
            f"SELECT * FROM {acme.schema_name}.django_session WHERE session_key = %s",
            [key],
        )
    with enter_tenant(globex):
        CustomUser.objects.filter(pk=sam.pk).update(password=ann.password)
    stranger = browser(globex)
    stranger.cookies["sessionid"] = key

    assert stranger.get("/admin/").status_code == 302
    assert client.get("/admin/").status_code == 200


def test_every_answer_of_a_tenant_has_an_id_of_ours(acme: Tenant) -> None:
    theirs = str(uuid.uuid4())

    response = ask("acme.localhost", headers={"x-request-id": theirs})

    assert uuid.UUID(response.headers["X-Request-ID"])
    assert response.headers["X-Request-ID"] != theirs
