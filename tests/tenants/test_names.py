"""What a tenant may be called, and which spellings are one host."""

import re

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from hypothesis import example, given
from hypothesis import strategies as st

from tenants.errors import InvalidInput
from tenants.models import Domain, Tenant
from tenants.names import (
    RESERVED_SLUGS,
    check_slug,
    is_schema_name,
    new_schema_name,
    normalize_host,
    request_host,
)

# Slugs: P04, P06

USABLE = ["acme", "a1b", "abc", "acme-corp", "a-b-c", "a" * 32, "x0-0x", "pga", "wwww", "t-1"]
MALFORMED = [
    "",
    " ",
    "a",
    "ab",
    "a" * 33,
    "a" * 1_000_000,
    "Acme",
    "ACME",
    "acmé",
    "аcme",  # noqa: RUF001 (Cyrillic)
    "ａｃｍｅ",  # noqa: RUF001 (full width)
    "acme ",
    " acme",
    "acme\n",
    "acme\0",
    "acme\t",
    "1acme",
    "1",
    "12345",
    "-acme",
    "acme-",
    "ac--me",
    "xn--acme-abc",
    "acme_corp",
    "acme.corp",
    "acme corp",
    "../x",
    "/etc",
    "a:b",
    "a%s",
    "a;b",
    "a'b",
    'a"b',
    "a\\b",
    "a$b",
    "$user",
    "pg_catalog",
    "pg_temp_1",
    "information_schema",
    "\u0661\u0662abc",
    "abc\u202e",
    "\ud800",
]
RESERVED = [
    *("public", "www", "admin", "api", "login", "static", "postgres", "localhost", "mail"),
    "information-schema",
    "pg-catalog",
    "pg-toast",
    "pg-1",
]


@pytest.mark.parametrize("slug", USABLE)
def test_a_usable_slug_is_returned_as_it_is(slug: str) -> None:
    assert check_slug(slug) == slug


@pytest.mark.parametrize("slug", MALFORMED, ids=lambda slug: ascii(slug[:30]))
def test_a_malformed_slug_is_refused_with_the_rule_on_one_line(slug: str) -> None:
    with pytest.raises(InvalidInput, match="3-32 characters a-z, 0-9") as refusal:
        check_slug(slug)

    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("slug", RESERVED)
def test_a_reserved_slug_is_refused(slug: str) -> None:
    with pytest.raises(InvalidInput, match="reserved"):
        check_slug(slug)


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("Acme", "acme"),
        ("Acme Inc.", "acme-inc"),
        ("  acme__corp  ", "acme-corp"),
        ("42 Acme", "acme"),
        ("x" * 40, "x" * 32),
        ("Admin", ""),
        ("PG Catalog", ""),
        ("??", ""),
    ],
)
def test_a_suggestion_is_made_only_if_it_would_be_accepted(typed: str, suggested: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_slug(typed)

    assert refusal.value.hint == (f"Try: {suggested}" if suggested else "")


slugs = st.one_of(
    st.text(max_size=40),
    st.text("abz019-_. \n", max_size=36),
    st.from_regex(r"[a-z][a-z0-9-]{1,31}", fullmatch=True),
)


@given(slugs)
@example("a-\n")
@example("ab\n")
def test_what_is_accepted_is_a_host_label_and_nothing_else(slug: str) -> None:
    try:
        check_slug(slug)
    except InvalidInput as refusal:
        suggestion = refusal.hint.removeprefix("Try: ")
        if refusal.hint.startswith("Try: "):
            assert check_slug(suggestion) == suggestion
        return

    assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", slug)
    assert "--" not in slug
    assert slug not in RESERVED_SLUGS
    assert normalize_host(f"{slug}.example") == request_host(f"{slug}.example") == f"{slug}.example"


@pytest.mark.parametrize(
    "slug", ["Acme", "1acme", "acme-", "ac--me", "acme\n", "a", "a.b", "acmé"], ids=ascii
)
def test_the_database_refuses_a_slug_that_slipped_by(db: None, slug: str) -> None:
    with (
        pytest.raises(IntegrityError, match="tenant_slug_is_wellformed"),
        transaction.atomic(),
    ):
        Tenant.objects.create(slug=slug, name="x")


# Schema names (T1)


def test_schema_names_are_random_and_ours() -> None:
    names = {new_schema_name() for _ in range(1000)}

    assert len(names) == 1000
    assert all(re.fullmatch(r"t_[a-z2-7]{16}", name) for name in names)
    assert all(is_schema_name(name) for name in names)


NOT_OURS = [
    "",
    "public",
    "acme",
    "t_",
    "t_" + "a" * 15,
    "t_" + "a" * 17,
    "T_" + "a" * 16,
    "t_" + "A" * 16,
    "t_" + "1" * 16,
    "t_" + "a" * 15 + "é",
    "t_" + "a" * 16 + "\n",
    't_" ; DROP SCHEMA x',
    "pg_temp",
    "information_schema",
]


@pytest.mark.parametrize("name", NOT_OURS, ids=ascii)
def test_a_name_that_we_would_not_make_is_no_schema_name(name: str) -> None:
    assert not is_schema_name(name)


@pytest.mark.parametrize("name", [name for name in NOT_OURS if len(name) <= 18], ids=ascii)
def test_the_database_refuses_a_schema_name_that_slipped_by(db: None, name: str) -> None:
    with (
        pytest.raises(IntegrityError, match="tenant_schema_name_is_ours"),
        transaction.atomic(),
    ):
        Tenant.objects.create(slug="initech", name="x", schema_name=name)


# Host names (P07)


@pytest.mark.parametrize(
    ("spellings", "host"),
    [
        (["people.acme.example", "PEOPLE.Acme.Example", "people.acme.example."],
         "people.acme.example"),
        (["bücher.example", "BÜCHER.example.", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE"],
         "xn--bcher-kva.example"),
        (["bu\u0308cher.example"], "xn--bcher-kva.example"),
        (["日本.example", "日本。example"], "xn--wgv71a.example"),
        (["www.acme.example", "WWW.acme.example"], "www.acme.example"),
        (["ａｃｍｅ.example"], "acme.example"),  # noqa: RUF001 (full width)
        (["1.2.3.4.example"], "1.2.3.4.example"),
        (["a.b"], "a.b"),
        ([f"{'a' * 63}.example"], f"{'a' * 63}.example"),
    ],
)  # fmt: skip
def test_every_spelling_of_a_host_is_stored_as_one(spellings: list[str], host: str) -> None:
    assert {normalize_host(spelling) for spelling in spellings} == {host}


@pytest.mark.parametrize(
    "name", ["faß.example", "ελλάς.example", "a\u200db.example", "a\u00adb.example"], ids=ascii
)
def test_a_name_that_browsers_read_as_another_domain_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="xn--"):
        normalize_host(name)


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("日本語。jp", "xn--wgv71a119e.jp"),
        ("ｂｃ.EXAMPLE", "bc.example"),  # noqa: RUF001 (full width)
        ("xn--fa-hia.example", "xn--fa-hia.example"),
    ],
)
def test_an_international_name_has_one_ascii_form(name: str, host: str) -> None:
    assert normalize_host(name) == host


