"""What somebody wants a tenant to be, before there is one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import F, Q

from tenants import administrators
from tenants.context import enter_platform
from tenants.errors import Conflict, InvalidInput
from tenants.models import FormerSlug, Tenant
from tenants.names import check_slug, normalize_host


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
    name = request.name.strip() or slug
    if len(name) > 200 or not name.isprintable():
        raise InvalidInput("the name is not usable.", "Use at most 200 printable characters.")
    if request.admin_email:
        administrators.check(None, email=request.admin_email, password=None)
    return TenantRequest(
        slug=slug,
        name=name,
        domains=tuple(dict.fromkeys(_custom_domain(d) for d in request.domains)),
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
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s)", [key])
            [is_known] = cursor.fetchone()
    except (KeyError, ValueError, OSError):
        is_known = False
    if not is_known:
        raise InvalidInput(
            f"there is no time zone {name[:60]!r}.", "Use a name such as Europe/Berlin or UTC."
        )
    return key


def _custom_domain(domain: str) -> str:
    name = normalize_host(domain.strip())
    base = settings.TENANTRY_BASE_DOMAIN
    if name in settings.TENANTRY_PLATFORM_HOSTS or name.endswith(f".{base}"):
        raise InvalidInput(
            f'the domain "{name}" is the platform\'s own.',
            f"Each tenant has <slug>.{base} already; add domains of the customer's.",
        )
    return name


def hosts_of(request: TenantRequest) -> list[str]:
    """Return the host names of a checked request, the primary one first."""
    return [f"{request.slug}.{settings.TENANTRY_BASE_DOMAIN}", *request.domains]


def existing(request: TenantRequest) -> Tenant | None:
    """Return the tenant that a checked request describes, if it exists already or is being made.

    Raises ``Conflict`` when the slug is another tenant's in all but the slug, or was once, or when
    a domain is taken.
    """
    hosts = hosts_of(request)
    with enter_platform():
        tenant, owners = _holders(request.slug, hosts)
        was_anybodys = tenant is None and FormerSlug.objects.filter(slug=request.slug).exists()
    for host, owner in owners.items():
        if tenant is None or owner != tenant.pk:
            raise Conflict(
                f'the domain "{host}" is taken by another tenant.', "Choose another one."
            )
    if was_anybodys:
        raise slug_taken(request.slug)
    if tenant is None:
        return None
    same = (
        request.name in (request.slug, tenant.name)
        and request.time_zone in ("", tenant.time_zone)
        and set(hosts) == set(owners)
    )
    if not same:
        raise slug_taken(request.slug, tenant.name)
    return tenant


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


def slug_taken(slug: str, by: str = "") -> Conflict:
    """Return the refusal of a slug that somebody has, had, or had until they were deleted."""
    whose = f'taken by the tenant "{by}"' if by else "another tenant's, or was"
    return Conflict(f'the slug "{slug}" is {whose}.', "Choose another one.")
