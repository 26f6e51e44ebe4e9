"""Keeping searches: everybody their own, and what they share with all who read the record."""

import uuid
from functools import partial
from typing import Any, Final

from django.db.models import Q
from django.utils.http import urlencode

from activity import presence
from activity.models import SavedSearch
from activity.models.searches import LONGEST_NAME, LONGEST_SAVED
from activity.reading.query import parse
from activity.recording import record
from activity.subjects import Subject
from activity.text import sound_name
from tenants.errors import Conflict, InvalidInput, NotFound

MOST_SAVED: Final = 100
"""How many searches a person may keep."""

_sound_name = partial(sound_name, what="search", example="Failed sign-ins", longest=LONGEST_NAME)


def visible_to(person: Any) -> list[SavedSearch]:
    """Return a person's own searches and everybody's shared ones, by name, in one statement."""
    return list(
        SavedSearch.objects.filter(Q(owner=person) | Q(is_shared=True))
        .select_related("owner")
        .order_by("name", "id")[: 10 * MOST_SAVED]
    )


def link_of(saved: SavedSearch) -> str:
    """Return the query string that the list of events needs."""
    return f"?{urlencode({'q': saved.search})}"


def save(person: Any, name: str, search: str, *, is_shared: bool) -> SavedSearch:
    """Keep ``search`` under ``name``; a search that the person has under it is replaced.

    Raises ``InvalidInput`` for a name or a search that cannot be kept, ``Conflict`` when the person
    keeps too many, or is gone.
    """
    name, search = _sound_name(name), _sound(search)
    # So that none of one person's passes the bound or meets a name.
    presence.hold(person, "saved-search")
    mine = {saved.name: saved for saved in SavedSearch.objects.filter(owner=person)}
    if name in mine:
        delete(person, mine.pop(name).pk)
    if len(mine) >= MOST_SAVED:
        raise Conflict(
            f"you keep {MOST_SAVED} searches already, which is as many as one may.",
            "Delete one that you no longer need.",
        )
    saved = SavedSearch.objects.create(owner=person, name=name, search=search)
    return share(person, saved.pk, to=True) if is_shared else saved


def to_replace(person: Any, name: str) -> SavedSearch | None:
    """Return the search that saving another under ``name`` would replace, for who asks before.

    Raises ``Conflict`` for one that is shared: others would lose it, or find something else by it.
    """
    presence.hold(person, "saved-search")
    found = SavedSearch.objects.filter(owner=person, name=_sound_name(name)).first()
    if found and found.is_shared:
        raise Conflict(
            f"you share a search called {found.name!r} with others.",
            "Choose another name, or stop sharing it first.",
        )
    return found


def rename(person: Any, key: uuid.UUID, name: str) -> SavedSearch:
    """Give one of the person's searches another name."""
    name = _sound_name(name)
    presence.hold(person, "saved-search")
    saved = _own(person, key)
    if SavedSearch.objects.filter(owner=person, name=name).exclude(pk=key).exists():
        raise Conflict(f"you have a search called {name!r} already.", "Choose another name.")
    if saved.is_shared and name != saved.name:
        record("search.renamed", target=_subject(saved), changes={"name": (saved.name, name)})
    saved.name = name
    saved.save(update_fields=["name"])
    return saved


def share(person: Any, key: uuid.UUID, *, to: bool) -> SavedSearch:
    """Share one of the person's searches with everybody who may read the record, or stop that."""
    saved = _own(person, key)
    if saved.is_shared != to:
        _record_sharing(saved, to=to)
        saved.is_shared = to
        saved.save(update_fields=["is_shared"])
    return saved


def delete(person: Any, key: uuid.UUID) -> SavedSearch:
    """Delete one of the person's searches."""
    saved = _own(person, key)
    if saved.is_shared:
        _record_sharing(saved, to=False)
    SavedSearch.objects.filter(pk=saved.pk).delete()
    return saved


def _record_sharing(saved: SavedSearch, *, to: bool) -> None:
    # A private search is its owner's bookmark. A shared one tells colleagues what to look at, so
    # who changes what it finds, or takes it away, is in the record.
    record(
        "search.shared" if to else "search.withdrawn",
        target=_subject(saved),
        details={"search": saved.search},
    )


def _subject(saved: SavedSearch) -> Subject:
    return Subject("search", str(saved.pk), saved.name)


def _own(person: Any, key: uuid.UUID) -> SavedSearch:
    found = SavedSearch.objects.select_for_update().filter(owner=person, pk=key).first()
    if found is None:
        raise NotFound("you have no such search.", "It may have been deleted. Open the list again.")
    return found


def _sound(search: str) -> str:
    """Return a search that can be read; raises ``InvalidInput`` otherwise, with a caret."""
    search = search.strip()
    if not parse(search).terms:
        raise InvalidInput("there is no search to keep.", "Search for something first.")
    if len(search) > LONGEST_SAVED:
        raise InvalidInput(
            f"the search has {len(search):,} characters.",
            f"Up to {LONGEST_SAVED} can be kept. Ask for less.",
        )
    return search
