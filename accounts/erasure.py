"""What is kept of a person, and how it is erased, for ``activity.forgetting``."""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models import Model, Q

from accounts import administrators
from accounts.devices import kept_device
from accounts.models import ApiToken, CustomUser, Membership
from accounts.sessions import SessionStore, rows_of
from activity.forgetting.people import People, Person, pseudonym
from activity.models import ActivityEvent, SavedSearch, Schedule
from activity.subjects import label_of
from tenants.errors import Conflict, NotFound

Past: Any = CustomUser.history.model


def find(text: str) -> Person:
    """Return whoever has or had a user name or an address, or has a public id.

    Raises ``NotFound``, and ``Conflict`` when several people were called so one after another.
    """
    typed = text.strip().lower()
    found = _ids(typed)
    if not found:
        raise NotFound(
            f"nobody here is or was called {text[:80]!r}.",
            "Give the user name, the e-mail address or the public ID.",
        )
    if len(found) > 1:
        raise Conflict(
            f"{len(found)} people were called {text[:80]!r}, one after another.",
            f"Give the public ID of the one you mean: {', '.join(sorted(found)[:5])}.",
        )
    return person_with(found.pop())


def _ids(typed: str) -> set[str]:
    try:
        wanted = uuid.UUID(typed)
    except ValueError:
        pass
    else:
        known = (
            CustomUser.objects.filter(public_id=wanted).exists()
            or Past.objects.filter(public_id=wanted).exists()
            or ActivityEvent.objects.filter(target_id=str(wanted), target_type="user").exists()
        )
        return {str(wanted)} if known else set()
    if "\0" in typed or not typed:
        return set()
    named = Q(username=typed) | Q(email=typed)
    # Whoever is called so now is meant, whoever was before.
    now = CustomUser.objects.filter(named).values_list("public_id", flat=True)
    before = Past.objects.filter(named).values_list("public_id", flat=True)
    return {str(one) for one in now} or {str(one) for one in before}


def person_with(public_id: str) -> Person:
    """Return the person with an id, with every name that is still known of them."""
    user = CustomUser.objects.filter(public_id=public_id).first()
    names: set[str] = set()
    for row in (*Past.objects.filter(public_id=public_id), *([user] if user else [])):
        names |= {row.username, row.email, row.display_name, label_of(row)}
    if user:
        names |= set(EmailAddress.objects.filter(user=user).values_list("email", flat=True))
    names |= _recorded_addresses(public_id)
    names = {name for name in names if len(name) >= 3 and not name.startswith("erased-")}
    return Person(
        id=public_id,
        label=label_of(user) if user else pseudonym(public_id),
        has_account=user is not None,
        names=frozenset(names),
        distinctive=frozenset(names - _of_others(public_id, names)),
    )


def distinctive(person: Person) -> frozenset[str]:
    """Return those of a person's names that nobody else has or had in the place one is in."""
    return person.names - _of_others(person.id, set(person.names))


def _recorded_addresses(public_id: str) -> set[str]:
    """The addresses that the record says somebody had: those go with the account, these stay.

    Until they are erased themselves, which is after they were looked for.
    """
    told = ActivityEvent.objects.filter(target_id=public_id, target_type="email")
    pairs = told.values_list("changes__email", flat=True)
    return {str(address) for pair in pairs if pair for address in pair if address}


def _of_others(public_id: str, names: set[str]) -> set[str]:
    """The names among these that somebody else has or had too."""
    shared: set[str] = set()
    named = Q(username__in=names) | Q(email__in=names) | Q(display_name__in=names)
    for model in (CustomUser, Past):
        others = model._default_manager.filter(named).exclude(public_id=public_id)
        for values in others.values_list("username", "email", "display_name").iterator():
            shared.update(values)
    return shared


def refuse(person: Person) -> None:
    """Refuse to erase the only administrator: nobody would be left to run the place."""
    user = CustomUser.objects.filter(public_id=person.id).first()
    if user is not None:
        administrators.keep_one(user)


