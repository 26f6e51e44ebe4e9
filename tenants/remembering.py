"""Makes Django's instances and query sets remember the tenant they were made for.

``tenants.provenance`` says what that means and checks it. Django has no official way to see a query
set made and run, or to see ``save(using=…)``, so those methods are replaced, once, at start-up
(``_REPLACED``). What has one, ``TenantRouter``, uses it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import Model, QuerySet
from django.db.models.base import DEFERRED, ModelBase
from django.db.models.fields.related import ForeignObject
from django.db.models.query import RawQuerySet
from django.db.models.sql import Query, RawQuery

from tenants import places
from tenants.places import Place, made_here, place
from tenants.provenance import (
    check_instance,
    check_rows,
    made_in,
    place_of,
    query_of,
    refuse_query,
)

# What replaces methods of Django's. Each function is given the original and returns what is there
# instead.


def _init_query(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        self.made_in = made_here()

    return __init__


def _clone_query(original: Any) -> Any:
    def clone(self: Any) -> Any:
        copy = original(self)
        if not copy.made_in:
            copy.made_in = made_here()
        return copy

    return clone


def _clone_raw(original: Any) -> Any:
    def clone(self: Any, using: str) -> Any:
        copy = original(self, using)
        copy.made_in = self.made_in or copy.made_in
        return copy

    return clone


def _get_compiler(original: Any) -> Any:
    """Every query is compiled, and so is every query inside another."""

    def get_compiler(
        self: Any, using: Any = None, connection: Any = None, elide_empty: bool = True
    ) -> Any:
        if origin := self.made_in:
            here = getattr(connection, "schema_name", "") if connection else places.here(using)
            if origin != here:
                refuse_query(self, here)
        return original(self, using, connection, elide_empty)

    return get_compiler


def _combine(original: Any) -> Any:
    """``|`` and ``&`` copy the other's conditions, with the keys in them."""

    def combine(self: Any, rhs: Any, connector: str) -> Any:
        if rhs.made_in:
            if self.made_in and self.made_in != rhs.made_in:
                refuse_query(self, rhs.made_in)
            self.made_in = rhs.made_in
        return original(self, rhs, connector)

    return combine


def _check_query_object_type(original: Any) -> Any:
    """``filter(user=ann)``: all that would be left of Ann is her key."""

    def check_query_object_type(self: Any, value: Any, opts: Any, field: Any) -> None:
        if isinstance(value, Model):
            check_instance(value)
        original(self, value, opts, field)

    return check_query_object_type


def _execute_raw(original: Any) -> Any:
    def _execute_query(self: Any) -> None:
        here = places.here(self.using)
        if self.made_in and self.made_in != here:
            refuse_query(self, here)
        original(self)

    return _execute_query


def _db(original: property) -> Any:
    def db(self: Any) -> str:
        """Return the database used if this query is executed now, and which tenant's."""
        alias = self._db or original.fget(self)  # type: ignore[misc]
        query = query_of(self)
        if query is None:
            return place_of(alias)
        if not query.made_in:
            # raw() asks for the database at once, so one of a module knows where it was imported.
            alias = str(alias)
        here = place_of(alias, self._hints.get("instance"))
        if type(here) is Place and query.made_in and query.made_in != here.schema:
            refuse_query(query, here.schema)
        return here

    return property(db)


def _key_values(original: Any) -> Any:
    """``groups.remove(role)``: all that would be left of the role is its key."""

    def get_instance_value_for_fields(instance: Any, fields: Any) -> Any:
        check_instance(instance)
        return original(instance, fields)

    return staticmethod(get_instance_value_for_fields)


def _contains(original: Any) -> Any:
    def contains(self: Any, obj: Any) -> Any:
        if isinstance(obj, Model):
            check_instance(obj)
        if self._result_cache is not None:
            check_rows(self)
        return original(self, obj)

    return contains


def _bulk(original: Any) -> Any:
    @wraps(original)
    def bulk(self: Any, objs: Any, *args: Any, **kwargs: Any) -> Any:
        objs = list(objs)
        here = places.here(self.db)
        for instance in objs:
            db = instance._state.db
            if type(db) is Place and db.schema != here:
                check_instance(instance, here)
        return original(self, objs, *args, **kwargs)

    return bulk


def _save_base(original: Any) -> Any:
    @wraps(original)
    def save_base(  # noqa: PLR0917 (as Django's)
        self: Any,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: Any = None,
        update_fields: Any = None,
    ) -> None:
        here = place_of(using or router.db_for_write(type(self), instance=self), self)
        original(self, raw, force_insert, force_update, here, update_fields)

    return save_base


