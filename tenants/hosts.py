"""Whose a host is.

The answer is kept in the process for a few seconds (``TENANTRY_HOST_CACHE_SECONDS``), so a request
costs no query for it. A change made here is seen here at once, in other processes after that time:
that long may a suspended tenant still be served by another process.
"""

import time
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Func, QuerySet, TextField
from django.db.models.signals import post_delete, post_save

from tenants.context import enter_platform
from tenants.models import Domain, Tenant
from tenants.patience import of_a_request

_MOST_HOSTS: Final = 10_000
"""Bound of the cache, which anyone can fill by asking for hosts that do not exist."""


class SchemaComment(Func):
    """The comment on a schema, ``NULL`` when it has none or does not exist."""

    template = "obj_description(to_regnamespace(%(expressions)s)::oid, 'pg_namespace')"
    output_field = TextField()


@dataclass(frozen=True, slots=True)
class Answer:
    """Whose a host is, and which host to use in its place if it only redirects."""

    tenant: Tenant | None
    moved_to: str = ""


NOBODY: Final = Answer(None)


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer and until when, in seconds of the monotonic clock, it may be given."""

    answer: Answer
    until: float


_remembered: dict[str, Remembered] = {}


def marker_of(tenant: Tenant) -> str:
    """Return the ownership marker that the tenant's own schema carries, as its comment."""
    return f"tenantry:{tenant.pk}"


def answer_for(host: str) -> Answer:
    """Return whose ``host`` (in its normal form) is, and where it moved to.

    A tenant whose schema is missing, or carries another tenant's marker, belongs to nobody.
    """
    remembered = _remembered
    known = remembered.get(host)
    now = time.monotonic()
    if known is None or known.until < now:
        known = Remembered(_look_up(host), now + settings.TENANTRY_HOST_CACHE_SECONDS)
        if len(remembered) >= _MOST_HOSTS:
            remembered.clear()
        # If all was forgotten while we asked, this is not remembered: it may be from before.
        remembered[host] = known
    return known.answer


def _look_up(host: str) -> Answer:
    # Somebody waits for the answer already: a table of the platform's that is locked would keep the
    # requests of all tenants.
    with enter_platform(), of_a_request():
        # In one filter(), so that both are said of the same domain.
        tenant = owned(
            Tenant.objects.filter(
                domains__domain=host, domains__verified_at__isnull=False
            ).annotate(redirects=F("domains__redirects"))
        )
        if tenant is None or not tenant.redirects:  # type: ignore[attr-defined]
            return Answer(tenant)
        primary = primary_host(tenant)
    # To itself would be for ever.
    return Answer(tenant, moved_to=primary if primary != host else "")


def owned(tenants: QuerySet[Tenant]) -> Tenant | None:
    """Return the first of ``tenants`` if its schema carries its own marker, else ``None``."""
    found = tenants.annotate(marker=SchemaComment("schema_name")).first()
    if found is None or found.marker != marker_of(found):
        return None
    return found


def forget_hosts(**_: object) -> None:
    """Drop every remembered answer of this process, those included that are being asked for."""
    global _remembered  # noqa: PLW0603 (a look-up under way keeps the old one)
    _remembered = {}


def connect() -> None:
    """Forget answers whenever a tenant or a domain changes in this process."""
    for model in (Tenant, Domain):
        for signal in (post_save, post_delete):
            signal.connect(_changed, sender=model, dispatch_uid=f"forget_hosts_{model}")


def _changed(**_: object) -> None:
    forget_hosts()
    # Until the commit, another thread of this process can ask, and remember what was before.
    transaction.on_commit(forget_hosts)


def primary_host(tenant: Tenant) -> str:
    """Return the host that links to ``tenant`` name: what is stored, never what a request says."""
    with enter_platform():
        domains = Domain.objects.verified().filter(tenant=tenant)
        domain = domains.order_by("-is_primary", "redirects", "pk").first()
    return domain.domain if domain else default_host(tenant.slug)


def default_host(slug: str) -> str:
    """Return the host that follows from a slug: every tenant has it."""
    return f"{slug}.{settings.TENANTRY_BASE_DOMAIN}"


def is_platforms_own(host: str) -> bool:
    """Tell whether a host is the platform's, or below its base domain, where slugs decide."""
    base = settings.TENANTRY_BASE_DOMAIN
    return host in settings.TENANTRY_PLATFORM_HOSTS or host.endswith(f".{base}")


def origin(host: str) -> str:
    """Return scheme, host and, where it is not the scheme's own, port: ``https://acme.example``."""
    port = settings.TENANTRY_PUBLIC_PORT
    scheme = settings.TENANTRY_SCHEME
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}" if port in (None, usual) else f"{scheme}://{host}:{port}"


def absolute_url(path: str, tenant: Tenant | None = None) -> str:
    """Return ``path`` on the tenant's primary host, or on the platform's."""
    host = primary_host(tenant) if tenant else settings.TENANTRY_BASE_DOMAIN
    return origin(host) + path
