"""What is kept of somebody outside their account and outside events: emptied, and taken out.

Apps above add theirs to ``PLACES`` and ``LISTS`` when they start.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db.models import Model

from activity.forgetting import mentions
from activity.forgetting.people import Person, pseudonym
from activity.history import HistoryRow
from activity.jobs import forgetting as forgetting_exports
from activity.models import SavedSearch, Schedule
from activity.recording import record
from activity.rollups import erased
from activity.schedules import agenda, making
from activity.subjects import Subject
from tenants.context import current_tenant, enter_platform
from tenants.models import Domain, Operation

_LINK: Final = re.compile(rb"https?://([a-z0-9.-]+)")

Emptied = Callable[[Person], dict[str, int]]
"""Empties a place of somebody; returns how much there was, by its name. Safe to repeat."""

Kept = Callable[[Person], Iterable[dict[str, Any]]]
"""Yields what a place keeps of somebody as documents, for themselves to read. No secrets."""


def history_labels(person: Person) -> dict[str, int]:
    """Empty the name of who acted in history rows of anything."""
    counts = {}
    for model in history_models():
        rows = model._default_manager.filter(history_user_id=person.id).exclude(actor_label="")
        counts[f"{model._meta.db_table} (who)"] = rows.update(actor_label="")
    return counts


def history_models() -> list[type[Model]]:
    """Return the models of history rows."""
    return [model for model in apps.get_models() if issubclass(model, HistoryRow)]


def rollups(person: Person) -> dict[str, int]:
    """Replace the name in what is counted. The counts stay."""
    return erased.rename(person.id, pseudonym(person.id), mentions.pattern(person))


def operations(person: Person) -> dict[str, int]:
    """Replace the names in what was asked for about the tenant, such as its first administrator."""
    tenant = current_tenant()
    if tenant is None:
        return {}
    changed = 0
    with enter_platform():
        for operation in Operation.objects.filter(tenant=tenant).iterator():
            before = (operation.request, operation.result, operation.actor, operation.error)
            after = _replaced(before, person)
            if list(before) != after:
                operation.request, operation.result, operation.actor, operation.error = after
                operation.save(update_fields=["request", "result", "actor", "error"])
                changed += 1
    return {Operation._meta.db_table: changed}


def _replaced(value: Any, person: Person, key: str = "") -> Any:
    """Return JSON in which texts that name somebody are their pseudonym.

    A single word counts only where somebody is named or typed a reason: what a tenant is called is
    part of the request too, and its first user may be called the same.
    """
    if isinstance(value, str):
        named = mentions.in_text(person, value, is_typed=key in ("label", "reason"))
        return pseudonym(person.id) if named else value
    if isinstance(value, dict):
        return {name: _replaced(one, person, name) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(one, person) for one in value]
    return value


def searches(person: Person) -> dict[str, int]:
    """Delete kept searches that name somebody: there is nobody left whom they could find."""
    deleted = 0
    for search in mentions.searches(person).select_for_update():
        if search.is_shared:
            gone = Subject("search", str(search.pk), "a search for somebody who is erased")
            record("search.withdrawn", target=gone, details={"search": ""})
        deleted += search.delete()[0]
    return {SavedSearch._meta.db_table: deleted}


def schedules(person: Person) -> dict[str, int]:
    """Delete schedules that name somebody.

    The table's triggers tell of it, and what they tell is emptied with the rest.
    """
    named = mentions.schedules(person).values_list("pk", flat=True)
    deleted, _ = Schedule.objects.filter(pk__in=list(named)).delete()
    if deleted:
        agenda.keep()
    return {Schedule._meta.db_table: deleted}


def kept_files(person: Person) -> dict[str, int]:
    """Delete all files that schedules keep: none can be asked who is in it."""
    return {"files of schedules": making.drop_kept()}


def mail(person: Person) -> dict[str, int]:
    """Delete mails to or about somebody that were written to files, as without a mail server.

    All places write to one folder, and somebody else may have the address in another. So what only
    has links of other places' is left there; a mail without any may be of here.
    """
    folder = Path(getattr(settings, "EMAIL_FILE_PATH", None) or "/nonexistent")
    addresses = [name.lower().encode() for name in person.distinctive if "@" in name]
    deleted = 0
    for file in sorted(folder.glob("*.log")):
        text = file.read_bytes().lower()
        if any(address in text for address in addresses) and _may_be_of_here(text):
            file.unlink(missing_ok=True)
            deleted += 1
    return {"mail files": deleted}


def _may_be_of_here(text: bytes) -> bool:
    hosts = {host.decode() for host in _LINK.findall(text)}
    tenant = current_tenant()
    with enter_platform():
        known = Domain.objects.verified().filter(domain__in=hosts)
        places: set[UUID | None] = set(known.values_list("tenant_id", flat=True))
    if hosts & settings.TENANTRY_PLATFORM_HOSTS:
        places.add(None)
    return not places or (tenant.pk if tenant else None) in places


def cached(person: Person) -> dict[str, int]:
    """Empty the cache of the place: its keys can hold addresses, and none of it is needed."""
    cache.clear()
    return {}


PLACES: Final[list[Emptied]] = [
    *(operations, searches, schedules, kept_files, mail, cached, history_labels, rollups),
    forgetting_exports.forget,
]

LISTS: Final[dict[str, Kept]] = {}
"""What subject access takes out beside account, exports and events, by the name of the list."""
