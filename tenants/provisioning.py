"""Making a tenant.

With a spare schema at hand one transaction holds it all: the row, its domains, the schema, the
first administrator and the first event. Without one the request is stored first, and the schema is
made in steps that any process can carry on. Either way nobody is served before all of it is there,
an error leaves nothing, and a ``kill -9`` leaves nothing or an operation that goes on.
"""

import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from tenants import administrators, blueprint, contenttypes, operations, plans, spares
from tenants.administrators import Appointment
from tenants.behind import behind_platform, behind_platform_now
from tenants.context import enter_platform
from tenants.domains import announce_given
from tenants.errors import Conflict
from tenants.hosts import marker_of, owned
from tenants.lifecycle import announce
from tenants.models import Domain, Operation, Tenant
from tenants.operations import Busy, Progress
from tenants.owner import may_change_schemas, owner_cursor
from tenants.plans import Plan, Step, Work, unmade
from tenants.renaming import refuse_taken_slug
from tenants.requests import TenantRequest, check, existing, hosts_of
from tenants.unmaking import undo, undo_quietly

CREATE: Final = Operation.Kind.CREATE

_WAIT_SECONDS: Final = 10.0
"""How long somebody who asks for the same tenant waits for whoever is making it."""

_ALIVE_SECONDS: Final = 2.0
"""A maker who gave a sign of life so lately is not to be disturbed; steps take a tenth of it."""


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """The tenant, whether it was made just now, and its first administrator if one was wanted.

    A tenant that is not active yet is one whose schema this process may not make: a worker does.
    """

    tenant: Tenant
    created: bool
    administrator: Appointment | None = None


def create(request: TenantRequest, *, on_progress: Progress | None = None) -> Provisioned:
    """Make the tenant, or find that it is there already, or carry on what somebody left.

    Raises ``InvalidInput`` and ``Conflict``; then, and after any other error, nothing was made.
    """
    request = check(request)
    tenant = existing(request)
    if tenant is None:
        try:
            return _begin(request, on_progress)
        except IntegrityError:
            # Somebody was faster: the unique constraints let exactly one through.
            tenant = existing(request)
            if tenant is None:
                raise
    return _continue(tenant, on_progress)


def _begin(request: TenantRequest, on_progress: Progress | None) -> Provisioned:
    with enter_platform(), transaction.atomic():
        spare = spares.claim()
        if spare:
            tenant = Tenant(id=spare.tenant_id, schema_name=spare.schema_name)
            return _make_at_once(request, tenant, on_progress)
        tenant = _insert(request, Tenant(state=Tenant.State.REQUESTED))
        operation = operations.begin(CREATE, tenant, asdict(request), at_once=may_change_schemas())
    if not may_change_schemas():
        operations.hint(operation)
        return Provisioned(tenant=tenant, created=True)
    try:
        return _carry_on(operation, on_progress, begun=True)
    except Busy:
        # We were silent for so long that somebody else carries it on.
        return _continue(tenant, on_progress)


def _make_at_once(
    request: TenantRequest, tenant: Tenant, on_progress: Progress | None
) -> Provisioned:
    # Nobody sees it before all of it is there: the commit is what opens it.
    tenant.state = Tenant.State.ACTIVE
    # Written, and returned with the row, by the statement that inserts it.
    tenant.lacks = behind_platform(tenant.schema_name)
    _insert(request, tenant)
    administrator = _appoint(tenant, request.admin_email)
    announce(tenant, "created")
    announce_given(tenant, request.domains)
    operations.finished(CREATE, tenant, asdict(request))
    if on_progress:
        on_progress("schema", 1, 1)
    return Provisioned(tenant=tenant, created=True, administrator=administrator)


def _insert(request: TenantRequest, tenant: Tenant) -> Tenant:
    """Take the names: with the commit they are this tenant's. Raises ``IntegrityError``."""
    tenant.slug, tenant.name = request.slug, request.name
    tenant.time_zone = request.time_zone or settings.TIME_ZONE
    tenant.save(force_insert=True)
    # Looked for after the insert, which has waited for whoever was just giving the slug up.
    refuse_taken_slug(request.slug, for_tenant=tenant)
    Domain.objects.bulk_create(
        Domain(tenant=tenant, domain=host, is_primary=position == 0, verified_at=Now())
        for position, host in enumerate(hosts_of(request))
    )
    return tenant


def _appoint(tenant: Tenant, email: str) -> Appointment | None:
    return administrators.appoint(tenant, email=email) if email else None


def _continue(tenant: Tenant, on_progress: Progress | None) -> Provisioned:
    """Wait for whoever is making the tenant, or carry on if nobody is."""
    give_up_at = time.monotonic() + _WAIT_SECONDS
    while True:
        operation = _unfinished(tenant)
        if operation is None:
            with enter_platform():
                tenant.refresh_from_db()
            return Provisioned(tenant=tenant, created=False)
        if not may_change_schemas():
            return Provisioned(tenant=tenant, created=False)
        try:
            if not operation.is_alive:  # type: ignore[attr-defined]
                return _carry_on(operation, on_progress)
        except Busy:
            if time.monotonic() > give_up_at:
                raise
        time.sleep(0.05)


def _unfinished(tenant: Tenant) -> Operation | None:
    alive = Q(
        state__in=[Operation.State.WAITING, Operation.State.RUNNING],
        touched_at__gt=Now() - timedelta(seconds=_ALIVE_SECONDS),
    )
    with enter_platform():
        making = Operation.objects.unfinished().filter(kind=CREATE, tenant=tenant)
        return making.annotate(is_alive=alive).first()


def _carry_on(
    operation: Operation, on_progress: Progress | None, *, begun: bool = False
) -> Provisioned:
    try:
        work = operations.carry_on(operation, on_progress=on_progress, begun=begun)
    except Busy:
        raise
    except BaseException:
        undo_quietly(operation)
        raise
    if work.tenant is None:
        raise Conflict("the tenant was given up meanwhile.", "Ask for it again.")
    return Provisioned(
        tenant=work.tenant,
        created=work.finished_here,
        administrator=work.transient.get("administrator"),
    )


# The steps


def _build(work: Work) -> None:
    """Make the schema, unless the last attempt got so far."""
    tenant = unmade(work)
    tenant.state = Tenant.State.PROVISIONING
    tenant.save(update_fields=["state"])
    if owned(Tenant.objects.filter(pk=tenant.pk)):
        return
    with owner_cursor():
        blueprint.replay(blueprint.blueprint(), tenant.schema_name, marker_of(tenant))
    contenttypes.forget(tenant.schema_name)


def _open(work: Work) -> None:
    """Appoint the administrator, open the tenant and record its birth, all at once."""
    tenant = unmade(work)
    work.transient["administrator"] = _appoint(tenant, work.request.get("admin_email", ""))
    tenant.state, tenant.lacks = Tenant.State.ACTIVE, behind_platform_now(tenant)
    tenant.save(update_fields=["state", "lacks"])
    announce(tenant, "created")
    announce_given(tenant, work.request.get("domains", ()))


plans.register(
    CREATE,
    Plan(
        steps=(
            Step("schema", _build),
            Step("opening", _open),
        ),
        undo=undo,
    ),
)
