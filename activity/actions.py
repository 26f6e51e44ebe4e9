"""The catalogue of actions: everything that the record can say happened.

The names are stored, exported and searched for, so they are never renamed and never reused. Each
is ``family.past``. A name that is not here cannot be recorded.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How much attention an event asks for."""

    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of event. ``sentence`` has ``{actor}`` and ``{target}`` and reads as a sentence."""

    name: str
    sentence: str
    severity: Severity = Severity.INFO

    @property
    def family(self) -> str:
        """The part before the dot."""
        return self.name.partition(".")[0]


_ALL: Final = (
    Action("session.started", "{actor} signed in"),
    Action("session.ended", "{actor} signed out"),
    Action("session.failed", "Somebody failed to sign in as {target}", Severity.WARNING),
    Action(
        "session.refused", "{actor} brought a session of another organisation", Severity.WARNING
    ),
    Action("session.revoked", "{actor} ended a session of {target}", Severity.NOTICE),
    Action("access.denied", "{actor} was refused {target}", Severity.WARNING),
    Action("user.created", "{actor} added {target}", Severity.NOTICE),
    Action("user.invited", "{actor} sent {target} a link to choose a password", Severity.NOTICE),
    Action("user.changed", "{actor} changed {target}"),
    Action("user.deleted", "{actor} removed {target}", Severity.WARNING),
    Action("user.deactivated", "{actor} deactivated {target}", Severity.NOTICE),
    Action("user.reactivated", "{actor} reactivated {target}", Severity.NOTICE),
    Action(
        "user.privileges_changed", "{actor} changed the privileges of {target}", Severity.WARNING
    ),
    Action("user.password_changed", "{actor} changed the password of {target}", Severity.NOTICE),
    Action("user.password_reset", "{actor} chose a password by a one-time link", Severity.NOTICE),
    Action("user.password_reset_requested", "A password reset was requested for {target}"),
    Action("user.password_rehashed", "The password of {target} was stored in a stronger form"),
    Action("email.added", "{actor} added {target}"),
    Action("email.changed", "{actor} changed {target}", Severity.NOTICE),
    Action("email.removed", "{actor} removed {target}", Severity.NOTICE),
    Action("user.exported", "{actor} took out all that is kept on {target}", Severity.WARNING),
    Action("user.erased", "{actor} erased {target}", Severity.WARNING),
    Action("group.created", "{actor} added the role {target}", Severity.NOTICE),
    Action("group.changed", "{actor} changed the role {target}", Severity.NOTICE),
    Action("group.deleted", "{actor} removed the role {target}", Severity.WARNING),
    Action("group.permissions_changed", "{actor} changed what {target} may do", Severity.WARNING),
    Action("group.member_added", "{actor} gave {target}", Severity.NOTICE),
    Action("group.member_removed", "{actor} took {target}", Severity.NOTICE),
    Action("token.created", "{actor} made the API token {target}", Severity.NOTICE),
    Action("token.changed", "{actor} changed the API token {target}", Severity.WARNING),
    Action("token.revoked", "{actor} revoked the API token {target}", Severity.NOTICE),
    Action("token.deleted", "{actor} removed the API token {target}", Severity.NOTICE),
    Action(
        "token.refused", "{actor} presented {target}, which opens nothing here", Severity.WARNING
    ),
    Action("factor.added", "{actor} switched on {target}", Severity.NOTICE),
    Action("factor.removed", "{actor} removed {target}", Severity.WARNING),
    Action("factor.changed", "{actor} changed {target} past the application", Severity.WARNING),
    Action("factor.codes_renewed", "{actor} made new recovery codes", Severity.NOTICE),
    Action("factor.reset", "{actor} took the second factor of {target} away", Severity.WARNING),
    Action("factor.asked", "Somebody gave the password of {target} and was asked for a code"),
    Action("factor.passed", "{actor} gave a right code"),
    Action("factor.recovery_code_used", "{actor} gave a recovery code", Severity.NOTICE),
    Action("factor.failed", "Somebody gave a wrong code as {target}", Severity.WARNING),
    Action("export.requested", "{actor} exported {target}", Severity.NOTICE),
    Action("export.finished", "The export of {target} by {actor} was complete"),
    Action("export.failed", "The export of {target} by {actor} failed", Severity.WARNING),
    Action("export.cancelled", "{actor} cancelled the export of {target}", Severity.NOTICE),
    Action("export.downloaded", "{actor} downloaded the export of {target}", Severity.NOTICE),
    Action("export.refused", "{actor} was not given the export of {target}", Severity.WARNING),
    Action("export.expired", "The file of the export of {target} was deleted"),
    Action("activity.searched", "{actor} looked through {target}"),
    Action("activity.viewed", "{actor} looked at an event, {target}"),
    Action("history.viewed", "{actor} looked at the history of {target}"),
    Action("history.reverted", "{actor} took {target} back to what it was", Severity.NOTICE),
    Action("report.viewed", "{actor} looked at the report {target}"),
    Action("schedule.created", "{actor} scheduled {target}", Severity.NOTICE),
    Action("schedule.changed", "{actor} changed the schedule {target}", Severity.NOTICE),
    Action("schedule.paused", "{actor} paused the schedule {target}", Severity.NOTICE),
    Action("schedule.resumed", "{actor} resumed the schedule {target}", Severity.NOTICE),
    Action("schedule.deleted", "{actor} deleted the schedule {target}", Severity.NOTICE),
    Action("schedule.delivered", "The file of the schedule {target} was delivered"),
    Action("schedule.failed", "A run of the schedule {target} failed", Severity.WARNING),
    Action("search.shared", "{actor} shared the search {target}"),
    Action("search.renamed", "{actor} renamed the shared search {target}"),
    Action("search.withdrawn", "{actor} no longer shares the search {target}"),
    Action("tenant.created", "{actor} created {target}", Severity.NOTICE),
    Action("tenant.suspended", "{actor} suspended {target}", Severity.WARNING),
    Action("tenant.resumed", "{actor} resumed {target}", Severity.NOTICE),
    Action("tenant.domain_added", "{actor} added a domain to {target}", Severity.NOTICE),
    Action("tenant.domain_verified", "{actor} verified a domain of {target}", Severity.NOTICE),
    Action(
        "tenant.domain_not_verified",
        "{actor} could not verify a domain of {target}",
        Severity.NOTICE,
    ),
    Action(
        "tenant.domain_made_primary",
        "{actor} made a domain the primary one of {target}",
        Severity.NOTICE,
    ),
    Action("tenant.domain_removed", "{actor} removed a domain of {target}", Severity.NOTICE),
    Action("tenant.renamed", "{actor} renamed {target}", Severity.NOTICE),
    Action("operation.cancelled", "{actor} gave up the {target}", Severity.WARNING),
    Action(
        "tenant.deletion_scheduled", "{actor} scheduled the deletion of {target}", Severity.WARNING
    ),
    Action("tenant.undeleted", "{actor} took back the deletion of {target}", Severity.NOTICE),
    Action("tenant.deleted", "{actor} deleted {target} for good", Severity.WARNING),
    Action("tenant.row_added", "{actor} wrote {target} past the platform", Severity.WARNING),
    Action("tenant.changed", "{actor} changed {target} past the platform", Severity.WARNING),
    Action("tenant.row_removed", "{actor} removed {target} past the platform", Severity.WARNING),
    Action("domain.row_added", "{actor} wrote {target} past the platform", Severity.WARNING),
    Action("domain.changed", "{actor} changed {target} past the platform", Severity.WARNING),
    Action("domain.row_removed", "{actor} removed {target} past the platform", Severity.WARNING),
    Action("operation.row_added", "{actor} wrote {target} past the platform", Severity.WARNING),
    Action("operation.changed", "{actor} changed {target} past the platform", Severity.WARNING),
    Action("operation.row_removed", "{actor} removed {target} past the platform", Severity.WARNING),
    Action("tenant.support_allowed", "{actor} allowed support access to {target}", Severity.NOTICE),
    Action(
        "tenant.support_forbidden", "{actor} forbade support access to {target}", Severity.NOTICE
    ),
    Action("support.opened", "{actor} opened support access to {target}", Severity.WARNING),
    Action("support.entered", "{actor} began support access to {target}", Severity.WARNING),
    Action("support.viewed", "{actor} looked at {target}"),
    Action("support.ended", "Support access to {target} ended", Severity.NOTICE),
    Action("support.refused", "{actor} was refused support access to {target}", Severity.WARNING),
    Action("support.row_added", "{actor} wrote {target} past the platform", Severity.WARNING),
    Action("support.changed", "{actor} changed {target} past the platform", Severity.WARNING),
    Action("support.row_removed", "{actor} removed {target} past the platform", Severity.WARNING),
    Action("tenant.exported", "{actor} exported all of {target}", Severity.WARNING),
    Action("tenant.imported", "{actor} imported {target}", Severity.NOTICE),
    Action(
        "record.verification_failed",
        "{actor} found that the record is not intact",
        Severity.WARNING,
    ),
    Action("record.erased", "What was erased of {target} was certified", Severity.NOTICE),
    Action("record.cut", "Old events were removed by {actor}", Severity.NOTICE),
    Action("record.held", "{actor} placed a legal hold on {target}", Severity.WARNING),
    Action("record.released", "{actor} released the legal hold on {target}", Severity.WARNING),
    Action(
        "record.retention_changed", "{actor} changed how long {target} are kept", Severity.WARNING
    ),
)

CATALOGUE: Final = {action.name: action for action in _ALL}

FAMILIES: Final = tuple(dict.fromkeys(action.family for action in _ALL))

ABOUT: Final = {
    "session": "Who signed in and out, and who failed to.",
    "access": "Who was refused a page, a form or an address of the API.",
    "user": "Accounts: added, changed, deactivated and removed, and their passwords.",
    "email": "E-mail addresses of people.",
    "group": "Roles: what they allow, and who was given them.",
    "token": "API tokens.",
    "factor": "Second factors and recovery codes: set up, used, failed and taken away.",
    "export": "Files of the record and of reports: asked for, made and downloaded.",
    "activity": "Who read the record.",
    "history": "Who read earlier versions, and took something back to one.",
    "report": "Who read reports.",
    "schedule": "Exports by the clock: made, changed, delivered and failed.",
    "search": "Searches that are shared with colleagues.",
    "tenant": "The organisation itself: made, renamed, suspended and deleted, and its domains.",
    "operation": "Work on organisations that takes long, given up or written past the platform.",
    "domain": "Domains that were written past the platform.",
    "support": "What operators were allowed, saw and did here as support.",
    "record": "What was erased, cut and held, and checks of the record: kept for ever.",
}
"""What the events of each family are about."""


def names(*families: str) -> list[str]:
    """Return the names of all actions of the given families, in the catalogue's order."""
    return [action.name for action in _ALL if action.family in families]
