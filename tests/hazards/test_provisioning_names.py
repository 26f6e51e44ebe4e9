"""P04, P06, P07: a name that is refused is refused at every door, and one host is one tenant's.

What single names mean is in ``tests/tenants/test_names.py``; here are the doors.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import CustomUser
from tenants import domains, provisioning, renaming
from tenants.context import enter_platform
from tenants.errors import Conflict, InvalidInput
from tenants.models import Domain, Tenant
from tenants.names import SLUG_PATTERN, check_slug, normalize_host
from tests.tenants.conftest import run  # noqa: F401 (a fixture)

Door = Callable[[str], str]


def everything() -> tuple[Any, ...]:
    """Every schema, tenant and host."""
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace ORDER BY 1")
        return (
            cursor.fetchall(),
            list(Tenant.objects.order_by("pk").values()),
            list(Domain.objects.order_by("pk").values()),
        )


@pytest.fixture
def doors(
    acme: Tenant,
    run: Any,  # noqa: F811
    browser: Callable[..., Client],
    operator: CustomUser,
) -> dict[str, Door]:
    """Every way in which a slug can be asked for; each returns what was said."""
    console = browser(None, operator)

    def by_command(slug: str) -> str:
        ran = run("create", "--", slug)
        assert ran.status == 2
        return str(ran.stderr)

    def by_renaming_command(slug: str) -> str:
        ran = run("rename", "--", "acme", slug)
        assert ran.status == 2
        return str(ran.stderr)

    def by_form(slug: str) -> str:
        wanted = {"slug": slug, "name": "X", "time_zone": "UTC"}
        response = console.post("/admin/tenants/tenant/add/", wanted)
        assert response.status_code == 200
        return response.content.decode()

    def by_creating(slug: str) -> str:
        with pytest.raises(InvalidInput) as refused:
            provisioning.create(provisioning.TenantRequest(slug=slug))
        return str(refused.value)

    def by_renaming(slug: str) -> str:
        with pytest.raises(InvalidInput) as refused:
            renaming.rename(acme, slug)
        return str(refused.value)

    return {
        "command": by_command,
        "renaming command": by_renaming_command,
        "form": by_form,
        "creating": by_creating,
        "renaming": by_renaming,
    }


# What is reserved: P04


@pytest.mark.parametrize(
    "slug",
    [
        *("public", "information-schema", "pg-catalog", "pg-toast", "www", "admin", "postgres"),
        *("select", "user", "table", "null", "api", "login", "static", "localhost"),
    ],
)
def test_p04_a_reserved_name_is_refused_at_every_door(doors: dict[str, Door], slug: str) -> None:
    before = everything()

    for door in doors.values():
        assert "is reserved" in door(slug)

    assert everything() == before


@pytest.mark.parametrize(
    "slug", ["information_schema", "pg_catalog", "$user", "12345", "1", '"public"', "PUBLIC"]
)
def test_p04_a_name_of_postgresqls_is_not_even_well_formed(
    doors: dict[str, Door], slug: str
) -> None:
    before = everything()

    for door in doors.values():
        assert "not usable" in door(slug)

    assert everything() == before


# What is malformed: P06


@pytest.mark.parametrize(
    "slug",
    [
        *("../x", "a:b", "a%s", "a'b", 'a"b', "a;b", "a b c", "acme\nx", "a\\b", "%61cme"),
        *("acmé", "аcme", "Acme", "acme-", "a--b", "a" * 64, "x" * 5000),  # noqa: RUF001
    ],
    ids=lambda slug: ascii(slug[:20]),
)
def test_p06_a_malformed_name_is_refused_at_every_door(doors: dict[str, Door], slug: str) -> None:
    before = everything()

    for door in doors.values():
        assert "not usable" in door(slug) or "at most 32" in door(slug)

    assert everything() == before


def test_p06_nul_is_refused_at_every_door(doors: dict[str, Door]) -> None:
    before = everything()

    for door in doors.values():
        said = door("ac\0me")
        assert "not usable" in said or "Null characters are not allowed" in said

    assert everything() == before


@given(st.one_of(st.text(max_size=40), st.text("abz019-_.:%/'\" \n\0", max_size=36)))
@example("acme\n")
@example("pg-1")
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_p06_what_is_accepted_matches_the_whole_pattern(slug: str) -> None:
    try:
        accepted = check_slug(slug)
    except InvalidInput:
        return

    assert accepted == slug
    assert re.fullmatch(SLUG_PATTERN, slug)
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", slug)
    assert not slug.startswith("pg-")


# One host has one spelling and is one tenant's (P07)


SPELLINGS = [
    ("people.acme.example", ["PEOPLE.Acme.EXAMPLE", "people.acme.example."]),
    ("xn--bcher-kva.example", ["bücher.example", "BÜCHER.example.", "bu\u0308cher.example"]),
    ("www.acme.example", ["WWW.acme.example", "www.ACME.example."]),
    (".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]), []),
]  # fmt: skip


@pytest.mark.parametrize(("host", "spellings"), SPELLINGS, ids=lambda value: str(value)[:24])
def test_p07_all_spellings_are_one_domain_and_one_tenants(
    acme: Tenant, globex: Tenant, host: str, spellings: list[str]
) -> None:
    domains.add(acme, host, vouched=True)

    for spelling in [host, *spellings]:
        assert not domains.add(acme, spelling).changed
        for vouched in (False, True):
            with pytest.raises(Conflict, match="taken by another tenant"):
                domains.add(globex, spelling, vouched=vouched)
        with pytest.raises(Conflict, match="taken by another tenant"):
            provisioning.create(provisioning.TenantRequest(slug="initech", domains=(spelling,)))
    assert list(Domain.objects.filter(domain=host).values_list("tenant", flat=True)) == [acme.pk]


def test_p07_www_and_lookalikes_are_other_hosts(acme: Tenant, globex: Tenant) -> None:
    domains.add(acme, "acme.example", vouched=True)

    assert domains.add(globex, "www.acme.example", vouched=True).changed
    assert domains.add(globex, "аcme.example", vouched=True).domain.domain.startswith("xn--")  # noqa: RUF001
    assert Client(headers={"host": "acme.example"}).get("/accounts/login/").status_code == 200
    page = Client(headers={"host": "www.acme.example"}).get("/accounts/login/").content.decode()
    assert "Globex" in page


@pytest.mark.parametrize(
    "typed",
    [
        *("10.0.0.1", "127.1", "[::1]", "2001:db8::1", "0x7f.1", "localhost", "acme", ""),
        *("acme.example:8000", "http://acme.example", "acme.example/x", "*.acme.example"),
        *("acme..example", "-acme.example", "ac_me.example", "acme.example\0", "../x"),
        "d" + ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]),
    ],
    ids=lambda typed: ascii(typed[:24]),
)  # fmt: skip
def test_p07_what_is_no_host_name_is_refused_at_every_door(
    acme: Tenant,
    run: Any,  # noqa: F811
    browser: Callable[..., Client],
    operator: CustomUser,
    typed: str,
) -> None:
    console = browser(None, operator)
    before = everything()
    form = {"slug": "initech", "name": "X", "time_zone": "UTC", "domain": typed}
    page = f"/admin/tenants/tenant/{acme.pk}/domains/"

    assert "not a usable domain" in run("domain", "add", "--", "acme", typed).stderr
    answer = console.post(page, {"act": "add", "domain": typed}, follow=True)
    assert "not a usable domain" in answer.content.decode()
    if typed:
        assert "not a usable domain" in run("create", "initech", f"--domain={typed}").stderr
        said = console.post("/admin/tenants/tenant/add/", form).content.decode()
        assert "not a usable domain" in said or "Null characters" in said

    assert everything() == before


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[a-zA-Zü.:-]{1,30}", fullmatch=True)))
@settings(max_examples=500)
def test_p07_the_normal_form_is_one(typed: str) -> None:
    try:
        host = normalize_host(typed)
    except InvalidInput:
        return

    assert re.fullmatch(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", host)
    assert (
        normalize_host(host) == normalize_host(host.upper()) == normalize_host(f"{host}.") == host
    )
