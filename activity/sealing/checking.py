"""Verifying every record by itself, about once a day, and telling what was found.

A minute's task verifies the records that were not for the longest time, one after the other, so the
work is spread over the day. A result is kept in ``public``. What is wrong is an error in the log
each time, and an event of that record when it is found first.
"""

import time
from datetime import timedelta
from typing import Final

import structlog
from django.utils import timezone

from activity import rounds
from activity.recording import record
from activity.verifying import Verdict, verify
from tenants.context import enter_platform
from tenants.models import RecordCheck
from tenants.moments import one_moment

logger = structlog.get_logger("tenantry.sealing")

EVERY: Final = timedelta(hours=20)
"""A record that was verified so lately is left alone."""
OVERDUE: Final = timedelta(hours=48)
"""A record that was not verified for so long is shown as such."""
_ROUND_SECONDS: Final = 30.0
"""After so long a round begins no other record. Longer ones end the one they are at."""


def check_due() -> int:
    """Verify the records that are due, for half a minute; returns how many that were."""
    return rounds.go_round(due(), check, seconds=_ROUND_SECONDS, busy=Busy, failed=_tell_failure)


def due() -> list[str]:
    """Return the records to verify, the one that waits longest first: never verified, then old."""
    with enter_platform():
        known = dict(RecordCheck.objects.values_list("record", "checked_at"))
        records = rounds.every_record()
    limit = timezone.now() - EVERY
    # A check in the future is one by a clock that has been put back since.
    waiting = [
        name
        for name in records
        if name not in known or not limit < known[name] <= timezone.now() + EVERY
    ]
    return sorted(waiting, key=lambda name: (name in known, known.get(name, limit)))


class Busy(Exception):
    """Another process verifies a record: they are to take turns, and leave workers for the rest."""


def check() -> Verdict:
    """Verify the record of the place one is in and keep the result. Raises ``Busy``."""
    started = time.perf_counter()
    with one_moment(read_only=True) as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('tenantry verifies', 0))")
        if cursor.fetchone() != (True,):
            raise Busy
        verdict = verify()
    _tell(verdict, time.perf_counter() - started)
    return verdict


def state(name: str) -> RecordCheck | None:
    """Return what the last verification of a record found."""
    with enter_platform():
        return RecordCheck.objects.filter(pk=name).first()


def alarms() -> list[RecordCheck]:
    """Return the checks that found something wrong, ten at most."""
    with enter_platform():
        return list(RecordCheck.objects.exclude(sentence="")[:10])


def _tell_failure(name: str, error: Exception) -> None:
    logger.error("verification ended early", record=name, exc_info=error)
    _remember(name, None, 0.0, "could not be verified: see the log.")


def _tell(verdict: Verdict, seconds: float) -> None:
    sentence = verdict.wrong.sentence if verdict.wrong else ""
    is_news = _remember(verdict.record, verdict, seconds, sentence)
    if not verdict.wrong:
        return
    logger.error("record is not intact", record=verdict.record, wrong=sentence)
    if is_news:
        record(
            "record.verification_failed",
            details={"kind": verdict.wrong.kind, "wrong": sentence, "intact": verdict.events},
        )


def _remember(name: str, verdict: Verdict | None, seconds: float, sentence: str) -> bool:
    """Keep a result; return whether it says something else than the one before."""
    with enter_platform():
        before = RecordCheck.objects.filter(pk=name).values_list("sentence", flat=True).first()
        RecordCheck.objects.update_or_create(
            record=name,
            defaults={
                "checked_at": timezone.now(),
                "events": verdict.events if verdict else 0,
                "seconds": round(seconds, 3),
                "wrong": verdict.wrong.kind if verdict and verdict.wrong else "",
                "sentence": sentence[:400],
            },
        )
    return sentence[:400] != (before or "")