def _own(original: Any) -> Any:
    """``delete`` and ``refresh_from_db``, told which database, ask no router."""

    @wraps(original)
    def own(self: Any, using: Any = None, *args: Any, **kwargs: Any) -> Any:
        place_of(using or DEFAULT_DB_ALIAS, self)
        return original(self, using, *args, **kwargs)

    return own


_create: Final = type.__call__


def _made_by_hand(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """An instance that is made in a tenant is for that tenant, before it is ever saved."""
    instance = _create(cls, *args, **kwargs)
    state = instance._state
    if state.db is None and (schema := made_here()):
        state.db = place("default", schema)
    return instance


def _from_db(cls: Any, db: str, field_names: Any, values: Any) -> Any:
    """Django's own, but for rows ``_made_by_hand`` is passed by: they are told where they are from.

    Rows with deferred fields take the longer way.
    """
    meta = cls._meta
    if len(values) != len(meta.concrete_fields):
        names = iter(values)
        values = [
            next(names) if field.attname in field_names else DEFERRED
            for field in meta.concrete_fields
        ]
    try:
        create = meta.create_of_row
    except AttributeError:
        create = meta.create_of_row = _create.__get__(cls)
    instance = create(*values)
    state = instance._state
    state.adding = False
    state.db = db
    return instance


def _fetch_all(original: Any) -> Any:
    """Whoever wants the rows of a query set comes by here; what it has read is for where it was."""

    def fetch_all(self: Any) -> None:
        if self._result_cache is None:
            origin = made_in(self) or places.here()
            original(self)
            self._rows_made_in = origin
        else:
            check_rows(self)
            original(self)

    return fetch_all


def _of_rows(original: Any) -> Any:
    """Whoever asks the rows that are there already does not."""

    @wraps(original)
    def of_rows(self: Any, *args: Any) -> Any:
        if self._result_cache is not None:
            check_rows(self)
        return original(self, *args)

    return of_rows


_REPLACED: Final[tuple[tuple[type, str, Callable[..., Any]], ...]] = (
    (Query, "__init__", _init_query),
    (Query, "clone", _clone_query),
    (Query, "get_compiler", _get_compiler),
    (Query, "combine", _combine),
    (Query, "check_query_object_type", _check_query_object_type),
    (RawQuery, "__init__", _init_query),
    (RawQuery, "clone", _clone_raw),
    (RawQuery, "_execute_query", _execute_raw),
    (QuerySet, "db", _db),
    (QuerySet, "_fetch_all", _fetch_all),
    (QuerySet, "__getitem__", _of_rows),
    (QuerySet, "count", _of_rows),
    (QuerySet, "exists", _of_rows),
    (QuerySet, "contains", _contains),
    (QuerySet, "bulk_create", _bulk),
    (QuerySet, "bulk_update", _bulk),
    (RawQuerySet, "db", _db),
    (RawQuerySet, "_fetch_all", _fetch_all),
    (Model, "save_base", _save_base),
    (Model, "delete", _own),
    (Model, "refresh_from_db", _own),
    (ForeignObject, "get_instance_value_for_fields", _key_values),
)
"""Class, name, and what it is replaced by."""

_NEW: Final[tuple[tuple[type, str, Any], ...]] = (
    (Query, "made_in", ""),
    (RawQuery, "made_in", ""),
    (ModelBase, "__call__", _made_by_hand),
)
"""Class, name, and what is there from now on, where there was nothing."""

_before: dict[tuple[type, str], Any] = {}


def install() -> None:
    """Make Django's models and query sets remember. Called once, when the app registry is ready.

    Raises ``KeyError`` when this Django has not what is replaced.
    """
    if _before:
        return
    for owner, name, replacement in _REPLACED:
        original = vars(owner)[name]
        _before[owner, name] = original
        # A staticmethod is unwrapped: it is called as a function.
        setattr(owner, name, replacement(getattr(original, "__func__", original)))
    _before[Model, "from_db"] = vars(Model)["from_db"]
    Model.from_db = classmethod(_from_db)  # type: ignore[assignment,method-assign]
    for owner, name, value in _NEW:
        setattr(owner, name, value)


def uninstall() -> None:
    """Leave Django as it was: for measuring and for showing what would happen."""
    for (owner, name), original in _before.items():
        setattr(owner, name, original)
    for owner, name, _ in _NEW if _before else ():
        delattr(owner, name)
    _before.clear()