def test_a_lookalike_is_another_host() -> None:
    assert normalize_host("аcme.example") != "acme.example"  # noqa: RUF001 (Cyrillic)


LONGEST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])


def test_a_host_has_at_most_253_characters() -> None:
    assert len(LONGEST) == 253
    assert normalize_host(LONGEST) == LONGEST == request_host(LONGEST)
    assert normalize_host(LONGEST + ".") == LONGEST

    with pytest.raises(InvalidInput):
        normalize_host("d" + LONGEST)
    assert request_host("d" + LONGEST) is None


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ".",
        "..",
        "localhost",
        "acme",
        "acme.",
        "acme.example:8000",
        "http://acme.example",
        "acme.example/",
        "acme.example/path",
        "ann@acme.example",
        "*.acme.example",
        ".acme.example",
        "acme..example",
        "acme.example..",
        "-acme.example",
        "acme-.example",
        "ac_me.example",
        "ac me.example",
        "acme.example\n",
        "acme.example\0",
        "10.0.0.1",
        "10.0.0.1.",
        "127.1",
        "1.2.3",
        "0x7f.1",
        "[::1]",
        "::1",
        "2001:db8::1",
        "acme.1",
        f"{'a' * 64}.example",
        f"{'ü' * 64}.example",
        "a." * 5000,
        "\ud800.example",
        "a\u200bcme.example\u202e",
        "'; DROP TABLE x; --.example",
    ],
    ids=lambda typed: ascii(typed[:40]),
)
def test_what_is_no_host_name_is_refused_on_one_line(typed: str) -> None:
    with pytest.raises(InvalidInput, match="is not a usable domain") as refusal:
        normalize_host(typed)

    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


hosts = st.one_of(
    st.text(max_size=300),
    st.text("aZé.-_:0 \n", max_size=40),
    st.from_regex(r"([a-zA-Z0-9-]{1,20}\.){1,4}[a-z]{2,8}\.?", fullmatch=True),
)


@given(hosts)
def test_what_is_stored_is_found_again_in_every_case(typed: str) -> None:
    try:
        host = normalize_host(typed)
    except InvalidInput:
        return

    assert normalize_host(host) == host
    assert re.fullmatch(r"[a-z0-9.-]+[a-z0-9]", host)
    assert len(host) <= 253
    for spelling in (host, host.upper(), f"{host}.", f"{host}:8000", f"{host.title()}.:1"):
        assert request_host(spelling) == host


@given(st.one_of(st.text(max_size=300), st.text("aB.:1-", max_size=30)))
@example("acme.example:\xb2")
@example("acme.example:\u0661")
def test_a_host_header_is_a_name_or_nothing(header: str) -> None:
    host = request_host(header)

    assert host is None or re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", host)
    if host and ":" in header:
        assert re.fullmatch(r"[0-9]*", header.partition(":")[2])


@pytest.mark.parametrize("host", ["Acme.example", "acme.example.", "acme.example\n", "é.example"])
def test_the_database_refuses_a_host_that_is_not_in_its_one_spelling(
    acme: Tenant, host: str
) -> None:
    with pytest.raises(IntegrityError, match="domain_is_normalized"), transaction.atomic():
        Domain.objects.create(tenant=acme, domain=host)


def test_a_host_belongs_to_one_tenant_and_a_tenant_has_one_primary_host(
    acme: Tenant, globex: Tenant
) -> None:
    with pytest.raises(IntegrityError, match="for_one_tenant"), transaction.atomic():
        Domain.objects.create(tenant=globex, domain="acme.localhost", verified_at=Now())
    with pytest.raises(IntegrityError, match="one_primary"), transaction.atomic():
        Domain.objects.create(
            tenant=acme, domain="second.example", is_primary=True, verified_at=Now()
        )
