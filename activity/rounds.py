"""One record after the other: which there are, and doing something in each, for a while.

For what is done to every record from time to time, by a task that comes again.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tenants.context import PLATFORM, enter_living, enter_platform
from tenants.hosts import owned
from tenants.models import Tenant

Found = TypeVar("Found")


def every_record() -> list[str]:
    """Return the names of all records: ``platform``, and the UUIDs of tenants, served or not."""
    with enter_platform():
        return [PLATFORM, *map(str, Tenant.objects.living().values_list("pk", flat=True))]


def act_in(record: str, act: Callable[[], Found]) -> Found | None:
    """Call ``act`` in the place of a record; ``None`` for a tenant that is not there any more."""
    with enter_platform():
        if record == PLATFORM:
            return act()
        tenant = owned(Tenant.objects.living().filter(pk=record))
    if tenant is None:
        return None
    with enter_living(tenant):
        return act()


def go_round(
    records: Iterable[str],
    act: Callable[[], Any],
    *,
    seconds: float,
    busy: type[Exception],
    failed: Callable[[str, Exception], None],
) -> int:
    """Call ``act`` in the place of each record; returns in how many it was.

    After ``seconds`` no other is begun. ``busy`` ends the round: somebody else is at it. Any other
    exception is told to ``failed``, and the round goes on: whatever is wrong with one keeps no
    other waiting.
    """
    until = time.monotonic() + seconds
    count = 0
    for record in records:
        if time.monotonic() > until:
            break
        try:
            count += act_in(record, act) is not None
        except busy:
            break
        except Exception as error:
            failed(record, error)
    return count
