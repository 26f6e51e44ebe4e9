"""What an event is about: a kind, an id that is never reused, and the label it had.

Each recorded model is declared once, by its own app. This app knows none of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that something was done to."""

    type: str = ""
    id: str = ""
    label: str = ""


NOTHING = Subject()


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """How a model appears in the record.

    ``noun`` names its kind and its family of actions; ``id_of`` and ``label_of`` read the two from
    an instance; ``actions_for`` picks the actions of an update by the fields that changed, and
    falls back to ``<noun>.changed``.
    """

    noun: str
    id_of: Callable[[Any], str]
    label_of: Callable[[Any], str]
    created: str
    deleted: str
    actions_for: Callable[[dict[str, tuple[Any, Any]]], list[tuple[str, list[str]]]] | None = None


_declarations: dict[type[Model], Declaration] = {}


def declare(model: type[Model], declaration: Declaration) -> None:
    """Make ``model`` known to the record."""
    _declarations[model] = declaration


def declaration_of(model: type[Model]) -> Declaration:
    """Return how ``model`` was declared; raises ``KeyError`` when it never was."""
    return _declarations[model._meta.concrete_model or model]


def subject_of(instance: Model) -> Subject:
    """Return ``instance`` as the record names it."""
    # By way of _meta, because request.user is a proxy whose type says nothing.
    known = declaration_of(instance._meta.model)
    return Subject(known.noun, known.id_of(instance), known.label_of(instance))
