"""How sealing and verifying do, as numbers for a monitoring system.

The text form of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/): a line a
number. It is written here, because a client library would bring processes, registries and files
that nobody needs for ten numbers which the database knows anyway.
"""

import hmac
import time
from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.db.models import Min
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from activity.rollups import health
from activity.sealing import lag, witnesses
from tenants.context import enter_platform
from tenants.models import RecordCheck, RecordHead

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@non_atomic_requests
@require_GET
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with all numbers to whoever has the token; without one there is no such page."""
    token = settings.TENANTRY_METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if not token or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise Http404
    return HttpResponse("".join(_lines()), content_type=CONTENT_TYPE)


def _lines() -> Iterator[str]:
    for name, meaning, value in _numbers():
        metric, _, _ = name.partition("{")
        yield f"# HELP tenantry_{metric} {meaning}\n# TYPE tenantry_{metric} gauge\n"
        yield f"tenantry_{name} {value:.15g}\n"


def _numbers() -> Iterator[tuple[str, str, float]]:
    now = time.time()
    found = lag.read()
    yield "sealing_sweep_seen", "1 if a sweep ended within 90 seconds.", float(found is not None)
    if found:
        yield "sealing_lag_seconds", "For how long the oldest waits.", found.seconds
        yield "unsealed_events", "Committed, not sealed; up to 1000 a record.", found.events
        yield "unsealed_records", "Records with unsealed events.", len(found.since)
        yield (
            "oldest_transaction_seconds",
            "Age of the oldest open transaction that writes.",
            found.transaction_seconds,
        )
    with enter_platform():
        yield "records", "Records that were ever sealed.", RecordHead.objects.count()
        wrong = RecordCheck.objects.exclude(sentence="").count()
        yield (
            "records_not_intact",
            "Records that are not what was sealed, or could not be verified.",
            wrong,
        )
        oldest = RecordCheck.objects.aggregate(oldest=Min("checked_at"))["oldest"]
    if oldest:
        age = max(now - oldest.timestamp(), 0.0)
        yield "oldest_verification_seconds", "Age of the verification longest ago.", age
    figures = health.of_fleet()
    yield "rollups_behind_records", "Records with sealed events not counted.", figures.behind
    yield "rollups_rebuilding_records", "Records being counted anew.", figures.rebuilding
    yield "rollups_differing_records", "Records whose figures no recount says.", figures.differing
    if figures.oldest:
        age = max(now - figures.oldest.timestamp(), 0.0)
        yield "oldest_comparison_seconds", "Age of the recount longest ago.", age
    for witness in witnesses.witnesses():
        yield (
            f'witness_behind_records{{witness="{witness.name}"}}',
            "Records whose newest checkpoint a witness does not have.",
            witnesses.behind(witness),
        )
