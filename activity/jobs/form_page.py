"""The form for a new export. It says how many rows there will be before anything is made."""

from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode

from activity.events import COLUMNS
from activity.exporting.compressing import COMPRESSIONS
from activity.jobs import asking, sources
from activity.jobs.asked import Asked
from activity.jobs.counting import Count
from activity.jobs.pages import may_read, site
from activity.schedules import filling
from tenants.errors import InvalidInput, TenantryError

_OTHERS: Final = ("source", "format", "compress", "columns", "note", "empty", "large", "count")

_OWN: Final = {*_OTHERS, "csrfmiddlewaretoken", "q", "since", "until"}


@dataclass
class Form:
    """What the form says, and what is to be said of it.

    ``typed_source`` and ``typed_form`` are what there is not: shown as typed, and refused.
    """

    source: sources.Source
    form: str
    compress: str
    columns: list[str]
    note: str
    filters: dict[str, str]
    error: TenantryError | None = None
    count: Count | None = None
    forms: list[str] = field(default_factory=list)
    typed_source: str = ""
    typed_form: str = ""

    @classmethod
    def of(cls, given: QueryDict, person: Any) -> "Form":
        """Read it; what is not given is what there is first.

        So is a format that only the source which was chosen before comes in.
        """
        known = allowed(person)
        named = given.get("source") or sources.EVENTS
        source = known.get(named, known[sources.EVENTS])
        forms = source.forms()
        form = given.get("format") or forms[0]
        every = {one for other in known.values() for one in other.forms()}
        return cls(
            source=source,
            form=form if form in forms else forms[0],
            error=_misunderstood(given, source, known, every),
            typed_source="" if named in known else named[:60],
            typed_form="" if form in every else form[:40],
            compress=given.get("compress", ""),
            columns=[name for name in given.getlist("columns") if name],
            note=given.get("note", ""),
            filters=_filters(given, source),
            forms=forms,
        )

    def asked(self) -> Asked:
        """Return it in its final words; raises what ``sources.checked`` raises."""
        return sources.checked(
            Asked(
                source=self.source.name,
                filters=self.filters,
                form=self.form,
                compression=self.compress,
                columns=tuple(self.columns),
                zone=timezone.get_current_timezone_name(),
                note=self.note.strip(),
            )
        )

    def look(self) -> None:
        """Find out what is wrong, or how many rows there will be."""
        if self.error:
            return
        try:
            self.count = self.source.expect(self.asked())
        except TenantryError as error:
            self.error = error


@may_read
def new_export(request: HttpRequest) -> HttpResponse:
    """Show the form with what it would make, or have it made."""
    given = request.POST if request.method == "POST" else request.GET
    form = Form.of(given, request.user)
    form.look()
    if request.method == "POST" and form.error is None:
        is_sure = "empty" in given or not (form.count and form.count.is_empty)
        if is_sure and _made(request, form):
            return redirect("exports")
    context = {
        **site().each_context(request),
        "title": "New export",
        "form": form,
        "sources": allowed(request.user).values(),
        "compressions": list(COMPRESSIONS),
        "all_columns": COLUMNS,
        "of_events": form.source.name == sources.EVENTS,
        "is_large": "large" in given,
        "stream": urlencode({"q": form.filters.get("q", ""), "export": form.form, "now": "1"}),
        "parameters": _parameters(form),
        "schedule": filling.link_to(
            form.source.name, form.filters, form.form, form.compress, form.columns
        ),
    }
    status = 400 if request.method == "POST" and form.error else 200
    return render(request, "panel/export_new.html", context, status=status)


def _made(request: HttpRequest, form: Form) -> bool:
    try:
        asking.request(
            form.source.name,
            form.filters,
            form.form,
            form.compress,
            form.columns,
            by=request.user,
            note=form.note,
        )
    except TenantryError as error:
        form.error = error
        return False
    messages.success(request, "The export is being made. You can leave this page meanwhile.")
    return True


def allowed(person: Any) -> dict[str, sources.Source]:
    """Return what a person may have files of, by name."""
    every = sources.all_sources().items()
    return {name: source for name, source in every if person.has_perm(source.permission)}


def _misunderstood(
    given: QueryDict, source: sources.Source, known: dict[str, sources.Source], forms: set[str]
) -> InvalidInput | None:
    """Return what is wrong with what names nothing: left out, other rows would be in the file."""
    named, form = given.get("source") or source.name, given.get("format") or source.forms()[0]
    if named not in known:
        return InvalidInput(
            f"there is nothing called {named[:60]!r} to export.",
            f"Choose one of {', '.join(known)}.",
        )
    if form not in forms:
        return InvalidInput(
            f"{source.title} cannot be written as {form[:40]!r}.",
            f"Choose one of {', '.join(source.forms())}.",
        )
    own = [one.name for one in source.parameters]
    shown = {f"p_{one.name}" for other in known.values() for one in other.parameters}
    strange = next((name for name in given if name not in _OWN | shown | {*own}), None)
    if strange is None:
        return None
    there = ["since", "until", *(["q"] if source.name == sources.EVENTS else []), *own]
    return InvalidInput(
        f"{source.title} has no filter {strange[:60]!r}.", f"Choose of {', '.join(there)}."
    )


def _filters(given: QueryDict, source: sources.Source) -> dict[str, str]:
    """Return what chooses rows: days, the search of events, and the parameters of a report.

    What the form still has of another source that was chosen before is left out.
    """
    names = {"since": "since", "until": "until"}
    if source.name == sources.EVENTS:
        names["q"] = "q"
    for parameter in source.parameters:
        names[parameter.name] = f"p_{parameter.name}"
    found = {}
    for name, field_name in names.items():
        plain = "" if name in _OTHERS else given.get(name, "")
        found[name] = given.get(field_name, plain).strip()
    return {name: value for name, value in found.items() if value}


def _parameters(form: Form) -> list[Any]:
    return [(one, form.filters.get(one.name, one.default)) for one in form.source.parameters]
