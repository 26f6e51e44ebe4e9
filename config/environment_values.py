"""The kinds of values that environment variables have: what each may be.

Only what the text itself tells is asked here; ``config.checks`` asks whether a value is a good one.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator

CHECKOUT = Path(__file__).resolve().parent.parent


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


def _url(*schemes: str) -> AfterValidator:
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


Below = Annotated[Path, AfterValidator(lambda path: CHECKOUT / path)]
"""A path, which is below the checkout when it is relative."""

HostName = Annotated[str, AfterValidator(_hostname)]
HostNames = Annotated[tuple[str, ...], BeforeValidator(_split_commas), AfterValidator(_hostnames)]
NameServers = Annotated[
    tuple[str, ...], BeforeValidator(_split_commas), AfterValidator(_name_servers)
]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Words = Annotated[tuple[str, ...], BeforeValidator(_split_words)]
PrivateKey = Annotated[str, AfterValidator(_private_key)]
PublicKeys = Annotated[Words, AfterValidator(_public_keys)]
Token = Annotated[str, AfterValidator(_token)]
Database = Annotated[str, _url("postgres", "postgresql")]
Redis = Annotated[str, _url("redis", "rediss", "unix")]
Mail = Annotated[str, _url("smtp", "smtps", "file")]
Witness = Annotated[str, _url("https", "http"), AfterValidator(_with_a_host)]
Bucket = Annotated[str, _url("s3"), AfterValidator(_bucket)]
