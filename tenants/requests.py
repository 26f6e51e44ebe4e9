"""What somebody wants a tenant to be, before there is one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F, Q

from tenants import administrators
from tenants.context import enter_platform
from tenants.domains import customers_host
from tenants.errors import Conflict, InvalidInput
from tenants.hosts import default_host
from tenants.models import FormerSlug, Tenant
from tenants.names import check_name, check_slug
from tenants.renaming import slug_reserved, slug_taken


@dataclass(frozen=True, kw_only=True)
class TenantRequest:
    """What somebody wants to be made. ``domains`` are beside the default one."""

    slug: str
    name: str = ""
    domains: tuple[str, ...] = ()
    time_zone: str = ""
    admin_email: str = ""


def check(request: TenantRequest) -> TenantRequest:
    """Return the request in normal form.

    Raises ``InvalidInput`` for values that cannot be used. Does not look at other tenants.
    """
    slug = check_slug(request.slug.strip())
    name = check_name(request.name) if request.name.strip() else slug
    if request.admin_email:
        administrators.check(None, email=request.admin_email, password=None)
    return TenantRequest(
        slug=slug,
        name=name,
        domains=tuple(dict.fromkeys(customers_host(d) for d in request.domains)),
        time_zone=check_time_zone(request.time_zone) if request.time_zone else "",
        admin_email=request.admin_email.strip(),
    )


def check_time_zone(name: str) -> str:
    """Return ``name`` when Python and PostgreSQL know it; raises ``InvalidInput`` otherwise.

    Python also finds files that are no zone of PostgreSQL's, such as ``localtime``: days could then
    never be counted.
    """
    try:
        key = ZoneInfo(name).key
        with enter_platform(), connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s)", [key])
            [is_known] = cursor.fetchone()
    except (KeyError, ValueError, OSError):
        is_known = False
    if not is_known:
        raise InvalidInput(
            f"there is no time zone {name[:60]!r}.", "Use a name such as Europe/Berlin or UTC."
        )
    return key


def hosts_of(request: TenantRequest) -> list[str]:
    """Return the host names of a checked request, the primary one first."""
    return [default_host(request.slug), *request.domains]


def existing(request: TenantRequest) -> Tenant | None:
    """Return the tenant that a checked request describes, if it exists already or is being made.

    Raises ``Conflict`` when the slug is another tenant's in all but the slug, or was once, when a
    domain is taken, or when the tenant is on its way out.
    """
    hosts = hosts_of(request)
    with enter_platform():
        tenant, owners = _holders(request.slug, hosts)
        former = FormerSlug.objects.select_related("tenant").filter(slug=request.slug).first()
    if tenant is None and former is not None:
        raise slug_reserved(former)
    for host, owner in owners.items():
        if tenant is None or owner != tenant.pk:
            raise Conflict(
                f'the domain "{host}" is taken by another tenant.', "Choose another one."
            )
    if tenant is None:
        return None
    same = (
        request.name in (request.slug, tenant.name)
        and request.time_zone in ("", tenant.time_zone)
        and set(hosts) == set(owners)
    )
    if not same:
        raise slug_taken(tenant)
    _refuse_leaving(tenant)
    return tenant


def _refuse_leaving(tenant: Tenant) -> None:
    """Object to a tenant that nobody can enter: whoever wants one would find it closed."""
    if tenant.state == Tenant.State.DELETION_SCHEDULED:
        raise Conflict(
            f'the tenant "{tenant.slug}" exists, and its deletion is scheduled.',
            f"To bring it back: manage.py tenant undelete {tenant.slug}",
        )
    if tenant.state == Tenant.State.DELETING:
        raise Conflict(
            f'the tenant "{tenant.slug}" is being deleted, and its slug stays taken.',
            "Choose another one.",
        )


def _holders(slug: str, hosts: list[str]) -> tuple[Tenant | None, dict[str, UUID]]:
    """The tenant with the slug, and whose the hosts are.

    One statement, which sees one moment: between two, the tenant could be made.
    """
    verified = Q(domains__domain__in=hosts, domains__verified_at__isnull=False)
    rows: list[Any] = list(
        Tenant.objects.filter(Q(slug=slug) | verified)
        .annotate(host=F("domains__domain"), host_verified_at=F("domains__verified_at"))
        .order_by()
    )
    owners = {row.host: row.pk for row in rows if row.host in hosts and row.host_verified_at}
    return next((row for row in rows if row.slug == slug), None), owners
