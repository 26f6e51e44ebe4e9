"""What operators must be told of the records, in sentences."""

from activity.sealing import checking, lag, witnesses
from tenants.context import PLATFORM, enter_platform
from tenants.models import Tenant


def sentences() -> list[str]:
    """Return what is wrong with sealing, witnesses and records, for the console."""
    return [*_lag(), *_witnesses(), *_records()]


def _lag() -> list[str]:
    found = lag.read()
    if found is None or not found.is_alarming:
        return []
    waiting = f"{len(found.since)} records wait to be sealed for up to {found.seconds:.0f} seconds."
    return [
        f"{waiting} The oldest transaction is open for {found.transaction_seconds:.0f} seconds."
    ]


def _witnesses() -> list[str]:
    return [
        f"The witness {witness.where} cannot be reached. It will be given what it lacks."
        for witness in witnesses.witnesses()
        if witnesses.is_resting(witness)
    ]


def _records() -> list[str]:
    checks = checking.alarms()
    if not checks:
        return []
    with enter_platform():
        keys = [check.record for check in checks if check.record != PLATFORM]
        slugs = {
            str(pk): slug
            for pk, slug in Tenant.objects.filter(pk__in=keys).values_list("pk", "slug")
        }
    return [
        f"The record of {slugs.get(check.record, check.record)}"
        f" {'is not intact. ' if check.wrong else ''}{check.sentence}"
        for check in checks
    ]
