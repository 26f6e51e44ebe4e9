"""Erasing somebody from the rows of support access: operators by name, reasons by what they say."""

from activity.forgetting import mentions
from activity.forgetting.people import Person, pseudonym
from tenants.context import current_tenant, enter_platform
from tenants.models import SupportAccess


def accesses(person: Person) -> dict[str, int]:
    """Replace the name of an operator, and reasons that name somebody; returns how many rows.

    A person of a tenant is looked for in the accesses to that tenant, an operator in all.
    """
    tenant = current_tenant()
    name, changed = pseudonym(person.id), 0
    with enter_platform():
        rows = SupportAccess.objects.all()
        for access in (rows.filter(tenant=tenant) if tenant else rows).iterator():
            before = (access.operator_label, access.reason)
            if tenant is None and str(access.operator_id) == person.id:
                access.operator_label = name
            if mentions.in_text(person, access.reason, is_typed=True):
                access.reason = name
            if before != (access.operator_label, access.reason):
                access.save(update_fields=["operator_label", "reason"])
                changed += 1
    return {SupportAccess._meta.db_table: changed}
