"""The filters beside the search box. They write the search, so there is one language to know.

The form is sent by GET and answered with a redirect to the search that it says. Whatever of a
search has no field of its own stays, in the field for the rest.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.http import QueryDict
from django.utils.http import urlencode

from activity.actions import CATALOGUE, FAMILIES, Severity, names
from activity.context import Channel
from activity.models import Outcome
from activity.reading.query import Query, Term, quoted

SENT: Final = "filter"
"""The parameter that says that the form was sent."""


def _any_of(values: Any) -> list[tuple[str, str]]:
    return [("", "any"), *((str(value), str(value)) for value in values)]


def _actions() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [("", "any")]
    for family in FAMILIES:
        own = [(name, CATALOGUE[name].name) for name in names(family)]
        found.append((family, [(f"{family}.*", f"{family}.* (all of them)"), *own]))
    return found


def _text(label: str, hint: str) -> forms.CharField:
    # The language checks the values and points at what is wrong; the form only carries them.
    widget = forms.TextInput(attrs={"placeholder": hint, "maxlength": 200, "autocomplete": "off"})
    return forms.CharField(label=label, required=False, widget=widget)


def _choice(label: str, choices: list[tuple[str, Any]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=choices)


def _day(label: str) -> forms.CharField:
    return forms.CharField(
        label=label, required=False, widget=forms.TextInput(attrs={"type": "date"})
    )


class FilterForm(forms.Form):
    """A field for each name of the language, and one for the rest of a search."""

    actor = _text("Who", "a name, or an ID")
    behalf = _text("On behalf of", "a name, or an ID")
    action = _choice("Action", _actions())
    target = _text("What it was done to", "a name, or an ID")
    outcome = _choice("Outcome", _any_of(Outcome.values))
    severity = _choice("Severity", _any_of(Severity))
    channel = _choice("Channel", _any_of(Channel))
    ip = _text("IP address or network", "10.0.0.7 or 10.0.0.0/8")
    field = _text("Changed field", "email")
    request = _text("Request", "an ID")
    since = _day("From")
    until = _day("Up to the end of")
    rest = _text("Words and other terms", "ann, -channel:task")

    @classmethod
    def of(cls, query: Query) -> "FilterForm":
        """Return the form filled in with a search."""
        taken: dict[str, str] = {}
        rest: list[str] = []
        for term in query.terms:
            name, value = _field_of(term)
            if name and name not in taken:
                taken[name] = value
            else:
                rest.append(term.text)
        return cls(initial={**taken, "rest": " ".join(rest)}, auto_id="filter_%s", label_suffix="")


def _field_of(term: Term) -> tuple[str, str]:
    """Return the field that can hold a term and the value in it; two empty texts if none can."""
    name, value = term.name, term.written
    if term.negated or name == "words":
        return "", ""
    if name == "family":
        return "action", f"{value}.*"
    if name == "action" and value not in CATALOGUE and value.removesuffix(".*") not in FAMILIES:
        return "", ""
    if name in ("since", "until") and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return "", ""
    return name, value


def written(sent: QueryDict) -> str:
    """Return the search that the form says."""
    parts = [
        f"{name}:{quoted(value)}"
        for name in FilterForm.base_fields
        if name != "rest" and (value := sent.get(name, "").strip())
    ]
    return " ".join([*parts, sent.get("rest", "").strip()]).strip()


@dataclass(frozen=True, slots=True)
class Chip:
    """One term of the search, and the list without it."""

    text: str
    without: str


def chips(query: Query) -> list[Chip]:
    """Return the terms of a search as what can be taken out of it."""
    return list(_chips(query))


def _chips(query: Query) -> Iterator[Chip]:
    for position, term in enumerate(query.terms):
        others = [t.text for t in (*query.terms[:position], *query.terms[position + 1 :])]
        yield Chip(term.text, f"?{urlencode({'q': ' '.join(others)})}" if others else "?")
