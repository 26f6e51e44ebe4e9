"""A person's second factor: a code that an app on their phone makes, and recovery codes beside it.

The rows are allauth's. What is in them is ours: the secret is sealed and the recovery codes are
keyed hashes (``accounts.factor_secrets``); ``step`` is the last step of time of which a code was
taken, so that none is taken twice; ``tries`` counts what failed since then.

Guesses are limited by the row itself, under its lock: without Redis a million codes would be few.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Count, FilteredRelation, Q
from django.utils import timezone

from accounts import devices, factor_codes, factor_secrets
from accounts.factor_guesses import must_wait, one_more
from accounts.factor_secrets import Unreadable
from accounts.mails import tell_changed
from accounts.models import CustomUser
from activity import context, presence
from activity.context import Actor
from activity.models import Outcome
from activity.recording import record
from activity.requests import actor_of
from activity.subjects import label_of
from tenants import reasons
from tenants.context import current_tenant
from tenants.errors import Conflict, InvalidInput

TOTP: Final = Authenticator.Type.TOTP.value
RECOVERY: Final = Authenticator.Type.RECOVERY_CODES.value


class Verdict(StrEnum):
    """What became of a code that somebody gave."""

    PASSED = "passed"
    WRONG = "wrong code"
    USED = "used before"
    UNREADABLE = "unreadable"
    TOO_MANY = "too many attempts"


def is_on(person: CustomUser) -> bool:
    """Tell whether somebody is asked for a code when they sign in."""
    return bool(_rows(person).filter(type=TOTP).exists())


def state_of(person: CustomUser) -> dict[str, Any]:
    """Return since when it is on, when a code was last taken, and how many recovery codes are left.

    Empty when it is off.
    """
    rows = {row.type: row for row in _rows(person)}
    if TOTP not in rows:
        return {}
    codes = _codes(rows[RECOVERY]) if RECOVERY in rows else []
    used = [row.last_used_at for row in rows.values() if row.last_used_at]
    return {
        "since": rows[TOTP].created_at,
        "used": max(used, default=None),
        "codes_left": len(codes),
    }


def issuer() -> str:
    """Return what apps show the code to be for."""
    tenant = current_tenant()
    return tenant.name if tenant else "Tenantry platform"


@transaction.atomic
def switch_on(person: CustomUser, secret: str, code: str) -> list[str]:
    """Keep a secret of which somebody has shown a code; returns their recovery codes, this once.

    Raises ``InvalidInput`` for a wrong code, ``Conflict`` if it is on already.
    """
    step = factor_codes.step_of(code, secret, time.time())
    if step is None:
        raise InvalidInput(
            "that is not the code that the app shows now.", "Look again, and at the phone's clock."
        )
    _lock(person)
    if is_on(person):
        raise Conflict("the second factor is on already.", "Switch it off first.")
    with _acting(person):
        data = {"secret": factor_secrets.seal(person, TOTP, secret), "step": step}
        Authenticator.objects.create(user=person, type=TOTP, data=data)
        codes = _new_codes(person)
    _tell(person, "was switched on")
    return codes


@transaction.atomic
def renew_codes(person: CustomUser) -> list[str]:
    """Replace the recovery codes; returns the new ones, this once."""
    _lock(person)
    if not is_on(person):
        raise Conflict("the second factor is off.", "Switch it on first.")
    with _acting(person, "factor.codes_renewed"):
        codes = _new_codes(person)
    _tell(person, "has new recovery codes; the old ones are void")
    return codes


@transaction.atomic
def switch_off(person: CustomUser) -> None:
    """Delete a person's second factor, as they want it themselves."""
    _lock(person)
    with _acting(person):
        _rows(person).delete()
    _tell(person, "was switched off")


@transaction.atomic
def take_away(person: CustomUser, reason: str) -> int:
    """Delete somebody else's second factor and end their sessions; returns how many ended.

    Whoever is asked to do that has to be sure who asks: what is left is the password. Raises
    ``InvalidInput`` without a reason, ``Conflict`` if there is no second factor.
    """
    reason = check_taking_away(person, reason)
    _lock(person)
    with context.telling(reason=reason):
        _rows(person).delete()
        record("factor.reset", target=person, reason=reason)
        ended = devices.end_others(person, None)
    _tell(person, "was taken away", by=context.current().actor)
    return ended


def check_taking_away(person: CustomUser, reason: str) -> str:
    """Return the reason as it is recorded; raises what ``take_away`` raises, changes nothing."""
    reason = reasons.sound(reason)
    if not _rows(person).exists():
        raise Conflict(f"{label_of(person)} has no second factor.", "There is nothing to do.")
    return reason


