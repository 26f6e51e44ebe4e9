"""The platform's own tables: tenants, their domains, and what is being done to them.

Whatever the platform does to a tenant it announces itself, in words that a row does not have
(``activity.lifecycle``). Here is what it does not announce: a row that somebody changes past it. So
these triggers wait until the transaction ends, and write nothing where the application said who
acts and an event tells of the tenant already, or an operation does.
"""

from typing import Final

import pgtrigger

from activity.capture.triggers import UntoldTrigger, install
from activity.capture.unrecorded import leave_unrecorded
from activity.subjects import Declaration, declare
from tenants.models import Domain, Operation, SupportAccess, Tenant
from tenants.triggers import HERE

# As capture itself believes it: what makes no sense says nothing.
_TOLD: Final = f"{HERE}.capture_context() ->> 'channel' <> 'database'"
_XID: Final = "pg_catalog.pg_current_xact_id()::text::bigint"


class AnnouncedTrigger(UntoldTrigger):
    """Records at the end of the transaction what the application did not announce by then.

    ``tenant`` is the column with the tenant's id.
    """

    timing = pgtrigger.Deferred

    def __init__(self, tenant: str, **kwargs: object) -> None:
        self.tenant = tenant
        super().__init__(**kwargs)

    def is_told(self) -> str:
        """Return whether somebody acts and an event tells of the tenant, or an operation does."""
        which = f"coalesce(NEW.{self.tenant}, OLD.{self.tenant})"
        announced = (
            f"SELECT FROM {HERE}.activity_activityevent WHERE xid = {_XID}"
            # Not by a trigger like this one. Giving an operation up undoes what it made.
            f" AND (target_id = ({which})::text AND action ~ '^tenant[.](?!changed$|row_)'"
            " OR action = 'operation.cancelled')"
        )
        under_way = (
            f"SELECT FROM {HERE}.tenants_operation"
            f" WHERE tenant_id = {which} AND state IN ('waiting', 'running', 'failed')"
        )
        return f"{_TOLD} AND (EXISTS ({announced}) OR EXISTS ({under_way}))"


class NobodysTrigger(UntoldTrigger):
    """Records what is done by nobody that the application knows of."""

    def is_told(self) -> str:
        """Return whether the application said who acts."""
        return _TOLD


def declare_models() -> None:
    """Make the platform's tables known to the record. Called once at start-up."""
    tenant = Declaration(
        noun="tenant",
        id="id",
        label=("{name}",),
        created="tenant.row_added",
        deleted="tenant.row_removed",
        # What it lacks is a note of migrating, which reports itself.
        ignored=frozenset({"lacks"}),
    )
    domain = Declaration(
        noun="domain",
        # The tenant's id: "what was done about Acme" finds its domains.
        id="tenant_id",
        label=("the domain {domain} of {tenant}",),
        created="domain.row_added",
        deleted="domain.row_removed",
    )
    operation = Declaration(
        noun="operation",
        id="id",
        label=("{kind} of {tenant}",),
        created="operation.row_added",
        deleted="operation.row_removed",
        ignored=frozenset({"touched_at"}),
    )
    support = Declaration(
        noun="support",
        id="tenant_id",
        label=("support access to {tenant}",),
        created="support.row_added",
        deleted="support.row_removed",
        actions={"link_hash": "support.changed"},
        secret=frozenset({"link_hash"}),
    )
    for model, declaration, trigger in (
        (Tenant, tenant, AnnouncedTrigger("id")),
        (Domain, domain, AnnouncedTrigger("tenant_id")),
        # An operation is its own account of steps, attempts and errors.
        (Operation, operation, NobodysTrigger()),
        # Opening, entering and ending it are events, of both records.
        (SupportAccess, support, NobodysTrigger()),
    ):
        declare(model, declaration)
        install(model, trigger)
    for label, reason in {
        "tenants.FormerSlug": "tenant.renamed has the slug before",
        "tenants.Blueprint": "the release makes it, and can make it again",
        "tenants.SpareSchema": "nobody's yet",
        "tenants.DeletionCertificate": "tenant.deleted says the same",
        "tenants.RecordHead": "it proves the record",
        "tenants.DailyCheckpoint": "it proves the record",
        "tenants.RecordCheck": "what a check finds wrong is an event",
        "tenants.Due": "it follows from schedules, whose changes are events",
        "tenants.RecordRollup": "it says how far events are counted",
        "tenants.TenantFigure": "it is counted from the record, and can be counted again",
        "tenants.TenantMonth": "it is counted from the record, and can be counted again",
        "tenants.Tally": "what it counts becomes an event",
    }.items():
        leave_unrecorded(label, reason)
