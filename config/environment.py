"""Every environment variable that Tenantry reads, with its type, default and meaning.

One class is the whole list: settings, the runner, ``.env.example`` and the table in
``docs/operations.md`` follow it, and tests keep them equal. Reading is strict. A value that does
not parse, or a ``TENANTRY_`` name that nobody reads, stops the start with a sentence that names
the variable, because a silently ignored ``TENANTRY_TRUSTED_PROXIES=one`` would be found by an
attacker and not by us.
"""

import difflib
import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

CHECKOUT = Path(__file__).resolve().parent.parent
PREFIX = "TENANTRY_"


class InvalidEnvironment(ImproperlyConfigured):
    """One or more environment variables cannot be used; the message has a line for each."""


def _split_commas(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _hostname(value: str) -> str:
    labels = value.lower().rstrip(".").split(".")
    if not all(re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels):
        raise ValueError("expected a host name such as example.com, without scheme, port or path")
    return ".".join(labels)


def _hostnames(values: tuple[str, ...]) -> tuple[str, ...]:
    # What admits every host is left to config.checks, which says why not (tenantry.E003).
    return tuple(value if value in ("*", ".") else _hostname(value) for value in values)


def _url_with_scheme(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(
                "expected a URL that starts with " + " or ".join(f"{s}://" for s in schemes)
            )
        try:
            _ = urlsplit(value).port
        except ValueError:
            raise ValueError(
                "expected a URL with a number as its port and with special characters of the"
                " password percent-encoded"
            ) from None
        return value

    return AfterValidator(check)


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("expected a time zone of the tz database such as Europe/Berlin") from None
    return value


def _name_servers(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            parts = urlsplit(f"//{value}")
            _ = ip_address(parts.hostname or ""), parts.port
            is_alone = parts.netloc == value and "@" not in value
        except ValueError:
            is_alone = False
        if not is_alone:
            raise ValueError(
                "expected IP addresses such as 9.9.9.9 or [2620:fe::fe]:53, separated by commas"
            )
    return values


def _split_words(value: Any) -> Any:
    return tuple(re.findall(r"[^\s,]+", value))


_KEY = r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+"


def _private_key(value: str) -> str:
    # Whether name, id and key belong together is asked by config.checks (tenantry.E007).
    if not re.fullmatch(r"PRIVATE\+KEY\+" + _KEY, value):
        raise ValueError(
            "expected PRIVATE+KEY+name+id+key, the line that manage.py activity keygen prints"
        )
    return value


def _public_keys(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(_KEY, value) for value in values):
        raise ValueError(
            "expected public keys of the form name+id+key, separated by spaces or commas"
        )
    return values


def _with_a_host(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.fragment or parts.username or re.search(r"\s", value):
        raise ValueError("expected a URL such as https://witness.example.com/notes")
    return value


def _bucket(value: str) -> str:
    parts = urlsplit(value)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    endpoint = urlsplit(asked.pop("endpoint", "https://example.com"))
    is_known = asked.keys() <= {"region"} and endpoint.scheme in ("https", "http")
    if not (parts.hostname and is_known and endpoint.hostname) or re.search(r"\s|#", value):
        raise ValueError("expected a URL such as s3://key:secret@bucket/prefix?region=eu-central-1")
    return value


def _token(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._~-]{32,200}", value):
        raise ValueError("expected 32 to 200 letters and digits, as openssl rand -hex 24 prints")
    return value


class Environment(BaseModel):
    """What the process was told from outside. Empty values count as not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    DEBUG: bool = Field(False, description="Show tracebacks in the browser. Refused in production.")
    SECRET_KEY: str | None = Field(
        None,
        description="Signs sessions and links; at least 50 random characters. "
        "Development makes one in the data directory; production needs it.",
    )
    SECRET_KEY_FALLBACKS: Annotated[tuple[str, ...], BeforeValidator(_split_words)] = Field(
        (),
        description="Values that SECRET_KEY had before, separated by spaces or commas. Sessions, "
        "links and second factors of then stay good while they stand here.",
    )
    TENANTRY_SEAL_KEY: Annotated[str, AfterValidator(_private_key)] | None = Field(
        None,
        description="Signs the checkpoints of the record: what `manage.py activity keygen` prints. "
        "Development makes one in the data directory; production needs it, or the file.",
    )
    TENANTRY_SEAL_KEY_FILE: Annotated[Path, AfterValidator(lambda path: CHECKOUT / path)] | None = (
        Field(
            None,
            description="A file with that key, in place of the variable. Nobody but its owner may "
            "have access to it.",
        )
    )
    TENANTRY_SEAL_KEYS: Annotated[
        tuple[str, ...], BeforeValidator(_split_words), AfterValidator(_public_keys)
    ] = Field(
        (),
        description="Public keys that signed the record before, separated by spaces or commas. "
        "They stay published, so that old checkpoints can be checked.",
    )
    TENANTRY_WITNESS_FILE: Annotated[Path, AfterValidator(lambda path: CHECKOUT / path)] | None = (
        Field(
            None,
            description="A file to which workers append each checkpoint of the record, best on "
            "another machine's disk. Not given: none.",
        )
    )
    TENANTRY_WITNESS_URL: (
        Annotated[str, _url_with_scheme("https", "http"), AfterValidator(_with_a_host)] | None
    ) = Field(
        None,
        description="An address to which workers send each checkpoint of the record by POST; "
        "in production https. Not given: none.",
    )
    TENANTRY_METRICS_TOKEN: Annotated[str, AfterValidator(_token)] | None = Field(
        None,
        description="What a monitoring system sends as bearer token to be given /metrics of the "
        "platform's host; 32 or more letters and digits. Not given: there is no such page.",
    )
    ALLOWED_HOSTS: Annotated[
        tuple[str, ...], BeforeValidator(_split_commas), AfterValidator(_hostnames)
    ] = Field(
        (),
        description="Comma-separated host names served besides the base domain and its subdomains. "
        "Custom domains of tenants need no entry: they are looked up.",
    )
    DATABASE_URL: Annotated[str, _url_with_scheme("postgres", "postgresql")] | None = Field(
        None, description="PostgreSQL 18. Not given: an embedded server (development only)."
    )
    DATABASE_OWNER_URL: Annotated[str, _url_with_scheme("postgres", "postgresql")] | None = Field(
        None,
        description="The same database as the role that owns the schemas, on a direct connection. "
        "For migrations and workers; without it DATABASE_URL is the owner's.",
    )
    REDIS_URL: Annotated[str, _url_with_scheme("redis", "rediss", "unix")] | None = Field(
        None, description="Redis 6.2 or newer. Not given: an embedded server (development only)."
    )
    PORT: int = Field(8000, ge=1, le=65535, description="The port on which `make up` serves.")
    TENANTRY_BASE_DOMAIN: Annotated[str, AfterValidator(_hostname)] = Field(
        "localhost", description="The platform's own host; tenants live on <slug>.<base domain>."
    )
    TENANTRY_DATA: Annotated[Path, AfterValidator(lambda path: CHECKOUT / path)] = Field(
        CHECKOUT / ".data",
        description="Directory of the embedded servers, development secrets and mail.",
    )
    TENANTRY_PUBLIC_PORT: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="The port in links, where it is not the scheme's own. Development: PORT.",
    )
    TENANTRY_TRUSTED_PROXIES: int = Field(
        0,
        ge=0,
        le=10,
        description="How many reverse proxies stand in front and append to X-Forwarded-For. "
        "With 0 the header is ignored.",
    )
    TENANTRY_DNS_SERVERS: Annotated[
        tuple[str, ...], BeforeValidator(_split_commas), AfterValidator(_name_servers)
    ] = Field(
        (),
        description="Comma-separated name servers, ip or ip:port, that are asked for proofs of "
        "custom domains. Not given: the system's.",
    )
    TENANTRY_HOST_CACHE_SECONDS: float = Field(
        5.0,
        ge=0,
        le=300,
        description="For how many seconds a process remembers which tenant a host belongs to.",
    )
    TENANTRY_STATEMENT_SECONDS: float = Field(
        30.0,
        ge=0.1,
        le=300,
        description="For how many seconds one statement of a request may keep PostgreSQL busy; "
        "then the answer is a 503. Waiting for a lock ends after a tenth of them.",
    )
    TENANTRY_SPARE_SCHEMAS: int = Field(
        2,
        ge=0,
        le=100,
        description="How many schemas stand ready for new tenants. With 0 each is made when asked.",
    )
    TENANTRY_DELETION_GRACE_DAYS: int = Field(
        30,
        ge=0,
        le=3650,
        description="For how many days a deleted tenant can be brought back before it is purged.",
    )
    TENANTRY_SUPPORT_MINUTES: int = Field(
        120,
        ge=15,
        le=120,
        description="For how many minutes support access to a tenant may be opened at most.",
    )
    TENANTRY_EXPORTS_DIRECTORY: (
        Annotated[Path, AfterValidator(lambda path: CHECKOUT / path)] | None
    ) = Field(
        None,
        description="Directory of exports that are made in the background; web and workers need "
        "the same. Not given: exports in the data directory.",
    )
    TENANTRY_EXPORTS_URL: Annotated[str, _url_with_scheme("s3"), AfterValidator(_bucket)] | None = (
        Field(
            None,
            description="A bucket for them, S3 or alike: s3://key:secret@bucket/prefix?region=… "
            "and &endpoint=https://…; needs requirements/s3.txt. Not given: that directory.",
        )
    )
    TENANTRY_EXPORT_DAYS: int = Field(
        7, ge=1, le=90, description="For how many days the file of an export is kept."
    )
    TENANTRY_EXPORT_QUOTA_MB: int = Field(
        5000, ge=1, le=10_000_000, description="Megabytes that one tenant's files may take."
    )
    TENANTRY_EXPORT_MOST_WAITING: int = Field(
        10, ge=1, le=1000, description="How many exports of one tenant may wait or be made at once."
    )
    TENANTRY_EXPORT_SLOTS: int = Field(
        1,
        ge=1,
        le=100,
        description="How many exports all workers make at once: fewer than there are processes of "
        "workers, so that sealing goes on.",
    )
    TENANTRY_EXPORT_BACKGROUND_ROWS: int = Field(
        100_000,
        ge=0,
        le=1_000_000_000,
        description="From how many rows on the panel offers to make a file in the background.",
    )
    TENANTRY_AGGREGATE_SECONDS: float = Field(
        60.0,
        ge=1,
        le=86400,
        description="Seconds between two roll-ups of the record. Development: 10.",
    )
    TENANTRY_TIME_ZONE: Annotated[str, AfterValidator(_time_zone)] = Field(
        "UTC", description="Time zone of the platform, and of tenants made without one."
    )
    TENANTRY_LOG_FORMAT: Literal["console", "json"] = Field(
        "console", description="console for people, json for machines. Production: json."
    )
    TENANTRY_LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe log lines to write."
    )
    TENANTRY_EMAIL_URL: Annotated[str, _url_with_scheme("smtp", "smtps", "file")] | None = Field(
        None,
        description="smtp://user:password@host:587 (STARTTLS), smtps://…:465 or file:///directory. "
        "Not given: files in the data directory in development, no mail in production.",
    )
    TENANTRY_MAIL_ATTACHMENT_MB: int = Field(
        10,
        ge=1,
        le=100,
        description="Megabytes up to which schedules attach a file to a mail; a larger one goes as "
        "a link. Mail servers take a third less than they say.",
    )
    TENANTRY_EMAIL_FROM: str = Field(
        "Tenantry <no-reply@localhost>", description="Sender of the mail that Tenantry writes."
    )


def read(variables: Mapping[str, str] | None = None) -> Environment:
    """Return the validated environment.

    ``variables`` defaults to ``.env`` in the checkout overlaid by the process's environment.

    Raises ``InvalidEnvironment`` with one line per variable that is malformed or unknown.
    """
    if variables is None:
        from_file = {k: v for k, v in dotenv_values(CHECKOUT / ".env").items() if v is not None}
        variables = {**from_file, **os.environ}
    given = {
        name: value.strip()
        for name, value in variables.items()
        if (name in Environment.model_fields or name.startswith(PREFIX)) and value.strip()
    }
    try:
        return Environment.model_validate(given)
    except ValidationError as error:
        raise InvalidEnvironment("\n".join(_explain(e, given) for e in error.errors())) from None


def _explain(error: Any, given: Mapping[str, str]) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Environment.model_fields, n=1)
        advice = f"did you mean {near[0]}?" if near else "remove it, or see .env.example."
        return f"{name} is not a variable that Tenantry reads: {advice}"
    reason = error["msg"].removeprefix("Value error, ")
    # A secret that does not parse must not end in a log.
    shown = "" if re.search("KEY|URL|TOKEN", name) else f" {given[name]!r}"
    return f"{name}{shown} cannot be used: {reason[0].lower()}{reason[1:]}."
