"""A run: the platform's schema, then every tenant that is behind.

What is to be done is always found out from the schemas themselves, so a run that was killed needs
no memory: the next one finds who is left. Tenants that are behind are noted as such before the
first is touched (``Tenant.lacks``), and each stops being so in the transaction that migrates it.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from tenants import hosts, privileges
from tenants.backend.base import PUBLIC
from tenants.directory import tenant_called
from tenants.errors import InvalidInput, TenantryError
from tenants.fleet import after, lag, serving
from tenants.fleet.bounds import IN_THE_WAY
from tenants.fleet.crew import each
from tenants.fleet.executing import execute
from tenants.fleet.graph import name_of
from tenants.fleet.journal import Journal, unfinished
from tenants.fleet.lag import Group, Member
from tenants.fleet.locking import FleetLock
from tenants.fleet.public import migrate_public
from tenants.fleet.rendering import Recording, why_not
from tenants.fleet.replay import CHANGED, Script, replay
from tenants.fleet.report import CanaryFailed, Failure, Report, Stopped
from tenants.fleet.rights import others_listen
from tenants.fleet.wish import Wish
from tenants.owner import owner_in
from tenants.sqlstate import sqlstate_of

Progress = Callable[[str, int, int | None], None]
Say = Callable[[str], None]

_ROUNDS: Final = 3
_LONGEST_ERROR: Final = 500
_AGAIN: Final = {*IN_THE_WAY, CHANGED}
# PostgreSQL has no state of its own for two who replace the same function at once.
_COLLIDED: Final = "tuple concurrently updated"


def migrate_fleet(
    wish: Wish,
    *,
    on_progress: Progress = lambda *_: None,
    say: Say = lambda _: None,
    wait: bool = True,
    public: Callable[..., None] = migrate_public,
) -> Report:
    """Bring the platform's schema and every tenant's to the newest state; return what was done.

    ``public`` migrates the platform's schema when it is behind; ``say`` is told what is in the way
    there, and who runs already, which is waited for or raises ``Conflict``. A tenant that fails
    stays as it was, and the others go on; the report names it. Raises ``NotFound`` for slugs that
    nobody has, and ``Stopped`` when it is interrupted.
    """
    report = Report(jobs=wish.at_once)
    try:
        with FleetLock(wait=wait, say=say):
            report.public = [name_of(migration) for migration in lag.public_plan()]
            if report.public:
                on_progress("public", 0, None)
                public(say=say)
            # What follows asks as the role that serves people, which may not do so yet.
            privileges.settle()
            _check(wish)
            _tenants(Run(wish, report, on_progress))
            after.migrated(report)
    except KeyboardInterrupt:
        raise Stopped(
            f"interrupted: {report.migrated} of {report.lagging} tenants were migrated,"
            " the others are as they were.",
            "Go on: manage.py tenant migrate --resume",
        ) from None
    return report


def _tenants(run: "Run") -> None:
    """Migrate whoever is behind, as an operation; without one when nobody is."""
    if not run.find() and not unfinished():
        return
    journal = Journal.open(run.wish.request(), run.report)
    run.on_tick = journal.touch
    try:
        run.work()
    except Exception as error:
        journal.fail(error)
        raise
    except KeyboardInterrupt:
        journal.fail("interrupted")
        raise
    journal.close()


def _check(wish: Wish) -> None:
    for slug in (*wish.only, *([wish.canary] if wish.canary else [])):
        tenant_called(slug)
    if wish.only and wish.canary and wish.canary not in wish.only:
        raise InvalidInput(
            f'the canary "{wish.canary}" is not among the tenants to migrate.',
            "Name it with --only too.",
        )


@dataclass(frozen=True)
class Outcome:
    """How it went in one tenant: ``error`` is empty when all went well."""

    error: str = ""
    may_pass: bool = False
    """Whether it may go well a little later."""


class Run:
    """Migrates the tenants that are behind, group by group."""

    def __init__(self, wish: Wish, report: Report, on_progress: Progress) -> None:
        self.wish = wish
        self.report = report
        self.stopped = threading.Event()
        self.on_tick: Callable[[], None] = lambda: None
        self._progress = on_progress
        self._started = time.monotonic()
        self._given_up: set[UUID] = set()
        self._groups: list[Group] = []

    def find(self) -> bool:
        """Ask the schemas who is behind, and note it; returns whether anybody is."""
        survey = lag.survey(self.wish.only)
        first = not self.report.tenants
        self.report.tenants = survey.total
        for member in survey.broken if first else ():
            self._give_up(member, member.trouble, ())
        self._groups = [
            Group(members, group.plan)
            for group in survey.groups
            if (members := tuple(m for m in group.members if m.id not in self._given_up))
        ]
        # The canary's group goes first, and in it the canary.
        self._groups.sort(key=lambda group: not any(map(self._is_canary, group.members)))
        self._note(survey)
        if first:
            self.report.lagging = sum(len(group.members) for group in self._groups)
            names = [name for group in self._groups for name in group.names]
            self.report.migrations = list(dict.fromkeys(names))
        return bool(self._groups)

    def work(self) -> None:
        """Migrate whom ``find`` found; then look again, for who was busy and who is new."""
        self._started = time.monotonic()
        for number in range(_ROUNDS):
            is_last = number == _ROUNDS - 1
            for group in self._groups:
                self._migrate(group, is_last=is_last)
            if not self._groups or is_last or not self.find():
                return
            self._pause(number)

    def _pause(self, seconds: float) -> None:
        """Let pass what was in the way."""
        if self.stopped.wait(seconds):
            raise KeyboardInterrupt

    def _is_canary(self, member: Member) -> bool:
        return member.slug == self.wish.canary

    def _migrate(self, group: Group, *, is_last: bool) -> None:
        """Let one lead and the others follow; nobody follows a canary that fell."""
        members = sorted(group.members, key=lambda member: not self._is_canary(member))
        reason = self._why_not(group)
        script: Script | None = None
        while members and (self._is_canary(members[0]) or not (script or reason)):
            first = members.pop(0)
            self._tick()
            outcome, script, trouble = _lead(first, self.wish)
            self._count(group, first, outcome, executed=True, is_last=is_last)
            if outcome.error and self._is_canary(first):
                raise CanaryFailed(first.slug, outcome.error)
            reason = reason or trouble
        if not members:
            return
        follow = partial(_follow, self.wish, None if reason else script)
        if reason:
            self.report.why_executed.append(reason)
        # What all tenants share can be changed by one at a time.
        jobs = 1 if script and script.touches_public else self.wish.at_once
        outcomes = each(follow, members, jobs=jobs, tick=self._tick)
        with closing(outcomes):
            for member, outcome in outcomes:
                self._count(group, member, outcome, executed=bool(reason), is_last=is_last)

    def _why_not(self, group: Group) -> str:
        if not self.wish.replays:
            return "replaying was not wanted"
        if others_listen():
            return "somebody else listens to what follows a migration"
        return why_not(group.plan)

    def _count(
        self, group: Group, member: Member, outcome: Outcome, *, executed: bool, is_last: bool
    ) -> None:
        if not outcome.error:
            self.report.executed += executed
            self.report.replayed += not executed
        elif is_last or not outcome.may_pass:
            self._give_up(member, outcome.error, tuple(group.names))
        self._tick()

    def _give_up(self, member: Member, error: str, lacks: tuple[str, ...]) -> None:
        self._given_up.add(member.id)
        is_served = not member.trouble and not serving.needed(lacks)
        self.report.failures.append(Failure(member.slug, error, lacks, is_served))

    def _tick(self) -> None:
        if self.stopped.is_set():
            raise KeyboardInterrupt
        report = self.report
        rate = report.migrated / max(time.monotonic() - self._started, 0.001)
        self._progress(
            f"{rate:.0f} tenants/s, {len(report.failures)} failed",
            report.migrated + len(report.failures),
            report.lagging or None,
        )
        self.on_tick()

    def _note(self, survey: lag.Survey) -> None:
        """Store who lacks what, so that code that needs it does not serve them."""
        behind = [str(member.id) for member in (*survey.lagging, *survey.broken)]
        with owner_in(PUBLIC) as connection, connection.cursor() as cursor:
            for group in survey.groups:
                keys = [str(member.id) for member in group.members]
                cursor.execute(_LACKS, [json.dumps(group.names), keys])
            cursor.execute(_LACKS_NOTHING, [behind, list(self.wish.only), list(self.wish.only)])
        hosts.forget_hosts()


_LACKS: Final = """
UPDATE public.tenants_tenant t SET lacks = v.lacks
FROM (SELECT %s::jsonb AS lacks) v
WHERE t.id = ANY (%s::uuid[]) AND t.lacks <> v.lacks"""

_LACKS_NOTHING: Final = """
UPDATE public.tenants_tenant SET lacks = '[]'
WHERE lacks <> '[]' AND id <> ALL (%s::uuid[]) AND (%s::text[] = '{}' OR slug = ANY (%s))"""


def _lead(member: Member, wish: Wish) -> tuple[Outcome, Script | None, str]:
    """Let Django migrate a tenant; return what it sent, or why nobody else can be sent that."""
    recording = Recording()
    try:
        applied = execute(member, wish.bounds, recording)
    except Exception as error:
        return _failed(error), None, ""
    recording.check_relative(member.schema_name, str(member.id))
    return Outcome(), Script(tuple(recording.statements), applied), recording.trouble


def _follow(wish: Wish, script: Script | None, member: Member) -> Outcome:
    try:
        if script is None:
            execute(member, wish.bounds)
        else:
            replay(script, member, wish.bounds)
    except Exception as error:
        return _failed(error)
    return Outcome()


def _failed(error: Exception) -> Outcome:
    said = " ".join(str(error).split())[:_LONGEST_ERROR]
    if not isinstance(error, TenantryError):
        said = f"{type(error).__name__}: {said}".rstrip(": ")
    may_pass = sqlstate_of(error) in _AGAIN or _COLLIDED in said
    return Outcome(said.replace("\x00", ""), may_pass=may_pass)
