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
from typing import Any, Literal

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.environment_values import CHECKOUT as CHECKOUT
from config.environment_values import (
    Below,
    Bucket,
    Database,
    HostName,
    HostNames,
    Mail,
    NameServers,
    PrivateKey,
    PublicKeys,
    Redis,
    TimeZone,
    Token,
    Witness,
    Words,
)

PREFIX = "TENANTRY_"


class InvalidEnvironment(ImproperlyConfigured):
    """One or more environment variables cannot be used; the message has a line for each."""


class Environment(BaseModel):
    """What the process was told from outside. Empty values count as not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    DEBUG: bool = Field(False, description="Show tracebacks in the browser. Refused in production.")
    SECRET_KEY: str | None = Field(
        None,
        description="Signs sessions and links; at least 50 random characters. "
        "Development makes one in the data directory; production needs it.",
    )
    SECRET_KEY_FALLBACKS: Words = Field(
        (),
        description="Values that SECRET_KEY had before, separated by spaces or commas. Sessions, "
        "links and second factors of then stay good while they stand here.",
    )
    TENANTRY_SEAL_KEY: PrivateKey | None = Field(
        None,
        description="Signs the checkpoints of the record: what `manage.py activity keygen` prints. "
        "Development makes one in the data directory; production needs it, or the file.",
    )
    TENANTRY_SEAL_KEY_FILE: Below | None = Field(
        None,
        description="A file with that key, in place of the variable. Nobody but its owner may "
        "have access to it.",
    )
    TENANTRY_SEAL_KEYS: PublicKeys = Field(
        (),
        description="Public keys that signed the record before, separated by spaces or commas. "
        "They stay published, so that old checkpoints can be checked.",
    )
    TENANTRY_WITNESS_FILE: Below | None = Field(
        None,
        description="A file to which workers append each checkpoint of the record, best on "
        "another machine's disk. Not given: none.",
    )
    TENANTRY_WITNESS_URL: Witness | None = Field(
        None,
        description="An address to which workers send each checkpoint of the record by POST; "
        "in production https. Not given: none.",
    )
    TENANTRY_METRICS_TOKEN: Token | None = Field(
        None,
        description="What a monitoring system sends as bearer token to be given /metrics of the "
        "platform's host; 32 or more letters and digits. Not given: there is no such page.",
    )
    ALLOWED_HOSTS: HostNames = Field(
        (),
        description="Comma-separated host names served besides the base domain and its subdomains. "
        "Custom domains of tenants need no entry: they are looked up.",
    )
    DATABASE_URL: Database | None = Field(
        None, description="PostgreSQL 18. Not given: an embedded server (development only)."
    )
    DATABASE_OWNER_URL: Database | None = Field(
        None,
        description="The same database as the role that owns the schemas, on a direct connection. "
        "For migrations and workers; without it DATABASE_URL is the owner's.",
    )
    REDIS_URL: Redis | None = Field(
        None, description="Redis 6.2 or newer. Not given: an embedded server (development only)."
    )
    PORT: int = Field(8000, ge=1, le=65535, description="The port on which `make up` serves.")
    TENANTRY_BASE_DOMAIN: HostName = Field(
        "localhost", description="The platform's own host; tenants live on <slug>.<base domain>."
    )
    TENANTRY_DATA: Below = Field(
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
    TENANTRY_DNS_SERVERS: NameServers = Field(
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
    TENANTRY_SESSION_IDLE_MINUTES: int = Field(
        4320,
        ge=15,
        le=20160,
        description="After how many minutes without a request a session is over. Three days: a "
        "weekend does not end it.",
    )
    TENANTRY_SUPPORT_MINUTES: int = Field(
        120,
        ge=15,
        le=120,
        description="For how many minutes support access to a tenant may be opened at most.",
    )
    TENANTRY_EXPORTS_DIRECTORY: Below | None = Field(
        None,
        description="Directory of exports that are made in the background; web and workers need "
        "the same. Not given: exports in the data directory.",
    )
    TENANTRY_EXPORTS_URL: Bucket | None = Field(
        None,
        description="A bucket for them, S3 or alike: s3://key:secret@bucket/prefix?region=… "
        "and &endpoint=https://…; needs requirements/s3.txt. Not given: that directory.",
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
    TENANTRY_TIME_ZONE: TimeZone = Field(
        "UTC", description="Time zone of the platform, and of tenants made without one."
    )
    TENANTRY_LOG_FORMAT: Literal["console", "json"] = Field(
        "console", description="console for people, json for machines. Production: json."
    )
    TENANTRY_LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe log lines to write."
    )
    TENANTRY_EMAIL_URL: Mail | None = Field(
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
