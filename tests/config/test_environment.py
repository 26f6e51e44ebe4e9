"""The environment: strict, and helpful about what it refuses."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from config.environment import CHECKOUT, Environment, InvalidEnvironment, read


def refusal(**variables: str) -> str:
    with pytest.raises(InvalidEnvironment) as refused:
        read(variables)
    return str(refused.value)


def test_nothing_given_is_a_development_machine() -> None:
    environment = read({})

    assert environment.DATABASE_URL is environment.REDIS_URL is environment.SECRET_KEY is None
    assert environment.DEBUG is False
    assert environment.PORT == 8000
    assert environment.TENANTRY_BASE_DOMAIN == "localhost"
    assert environment.TENANTRY_DATA == CHECKOUT / ".data"


def test_empty_counts_as_not_given() -> None:
    assert read({"DATABASE_URL": "", "PORT": "  ", "TENANTRY_TIME_ZONE": ""}) == read({})


def test_what_is_not_ours_is_none_of_our_business() -> None:
    assert read({"PATH": "/bin", "DJANGO_SETTINGS_MODULE": "x", "port": "x"}) == read({})


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("DEBUG", "true", True),
        ("DEBUG", "0", False),
        ("PORT", " 8001 ", 8001),
        ("ALLOWED_HOSTS", "a.example, b.example,,", ("a.example", "b.example")),
        ("DATABASE_URL", "postgres://u:p@h:5432/n", "postgres://u:p@h:5432/n"),
        ("REDIS_URL", "rediss://h:6379/0", "rediss://h:6379/0"),
        ("TENANTRY_BASE_DOMAIN", "People.Example.COM.", "people.example.com"),
        ("TENANTRY_DATA", "elsewhere", CHECKOUT / "elsewhere"),
        ("TENANTRY_DATA", "/var/lib/tenantry", Path("/var/lib/tenantry")),
        ("TENANTRY_TRUSTED_PROXIES", "2", 2),
        ("TENANTRY_HOST_CACHE_SECONDS", "0", 0),
        ("TENANTRY_DNS_SERVERS", "9.9.9.9, [2620:fe::fe]:53", ("9.9.9.9", "[2620:fe::fe]:53")),
        ("TENANTRY_SPARE_SCHEMAS", "0", 0),
        ("TENANTRY_TIME_ZONE", "Europe/Berlin", "Europe/Berlin"),
        ("TENANTRY_LOG_FORMAT", "json", "json"),
        ("TENANTRY_EMAIL_URL", "smtp://u:p@h:587", "smtp://u:p@h:587"),
    ],
)
def test_what_can_be_used_is_read_with_its_type(name: str, given: str, meant: Any) -> None:
    assert getattr(read({name: given}), name) == meant


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("DEBUG", "maybe"),
        ("DEBUG", "2"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "eighty"),
        ("PORT", "80.5"),
        ("DATABASE_URL", "mysql://h/n"),
        ("DATABASE_URL", "sqlite:///x"),
        ("REDIS_URL", "http://h"),
        ("TENANTRY_BASE_DOMAIN", "http://example.com"),
        ("TENANTRY_BASE_DOMAIN", "example.com:8000"),
        ("TENANTRY_BASE_DOMAIN", "*.example.com"),
        ("TENANTRY_BASE_DOMAIN", "exa mple.com"),
        ("TENANTRY_BASE_DOMAIN", "-x.example"),
        ("TENANTRY_PUBLIC_PORT", "0"),
        ("TENANTRY_TRUSTED_PROXIES", "one"),
        ("TENANTRY_TRUSTED_PROXIES", "-1"),
        ("TENANTRY_TRUSTED_PROXIES", "11"),
        ("TENANTRY_DNS_SERVERS", "dns.example"),
        ("TENANTRY_DNS_SERVERS", "9.9.9.9, 1.2.3"),
        ("TENANTRY_DNS_SERVERS", "9.9.9.9:x"),
        ("TENANTRY_DNS_SERVERS", "9.9.9.9:99999"),
        ("TENANTRY_DNS_SERVERS", "2620:fe::fe"),
        ("TENANTRY_DNS_SERVERS", "https://9.9.9.9/dns-query"),
        ("TENANTRY_DNS_SERVERS", "me@9.9.9.9"),
        ("TENANTRY_HOST_CACHE_SECONDS", "-1"),
        ("TENANTRY_HOST_CACHE_SECONDS", "nan"),
        ("TENANTRY_HOST_CACHE_SECONDS", "inf"),
        ("TENANTRY_STATEMENT_SECONDS", "0"),
        ("TENANTRY_STATEMENT_SECONDS", "inf"),
        ("TENANTRY_SPARE_SCHEMAS", "-1"),
        ("TENANTRY_AGGREGATE_SECONDS", "0"),
        ("TENANTRY_TIME_ZONE", "Berlin"),
        ("TENANTRY_TIME_ZONE", "../etc/passwd"),
        ("TENANTRY_LOG_FORMAT", "xml"),
        ("TENANTRY_LOG_LEVEL", "info"),
        ("TENANTRY_EMAIL_URL", "mail.example.com"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_on_one_line(name: str, given: str) -> None:
    sentence = refusal(**{name: given})

    assert sentence.startswith(name)
    assert "cannot be used" in sentence
    assert len(sentence.splitlines()) == 1


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "TENANTRY_EMAIL_URL"])
def test_a_secret_that_cannot_be_used_is_not_repeated(name: str) -> None:
    assert "hunter2" not in refusal(**{name: "ftp://u:hunter2@h/n"})


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("TENANTRY_TRUSTED_PROXY", "did you mean TENANTRY_TRUSTED_PROXIES?"),
        ("TENANTRY_BASEDOMAIN", "did you mean TENANTRY_BASE_DOMAIN?"),
        ("TENANTRY_ZZZZZZZZZZ", "see .env.example"),
        ("TENANTRY_", ""),
    ],
)
def test_a_name_that_nobody_reads_is_refused_with_the_nearest(name: str, advice: str) -> None:
    sentence = refusal(**{name: "hunter2"})

    assert f"{name} is not a variable" in sentence
    assert advice in sentence
    assert "hunter2" not in sentence


def test_everything_that_is_wrong_is_said_at_once() -> None:
    lines = refusal(PORT="x", DEBUG="x", TENANTRY_X="x").splitlines()

    assert sorted(line.split()[0] for line in lines) == ["DEBUG", "PORT", "TENANTRY_X"]


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(Environment.model_fields)), st.just("TENANTRY_ODD")),
        st.text(st.characters(exclude_characters="\0"), max_size=30),
    )
)
def test_whatever_is_given_is_read_or_refused_with_a_line_each(variables: dict[str, str]) -> None:
    with suppress(InvalidEnvironment):
        assert read(variables).PORT


def test_djangos_own_commands_know_the_refusal() -> None:
    assert issubclass(InvalidEnvironment, ImproperlyConfigured)


def test_every_variable_says_what_it_is_for() -> None:
    undescribed = [n for n, field in Environment.model_fields.items() if not field.description]

    assert undescribed == []


def settings_with(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("TENANTRY_BASEDOMAIN", "hunter2"),
        ("DATABASE_URL", "mysql://u:hunter2@h/n"),
        ("DATABASE_URL", "postgresql://u:pass/hunter2@h/n"),
        ("DATABASE_URL", "postgresql://u:pass#hunter2@h:5432/n"),
        ("DATABASE_URL", "postgresql://u:hunter2@h:port/n"),
        ("DATABASE_URL", "postgresql://u:hunter2@[h/n"),
        ("TENANTRY_EMAIL_URL", "smtp://u:hunter2@h:port"),
    ],
)
def test_a_start_that_cannot_work_ends_with_one_sentence(name: str, given: str) -> None:
    started = settings_with(**{name: given})

    assert started.returncode == 1
    assert started.stdout == ""
    assert len(started.stderr.splitlines()) == 1, started.stderr
    assert started.stderr.startswith(f"error: {name}")
    assert "hunter2" not in started.stderr


@pytest.mark.parametrize("given", ["Console.Example.com", "console.example.com."])
def test_a_host_of_the_platform_is_served_however_it_was_written(given: str) -> None:
    assert read({"ALLOWED_HOSTS": given}).ALLOWED_HOSTS == ("console.example.com",)


@pytest.mark.parametrize("given", ["http://x.example", "x y", "x.example:8000"])
def test_what_is_no_host_of_the_platform_is_refused(given: str) -> None:
    assert refusal(ALLOWED_HOSTS=given).startswith("ALLOWED_HOSTS")
