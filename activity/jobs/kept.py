"""How much of a place's room the files take that schedules keep there, beside those of jobs."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import structlog

from activity.jobs.keeping import StorageUnavailable, listed, storage
from tenants.context import current_scope

logger = structlog.get_logger("tenantry.exports")

BY_SCHEDULES: Final = "schedule-"
"""What the folder of each schedule begins with."""


def bytes_by_schedules() -> int:
    """Return how many bytes the files take that schedules keep in the place one is in.

    Raises ``StorageUnavailable``.
    """
    try:
        return sum(_sizes())
    except Exception as error:
        # A storage may raise whatever its library has.
        logger.error("kept files not counted", error=type(error).__name__, exc_info=error)
        raise StorageUnavailable from None


def _sizes() -> Iterator[int]:
    scope = current_scope()
    bucket: Any = getattr(storage(), "bucket", None)
    if bucket is not None:
        # One list has the sizes of a thousand; the storage would ask for each by itself.
        location: Any = getattr(storage(), "location", "")
        prefix = f"{location}/{scope}/{BY_SCHEDULES}".lstrip("/")
        yield from (one.size for one in bucket.objects.filter(Prefix=prefix))
        return
    for folder in listed(scope)[0]:
        if folder.startswith(BY_SCHEDULES):
            yield from _sizes_in(f"{scope}/{folder}")


def _sizes_in(folder: str) -> Iterator[int]:
    for name in listed(folder)[1]:
        # Another may just have deleted it.
        with suppress(FileNotFoundError):
            yield storage().size(f"{folder}/{name}")