@transaction.atomic
def check(person: CustomUser, code: str, *, at: str) -> Verdict:
    """Take a code of the app, or a recovery code, or refuse it; both are recorded.

    ``at`` says for what it was asked: ``sign-in`` or ``change``.
    """
    rows = {row.type: row for row in _rows(person).select_for_update().order_by("pk")}
    if TOTP not in rows:
        return Verdict.WRONG
    totp = rows[TOTP]
    if must_wait(_held(totp).get("tries")):
        verdict = Verdict.TOO_MANY
    else:
        verdict = _take(person, code[:100], rows)
        _count(totp, failed=verdict is not Verdict.PASSED)
    if verdict is not Verdict.PASSED:
        record(
            "factor.failed",
            target=person,
            outcome=Outcome.FAILURE,
            details={"why": verdict.value, "at": at},
        )
    return verdict


def _take(person: CustomUser, code: str, rows: dict[str, Authenticator]) -> Verdict:
    try:
        secret = factor_secrets.unseal(person, TOTP, _held(rows[TOTP]).get("secret"))
        step = factor_codes.step_of(code, secret, time.time())
    except (Unreadable, ValueError):
        secret, step = "", None
    if step is not None:
        if step <= _step(rows[TOTP]):
            return Verdict.USED
        # Sealed anew, so that it is under the key that is in use.
        sealed = factor_secrets.seal(person, TOTP, secret)
        _save(person, rows[TOTP], {"secret": sealed, "step": step}, "factor.passed")
        return Verdict.PASSED
    if RECOVERY in rows and _take_recovery(person, code, rows[RECOVERY]):
        return Verdict.PASSED
    return Verdict.WRONG if secret else Verdict.UNREADABLE


def _take_recovery(person: CustomUser, code: str, row: Authenticator) -> bool:
    left = _codes(row)
    typed = set(factor_secrets.digests(person, RECOVERY, factor_codes.plain(code)))
    if not typed & set(left):
        return False
    kept = [one for one in left if one not in typed]
    _save(person, row, {"codes": kept}, "factor.recovery_code_used")
    _tell(person, f"was passed with a recovery code; {len(kept)} are left")
    return True


def _save(person: CustomUser, row: Authenticator, data: dict[str, Any], meaning: str) -> None:
    row.data = data
    row.last_used_at = timezone.now()
    with _acting(person, meaning):
        row.save(update_fields=["data", "last_used_at"])


def _count(row: Authenticator, *, failed: bool) -> None:
    """Count what failed, or begin anew. The trigger does not tell of it: the event does."""
    held = _held(row)
    data = {name: value for name, value in held.items() if name != "tries"}
    if failed:
        data["tries"] = one_more(held.get("tries"))
    if data != row.data:
        row.data = data
        row.save(update_fields=["data"])


def _held(row: Authenticator) -> dict[str, Any]:
    """Return what a row holds; nothing if whoever wrote it was somebody else."""
    return row.data if isinstance(row.data, dict) else {}


def _step(row: Authenticator) -> int:
    step = _held(row).get("step")
    return step if isinstance(step, int) else 0


def _codes(row: Authenticator) -> list[str]:
    codes = _held(row).get("codes")
    return [str(one) for one in codes] if isinstance(codes, list) else []


def _new_codes(person: CustomUser) -> list[str]:
    codes = factor_codes.new_recovery_codes()
    hashes = [factor_secrets.digest(person, RECOVERY, code) for code in codes]
    row = _rows(person).filter(type=RECOVERY).first() or Authenticator(user=person, type=RECOVERY)
    row.data = {"codes": hashes}
    row.save()
    return codes


def _rows(person: CustomUser) -> Any:
    return Authenticator.objects.filter(user_id=person.pk, type__in=(TOTP, RECOVERY))


def _lock(person: CustomUser) -> None:
    presence.hold(person, "factor")


@contextmanager
def _acting(person: CustomUser, meaning: str = "") -> Iterator[None]:
    """Record what is done as the person's: at a sign-in they are nobody yet."""
    with context.telling(actor=actor_of(person), meaning=meaning):
        yield


def _tell(person: CustomUser, what: str, *, by: Actor | None = None) -> None:
    tell_changed(person, "second factor", what, by=by)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the people who may sign in have a second factor, and which administrators not."""

    people: int
    with_factor: int
    administrators: int
    administrators_without: tuple[str, ...]


def people() -> Any:
    """Return who may sign in, with ``factor``: their second factor, null for who has none."""
    theirs = FilteredRelation("authenticator", condition=Q(authenticator__type=TOTP))
    return CustomUser.objects.active().annotate(factor=theirs)


def coverage() -> Coverage:
    """Return who has a second factor in the place one is in. Two statements."""
    everybody = people().aggregate(
        people=Count("pk"),
        with_factor=Count("factor"),
        administrators=Count("pk", filter=Q(is_superuser=True)),
    )
    without = people().filter(is_superuser=True, factor__isnull=True).order_by("username")
    return Coverage(**everybody, administrators_without=tuple(map(label_of, without)))