def close(person: Person) -> dict[str, int]:
    """End sessions and account. What the signals of it record is erased with the rest.

    Raises ``Conflict`` for who has become the only administrator since that was looked at.
    """
    found = CustomUser.objects.filter(public_id=person.id)
    user = found.first()
    if user is None:
        return {}
    everybody = administrators.locked(user.pk) if user.is_superuser else {}
    user = everybody.get(user.pk) or found.select_for_update().first()
    if user is None:
        return {}
    administrators.keep_one(user)
    counts = {Session._meta.db_table: _end_sessions({user.pk})}
    _, deleted = user.delete()
    for label, count in deleted.items():
        table = _table(label)
        counts[table] = counts.get(table, 0) + count
    return {table: count for table, count in counts.items() if count}


def _table(label: str) -> str:
    return str(apps.get_model(label)._meta.db_table)


def _end_sessions(keys: set[int]) -> int:
    """Delete every session of somebody: they hold by which address they signed in."""
    ended = 0
    for session, _ in _sessions_of(keys):
        ended += session.delete()[0]
    return ended


def _sessions_of(keys: set[int]) -> Iterator[tuple[Session, dict[str, Any]]]:
    """Find them by their marks; whose they are says what is signed."""
    store = SessionStore()
    wanted = {str(key) for key in keys}
    for session in rows_of(keys).iterator(chunk_size=500):
        held = store.decode(session.session_data)
        if held.get(SESSION_KEY) in wanted:
            yield session, held


def _keys_of(person: Person) -> set[int]:
    """Every key under which somebody has or had an account; none is used twice."""
    found: set[int] = set()
    for model in (CustomUser, Past):
        named = model._default_manager.filter(public_id=person.id)
        found.update(named.values_list("id", flat=True))
    return found


def forget(person: Person) -> dict[str, int]:
    """Empty the history rows of a person. Which rows there were, and when, stays.

    Ends what sessions an account has left that was removed without an erasure.
    """
    name = pseudonym(person.id)
    counts = {Session._meta.db_table: _end_sessions(_keys_of(person))}
    counts[Past._meta.db_table] = (
        Past.objects.filter(public_id=person.id)
        .exclude(username=name)
        .update(
            username=name,
            email=f"{name}@erased.invalid",
            display_name="",
            time_zone="",
            history_change_reason=None,
        )
    )
    return {table: count for table, count in counts.items() if count}


def rows(person: Person) -> Iterable[tuple[str, Iterator[dict[str, Any]]]]:
    """Yield what is kept of a person beside events, each kind with its rows."""
    user = CustomUser.objects.filter(public_id=person.id).first()
    past = Past.objects.filter(public_id=person.id)
    keys = _keys_of(person)
    roles = Membership.history.model.objects.filter(user_id__in=keys)
    yield "account", _documents(CustomUser.objects.filter(public_id=person.id), {"password"})
    yield "addresses", _documents(EmailAddress.objects.filter(user_id__in=keys))
    yield "roles", _roles(user)
    yield "sessions", _session_documents(keys)
    yield "second-factors", _documents(Authenticator.objects.filter(user_id__in=keys), {"data"})
    yield "tokens", _documents(ApiToken.objects.filter(user_id__in=keys), {"digest"})
    yield "searches", _documents(SavedSearch.objects.filter(owner_id__in=keys))
    yield "schedules", _documents(Schedule.objects.filter(owner_id__in=keys))
    yield "account-history", _documents(past)
    yield "role-history", _documents(roles)


def _documents(rows: Any, hidden: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    model: type[Model] = rows.model
    names = [field.attname for field in model._meta.concrete_fields if field.name not in hidden]
    for values in rows.order_by("pk").values_list(*names).iterator(chunk_size=500):
        yield dict(zip(names, values, strict=True))


def _roles(user: CustomUser | None) -> Iterator[dict[str, Any]]:
    if user:
        yield from ({"role": name} for name in user.groups.values_list("name", flat=True))


def _session_documents(keys: set[int]) -> Iterator[dict[str, Any]]:
    """When each ends, and the device; not the key, which would open it."""
    for session, held in _sessions_of(keys):
        yield {"expires_at": session.expire_date, "device": kept_device(held)}


PEOPLE = People(
    find=find, distinctive=distinctive, refuse=refuse, close=close, forget=forget, rows=rows
)
