"""System checks of a deployment: what must not go on line, and what to do instead."""

from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register, run_checks
from django.core.exceptions import ImproperlyConfigured

from activity.sealing.keys import SealKeyError, verifiers

LEAST_KEY_CHARACTERS: Final = 50
LEAST_DIFFERENT_CHARACTERS: Final = 10
_PLACEHOLDERS: Final = ("missing", "django-insecure-", "change-me", "changeme", "secret")
TAG: Final = "tenantry"


def _usable(key: str) -> bool:
    return (
        len(key) >= LEAST_KEY_CHARACTERS
        and len(set(key)) >= LEAST_DIFFERENT_CHARACTERS
        and not key.lower().startswith(_PLACEHOLDERS)
    )


def _seal_keys() -> SealKeyError | None:
    """Return why the record cannot be sealed or checked, if so."""
    try:
        verifiers()
    except SealKeyError as error:
        return error
    return None


@register(TAG)
@register(Tags.security, deploy=True)
def production_is_safe(**_: Any) -> list[CheckMessage]:
    """Refuse, under production settings, what would make a deployment unsafe or useless."""
    if not settings.TENANTRY_PRODUCTION:
        return []
    seal = _seal_keys()
    wrong = [
        (
            settings.DEBUG,
            "DEBUG is on.",
            "Remove DEBUG from the environment: it shows settings and data to anybody.",
            "E001",
        ),
        (
            not _usable(settings.SECRET_KEY),
            "SECRET_KEY is missing, a placeholder, or too short.",
            (
                "Set it to 50 or more random characters: "
                "python -c 'import secrets; print(secrets.token_urlsafe(64))'"
            ),
            "E002",
        ),
        (
            any(host in ("*", ".") for host in settings.ALLOWED_HOSTS),
            "ALLOWED_HOSTS admits every host.",
            "Name the hosts, or leave it out: the base domain and its subdomains are allowed.",
            "E003",
        ),
        (
            settings.EMBEDDED_POSTGRESQL,
            "DATABASE_URL is missing.",
            (
                "Set it to postgresql://user:password@host:5432/name. "
                "The embedded server is for development only."
            ),
            "E004",
        ),
        (
            settings.EMBEDDED_REDIS,
            "REDIS_URL is missing.",
            "Set it to redis://host:6379/0. The embedded server is for development only.",
            "E005",
        ),
        (
            settings.TENANTRY_BASE_DOMAIN == "localhost",
            "TENANTRY_BASE_DOMAIN is missing.",
            "Set it to the platform's host name, such as people.example.com.",
            "E006",
        ),
        (
            seal is not None,
            seal.message if seal else "",
            seal.hint if seal else "",
            "E007",
        ),
        (
            (settings.TENANTRY_WITNESS_URL or "https:").startswith("http:"),
            "TENANTRY_WITNESS_URL is not encrypted: whoever is on the way could answer for it.",
            "Use https.",
            "E008",
        ),
    ]
    return [
        Error(message, hint=hint, id=f"tenantry.{code}")
        for is_wrong, message, hint, code in wrong
        if is_wrong
    ]


def refuse_unsafe_start() -> None:
    """Raise ``ImproperlyConfigured`` with every problem and its hint, for web and worker.

    Commands run the checks by themselves; web servers and workers do not.
    """
    problems = [*run_checks(tags=[TAG]), *run_checks(tags=["tenants"])]
    if problems:
        raise ImproperlyConfigured("\n".join(f"{p.id}: {p.msg} {p.hint}" for p in problems))
