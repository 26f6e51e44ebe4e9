"""What an event is about: a kind, an id that is never reused, and the label it had.

Each recorded model is declared once, by its own app; this app knows none of them. Who acts in
Python and who changes rows in the database read the same declaration: here it is read from
instances, in ``activity.capture`` it becomes triggers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Final, cast

from django.apps import apps
from django.db.models import Model

from activity.actions import CATALOGUE


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that something was done to."""

    type: str = ""
    id: str = ""
    label: str = ""


NOTHING: Final = Subject()

NO_ROWS: Final = frozenset({"event", "export", "page", "record", "report", "search"})
"""Kinds of what no declared row is."""


@dataclass(frozen=True, slots=True)
class Flip:
    """The actions that turning a field on and off is."""

    on: str
    off: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """The action that a change usually is, and what else it can be if the application says so.

    It says so with ``activity.context.telling(meaning=…)``.
    """

    usual: str
    others: tuple[str, ...]


Action = str | Flip | OneOf


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """How a model appears in the record.

    ``noun`` names its kind and its family of actions. ``id`` is the path to what names it for
    ever, such as ``public_id`` or ``user.public_id``. ``label`` are templates such as ``{name}``:
    the first counts whose fields all say something. A foreign key in one stands for the label of
    what it refers to. ``actions`` has the fields whose change is an action of its own; all others
    together are ``<noun>.changed``. A change of an ``ignored`` field is no change. That a
    ``secret`` field changed is told, and never what it was or is. A row of a model that
    ``is_tie`` between others does not change: another one takes its place.
    """

    noun: str
    id: str
    label: tuple[str, ...]
    created: str
    deleted: str
    actions: Mapping[str, Action] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    is_tie: bool = False

    @property
    def changed(self) -> str:
        """The action that a change of any other field is."""
        return f"{self.noun}.changed"


@dataclass(frozen=True, kw_only=True)
class Link:
    """How the rows between two models appear: as a change of one of them, the ``holder``.

    ``field`` is what the change is of, ``name`` the templates for the other side, ``action`` what
    adding and taking away are. It has no history of its own.
    """

    holder: str
    field: str
    name: tuple[str, ...]
    action: str


_declarations: dict[str, Declaration] = {}
_links: dict[str, Link] = {}


def declare(model: type[Model], declaration: Declaration) -> None:
    """Make ``model`` known to the record.

    Raises ``KeyError`` for a field that it has not, a secret one without an action of its own, and
    actions that are not in the catalogue.
    """
    fields = {field.name for field in model._meta.concrete_fields}
    for name in (*declaration.actions, *declaration.ignored, *declaration.secret):
        if name not in fields:
            raise KeyError(f"{model._meta.label} has no field {name}")
    for name in declaration.secret:
        if name not in declaration.actions:
            raise KeyError(f"{model._meta.label}.{name} is secret and has no action of its own")
    _require(model, actions_of(model, declaration))
    _declarations[model._meta.label_lower] = declaration


def declare_link(model: type[Model], link: Link) -> None:
    """Make the model of the rows between two others known to the record.

    Raises ``KeyError`` for an action that is not in the catalogue.
    """
    _require(model, [link.action])
    _links[model._meta.label_lower] = link


def actions_of(model: type[Model], declaration: Declaration) -> list[str]:
    """Return all actions that changes of rows of ``model`` can be, each once."""
    found = [declaration.created, declaration.deleted]
    for action in declaration.actions.values():
        match action:
            case Flip(on=on, off=off):
                found += [on, off]
            case OneOf(usual=usual, others=others):
                found += [usual, *others]
            case _:
                found.append(action)
    apart = {*declaration.actions, *declaration.ignored}
    has_rest = any(field.name not in apart for field in model._meta.concrete_fields)
    if has_rest and not declaration.is_tie:
        found.append(declaration.changed)
    return list(dict.fromkeys(found))


def _require(model: type[Model], actions: Iterable[str]) -> None:
    missing = [action for action in actions if action not in CATALOGUE]
    if missing:
        raise KeyError(
            f"{model._meta.label} needs actions that there are not: {', '.join(missing)}. Add them"
            " to activity/actions.py, and what they mean to activity/catalogue.py"
        )


def declaration_of(model: type[Model]) -> Declaration:
    """Return how ``model`` was declared; raises ``KeyError`` when it never was.

    A row of history appears as what it is the history of.
    """
    model = getattr(model, "instance_type", model)
    return _declarations[(model._meta.concrete_model or model)._meta.label_lower]


def link_of(model: type[Model]) -> Link:
    """Return how the rows of ``model`` were declared; raises ``KeyError`` if they never were."""
    return _links[model._meta.label_lower]


def declared() -> frozenset[str]:
    """Return the labels of all models, in lower case, of which there is a declaration."""
    return frozenset(_declarations) | frozenset(_links)


def nouns_of(model: type[Model]) -> frozenset[str]:
    """Return the kinds of things whose events are told by the id of a row of ``model``.

    Such as its addresses and tokens; itself too.
    """
    wanted = model._meta.label_lower
    return frozenset(
        known.noun
        for label, known in _declarations.items()
        if _owner_of(apps.get_model(label), known.id)._meta.label_lower == wanted
    )


def _owner_of(model: type[Model], path: str) -> type[Model]:
    """Return the model of the row whose field is at the end of a path."""
    *relations, _ = path.split(".")
    for name in relations:
        model = cast("type[Model]", model._meta.get_field(name).related_model)
    return model


def kinds() -> frozenset[str]:
    """Return what events may be about: what is declared, what is no row, and any model at all.

    Of the last are events of somebody who was denied the page of one.
    """
    nouns = {one.noun for one in _declarations.values()}
    models = {str(model._meta.model_name) for model in apps.get_models()}
    return NO_ROWS | nouns | models


def pieces(template: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a template: a text, and the path of the field after it, maybe empty."""
    for text, path, _, _ in Formatter().parse(template):
        yield text, path or ""


def subject_of(instance: Model) -> Subject:
    """Return ``instance`` as the record names it."""
    # By way of _meta, because request.user is a proxy whose type says nothing.
    known = declaration_of(instance._meta.model)
    return Subject(known.noun, _read(instance, known.id), label_of(instance))


def label_of(instance: Model) -> str:
    """Return what the record calls ``instance``."""
    label = ""
    for template in declaration_of(instance._meta.model).label:
        values = [(text, _read(instance, path) if path else "") for text, path in pieces(template)]
        label = "".join(text + value for text, value in values)
        if all(
            value for (_, path), (_, value) in zip(pieces(template), values, strict=True) if path
        ):
            break
    return label


def _read(instance: Model, path: str) -> str:
    first, _, rest = path.partition(".")
    value: Any = getattr(instance, first)
    if rest:
        return _read(value, rest)
    if isinstance(value, Model):
        return label_of(value)
    return str(value)
