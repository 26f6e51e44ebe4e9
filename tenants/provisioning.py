"""Making a tenant.

One transaction holds it all: the row, its domains, the schema with every table, the ownership
marker, the first administrator and the first event. PostgreSQL's DDL is transactional, so an error
or a ``kill -9`` at any point leaves nothing, and nobody sees the tenant before it is complete.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django_tenants.utils import quote_schema_name

from tenants import administrators, contenttypes
from tenants.administrators import Appointment
from tenants.context import enter_platform, enter_unserved
from tenants.errors import Conflict, InvalidInput
from tenants.hosts import marker_of
from tenants.lifecycle import announce
from tenants.models import Domain, Tenant
from tenants.names import check_slug, normalize_host
from tenants.schemas import Progress, migrate


@dataclass(frozen=True, kw_only=True)
class TenantRequest:
    """What somebody wants to be made. ``domains`` are beside the default one."""

    slug: str
    name: str = ""
    domains: tuple[str, ...] = ()
    time_zone: str = ""
    admin_email: str = ""


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """The tenant, whether it was made just now, and its first administrator if one was wanted."""

    tenant: Tenant
    created: bool
    administrator: Appointment | None = None


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


def _custom_domain(domain: str) -> str:
    name = normalize_host(domain.strip())
    base = settings.TENANTRY_BASE_DOMAIN
    if name in settings.TENANTRY_PLATFORM_HOSTS or name.endswith(f".{base}"):
        raise InvalidInput(
            f'the domain "{name}" is the platform\'s own.',
            f"Each tenant has <slug>.{base} already; add domains of the customer's.",
        )
    return name


def existing(request: TenantRequest) -> Tenant | None:
    """Return the tenant that a checked request describes, if it exists already.

    Raises ``Conflict`` when the slug is another tenant's in all but the slug, or a domain is taken.
    """
    hosts = _hosts(request)
    with enter_platform():
        tenant = Tenant.objects.filter(slug=request.slug).first()
        domains = Domain.objects.verified().filter(domain__in=hosts)
        owners = dict(domains.values_list("domain", "tenant_id"))
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
        raise Conflict(
            f'the slug "{request.slug}" is taken by the tenant "{tenant.name}".',
            "Choose another one.",
        )
    return tenant


def _hosts(request: TenantRequest) -> list[str]:
    return [f"{request.slug}.{settings.TENANTRY_BASE_DOMAIN}", *request.domains]


def create(request: TenantRequest, *, on_progress: Progress | None = None) -> Provisioned:
    """Make the tenant, or find that it is there already.

    Raises ``InvalidInput`` and ``Conflict``; then, and after any other error, nothing was made.
    """
    request = check(request)
    tenant = existing(request)
    if tenant is not None:
        return Provisioned(tenant=tenant, created=False)
    try:
        with enter_platform(), transaction.atomic():
            return _make(request, on_progress or (lambda *_: None))
    except IntegrityError:
        # Somebody was faster: the unique constraints let exactly one through.
        tenant = existing(request)
        if tenant is None:
            raise
        return Provisioned(tenant=tenant, created=False)


def _make(request: TenantRequest, on_progress: Progress) -> Provisioned:
    tenant = Tenant.objects.create(
        slug=request.slug,
        name=request.name,
        time_zone=request.time_zone or settings.TIME_ZONE,
        state=Tenant.State.PROVISIONING,
    )
    Domain.objects.bulk_create(
        Domain(tenant=tenant, domain=host, is_primary=position == 0, verified_at=Now())
        for position, host in enumerate(_hosts(request))
    )
    _build_schema(tenant, on_progress)
    appointment = None
    if request.admin_email:
        appointment = administrators.appoint(tenant, email=request.admin_email)
    tenant.state = Tenant.State.ACTIVE
    tenant.save(update_fields=["state"])
    announce(tenant, "created")
    return Provisioned(tenant=tenant, created=True, administrator=appointment)


def _build_schema(tenant: Tenant, on_progress: Progress) -> None:
    schema = quote_schema_name(tenant.schema_name)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
        cursor.execute(f"COMMENT ON SCHEMA {schema} IS %s", [marker_of(tenant)])
    with enter_unserved(tenant):
        migrate(on_progress)
    contenttypes.forget(tenant.schema_name)
