"""Which tenant an instance or a query set was made for, and the refusal of it in any other.

A query set is lazy and an instance is only a key and some values. On the bare libraries both ask
whichever tenant one is in when they are used: Acme's Ann, saved in Globex, overwrites whoever has
her key there. Here that is a ``TenantMismatch``
(``docs/adr/0016-objects-are-good-only-where-they-were-made.md``).

Nothing is paid for a row. Django keeps with each instance the alias it was loaded from; we let
that alias be a ``Place``, a string equal to it that also knows the schema. All rows of a query
share one. ``tenants.remembering`` is what makes Django do so.

What is made where there is no tenant, or while a module is being imported, belongs to nobody: the
query set of a form or a view class. Each copy of it is bound where it is made, and the rows that it
has once read are for the tenant they were read in.
"""

from typing import Any

from django.db.models import Model, QuerySet
from django_tenants.utils import get_public_schema_name

from tenants import places
from tenants.errors import TenantMismatch
from tenants.places import Place, place


def made_in(thing: Any) -> str:
    """Return the schema that an instance or a query set was made for, or "" for nobody's."""
    if isinstance(thing, Model):
        db = thing._state.db
        return db.schema if type(db) is Place else ""
    return str(query_of(thing).made_in)


def query_of(queryset: Any) -> Any:
    """Return the query of a query set, as it is."""
    # Not .query of a QuerySet: that applies a filter which is kept until it is needed.
    state = queryset.__dict__
    return state["_query"] if isinstance(queryset, QuerySet) else state.get("query")


def _refuse(what: str, origin: str, here: str) -> None:
    raise TenantMismatch(
        f"{what} was made for {_called(origin)} and is used in {_called(here)}.",
        "Read it again where it is used, or go back to where it was made.",
    )


def _called(schema: str) -> str:
    if schema == get_public_schema_name():
        return "the platform"
    return f"the tenant in {schema}" if schema else "no tenant at all"


def check_instance(instance: Any, here: str | None = None) -> None:
    """Raise ``TenantMismatch`` if an instance was made for another place than one is in."""
    db = instance._state.db
    if type(db) is not Place:
        return
    if here is None:
        here = places.here(db)
    if db.schema != here:
        _refuse(f"an object of {type(instance).__name__}", db.schema, here)


def refuse_query(query: Any, here: str) -> None:
    """Raise ``TenantMismatch`` for a query that is run, or made part of another, ``here``."""
    model = getattr(query, "model", None)
    _refuse(f"a query of {model.__name__}" if model else "a query in SQL", query.made_in, here)


class TenantRouter:
    """Chooses no database. It objects, where Django asks on behalf of an instance."""

    def db_for_read(self, model: Any, **hints: Any) -> None:
        """Object to an instance from elsewhere: of it, related objects would be read."""
        if (instance := hints.get("instance")) is not None:
            check_instance(instance)

    db_for_write = db_for_read

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> None:
        """Object to relating instances of two places."""
        db, place_of_other = one._state.db, other._state.db
        if type(db) is Place and type(place_of_other) is Place:
            check_instance(one, place_of_other.schema)


def place_of(alias: str, instance: Any = None) -> str:
    """Return the ``Place`` for what now happens in ``alias``, maybe on behalf of ``instance``.

    Raises ``TenantMismatch`` if either was made for another.
    """
    here = places.here(alias)
    if type(alias) is Place and alias.schema != here:
        _refuse("a database alias", alias.schema, here)
    if instance is not None:
        check_instance(instance, here)
    return place(str(alias), here) if here else alias


def check_rows(queryset: Any) -> None:
    """Raise ``TenantMismatch`` if what a query set has read was read elsewhere."""
    state = queryset.__dict__
    # Django fills the lists of prefetched objects from outside, of query sets made for them.
    origin = state.get("_rows_made_in") or made_in(queryset)
    if origin and origin != (here := places.here()):
        _refuse(f"a list of {queryset.model.__name__}", origin, here)
