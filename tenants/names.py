"""What a tenant may be called: slugs, host names and schema names.

The three are kept apart on purpose (``docs/adr/0002-names-are-ours.md``). A slug is chosen by
people and may change. A host name is normalised before it is stored or looked up, so that one
host has one spelling. A schema name is generated, and nobody chooses it.
"""

import ipaddress
import re
import secrets
import unicodedata
from typing import Final

from tenants.errors import InvalidInput

SCHEMA_NAME_PATTERN: Final = r"t_[a-z2-7]{16}"
"""80 random bits in the alphabet of RFC 4648 base32: lower case, because poolers compare
``search_path`` ignoring case, and far below the 63 bytes at which PostgreSQL truncates silently."""

SLUG_PATTERN: Final = r"[a-z](?:[a-z0-9]|-(?!-)){1,30}[a-z0-9]"
SLUG_RULE: Final = (
    'use 3-32 characters a-z, 0-9 and single "-", starting with a letter and not ending with "-"'
)

# Names that are a host of the platform today or tomorrow, that mail and browsers treat specially,
# or that read like part of SQL or PostgreSQL in an operator's shell and in every log.
RESERVED_SLUGS: Final = frozenset(
    """
    about abuse account accounts admin administrator api app apps assets auth autoconfig
    autodiscover billing blog cdn console dashboard database dev docs download email events
    example files ftp health help hostmaster imap information-schema internal invite
    isatap localhost login logout mail mailer-daemon media metrics monitor news noc ns1 ns2
    oauth operator operators ops platform pop pop3 postgres postmaster private public
    register root saml scim security server signin signup smtp ssl sso staging static stats
    status support sysadmin system tenant tenantry tenants test tls usenet webmail webmaster
    wpad www
    all and any as between by case create current default delete drop else end false from grant
    group having in index insert into join like limit not null offset on or order schema select
    session-user set table then to trigger true truncate union unique update user using values view
    when where with
    """.split()  # noqa: SIM905
)

_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def new_schema_name() -> str:
    """Return a fresh schema name, ``t_`` and 16 random characters."""
    return "t_" + "".join(secrets.choice(_BASE32) for _ in range(16))


def is_schema_name(name: str) -> bool:
    """Tell whether ``name`` is one that ``new_schema_name`` could have made."""
    return re.fullmatch(SCHEMA_NAME_PATTERN, name) is not None


def check_slug(slug: str) -> str:
    """Return ``slug`` when a tenant may be called so.

    Raises ``InvalidInput`` with the rule, and a usable suggestion where there is one.
    """
    if not re.fullmatch(SLUG_PATTERN, slug):
        raise InvalidInput(f'the slug "{shown(slug)}" is not usable: {SLUG_RULE}.', _suggest(slug))
    if _is_reserved(slug):
        raise InvalidInput(f'the slug "{slug}" is reserved.', "Choose another one.")
    return slug


def _is_reserved(slug: str) -> bool:
    # "pg-…" would read as PostgreSQL's own in every log; nothing breaks, people do.
    return slug in RESERVED_SLUGS or slug.startswith("pg-")


def _suggest(slug: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", slug.lower()[:200]).strip("-0123456789")[:32].rstrip("-")
    usable = re.fullmatch(SLUG_PATTERN, words) and not _is_reserved(words)
    return f"Try: {words}" if usable else ""


def shown(text: str, most: int = 60) -> str:
    """Return what somebody wrote, in ASCII, on one line and with at most ``most`` characters."""
    printable = text[:most].encode("unicode_escape").decode("ascii")
    return printable if len(printable) <= most >= len(text) else printable[: most - 3] + "..."


def check_name(name: str) -> str:
    """Return what people call a tenant, without spaces around it; raises ``InvalidInput``."""
    name = name.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise InvalidInput("the name is not usable.", "Use at most 200 printable characters.")
    return name


def normalize_host(host: str) -> str:
    """Return the one spelling of a host name: lower case, ASCII, no trailing dot, no port.

    International names become their IDNA form. Raises ``InvalidInput`` for what is no host name
    (RFC 1123), for addresses (a tenant is a name), for names over 253 characters (RFC 1035), and
    for international names that browsers and Python read as different domains.
    """
    invalid = InvalidInput(
        f'"{shown(host)}" is not a usable domain: use a host name such as people.example.com,'
        " without scheme, port or path."
    )
    name = host.removesuffix(".")
    if not name.isascii():
        try:
            ascii_name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise invalid from None
        _refuse_two_readings(name, ascii_name)
        name = ascii_name
    name = name.lower()
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(part) for part in labels):
        raise invalid
    if _is_address(name) or labels[-1].isdigit():
        raise invalid
    return name


def _refuse_two_readings(name: str, ascii_name: str) -> None:
    """Refuse what IDNA 2003, which Python speaks, turns into another name than IDNA 2008 does.

    For it, faß.example is fass.example, and what is invisible is left out (RFC 5894, 7.2).
    """
    typed = unicodedata.normalize("NFKC", re.sub("[\u3002\uff0e\uff61]", ".", name)).lower()
    if ascii_name.encode("ascii").decode("idna").lower() != typed:
        raise InvalidInput(
            f'"{shown(name)}" can be read as two domains.',
            "Write it in its ASCII form, whose parts begin with xn--.",
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def request_host(header: str) -> str | None:
    """Return the normal form of a ``Host`` header, or ``None`` when it is none.

    Any port is dropped: it says where the socket was, not whose the request is.
    """
    host, _, port = header.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return None
    name = host.lower().removesuffix(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(part) for part in name.split(".")):
        return None
    return name
