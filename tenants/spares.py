"""Schemas that are ready before anybody asks for a tenant.

A spare is whole and already marked as the schema of the tenant it will belong to, so claiming one
is deleting one row. The row and the schema come and go in one transaction: a process that is
killed at any point leaves both or neither.
"""

import logging
import uuid
from dataclasses import dataclass
from typing import Any, Final

from celery import current_app
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from kombu.exceptions import OperationalError

from tenants import contenttypes
from tenants.backend.base import PUBLIC
from tenants.blueprint import blueprint, replay
from tenants.context import enter_platform
from tenants.fingerprint import current_fingerprint
from tenants.hosts import marker_of
from tenants.models import Blueprint, SpareSchema, Tenant
from tenants.names import is_schema_name
from tenants.owner import owner_alias, owner_in

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claimed:
    """A schema that is the caller's when their transaction commits, and the UUID it is marked with.

    The tenant must be made with both.
    """

    schema_name: str
    tenant_id: uuid.UUID


_CLAIM: Final = """
DELETE FROM public.tenants_spareschema WHERE schema_name = (
    SELECT schema_name FROM public.tenants_spareschema
    WHERE fingerprint = %s
        -- One that was dropped by hand, or is another's by now, is no spare.
        AND obj_description(to_regnamespace(schema_name)::oid, 'pg_namespace')
            = 'tenantry:' || tenant_id
    ORDER BY built_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) RETURNING schema_name, tenant_id
"""


def claim() -> Claimed | None:
    """Take a spare of this release, in the transaction one is in; ``None`` when there is none.

    Two who claim at once get different ones. A rollback gives it back.
    """
    if settings.TENANTRY_SPARE_SCHEMAS == 0:
        return None
    fingerprint = current_fingerprint()
    with enter_platform(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_CLAIM, [fingerprint])
        row = cursor.fetchone()
    ask_for_more()
    return Claimed(*row) if row else None


def ask_for_more() -> None:
    """Have the pool filled by a worker once this transaction commits.

    Only a hint: without a broker, the timetable fills the pool a minute later.
    """
    transaction.on_commit(_hint, using=DEFAULT_DB_ALIAS)


def _hint() -> None:
    try:
        current_app.signature("tenants.fill_spares").delay()
    except OperationalError:
        logger.info("Nobody was asked to fill the pool of spare schemas: no broker.")


def fill(wanted: int) -> int:
    """Build spares until there are ``wanted`` of this release; return how many were built.

    Each is a transaction of its own. Two who fill at once do not build too many.
    """
    if wanted <= 0:
        return 0
    made_from = blueprint()
    built = 0
    while _add(made_from, wanted):
        built += 1
    return built


def _add(made_from: Blueprint, wanted: int) -> bool:
    with owner_in(PUBLIC), transaction.atomic(using=owner_alias()):
        _lock()
        spares = SpareSchema.objects.using(owner_alias())
        if spares.filter(fingerprint=made_from.fingerprint).count() >= wanted:
            return False
        spare = spares.create(fingerprint=made_from.fingerprint)
        replay(made_from, spare.schema_name, marker_of(Tenant(pk=spare.tenant_id)))
        return True


def _lock() -> None:
    with connections[owner_alias()].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('tenantry:spares', 0))")


def discard_stale() -> int:
    """Drop spares of earlier releases, row and schema at once; return how many.

    Those of a later release stay: in a deploy, workers of both run for a while.
    """
    with owner_in(PUBLIC):
        ours = Blueprint.objects.using(owner_alias()).filter(pk=current_fingerprint()).first()
        if ours is None:
            # Not even the blueprint is there: which releases are earlier is not known yet.
            return 0
        later = Blueprint.objects.using(owner_alias()).filter(built_at__gt=ours.built_at)
        stale = SpareSchema.objects.using(owner_alias()).exclude(
            fingerprint__in=[ours.pk, *later.values_list("pk", flat=True)]
        )
        return sum(discard(name) for name in list(stale.values_list("pk", flat=True)))


def discard(schema_name: str) -> bool:
    """Drop a spare, row and schema at once. ``False`` when it is claimed, or gone."""
    with owner_in(PUBLIC), transaction.atomic(using=owner_alias()):
        spares = SpareSchema.objects.using(owner_alias()).select_for_update(skip_locked=True)
        spare = spares.filter(pk=schema_name).first()
        if spare is None or not is_schema_name(spare.schema_name):
            return False
        if not Tenant.objects.using(owner_alias()).filter(schema_name=schema_name).exists():
            _drop(spare.schema_name)
        spare.delete(using=owner_alias())
    contenttypes.forget(schema_name)
    return True


def _drop(schema_name: str) -> None:
    connection: Any = connections[owner_alias()]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema_name} CASCADE")


def keep_ready() -> int:
    """Build what is missing and drop what is stale; return how many were built.

    With ``TENANTRY_SPARE_SCHEMAS`` at 0 there is to be none: what is left of a pool is dropped.
    """
    wanted: int = settings.TENANTRY_SPARE_SCHEMAS
    if wanted == 0:
        with owner_in(PUBLIC):
            for name in list(SpareSchema.objects.using(owner_alias()).values_list("pk", flat=True)):
                discard(name)
        return 0
    built = fill(wanted)
    discard_stale()
    return built
