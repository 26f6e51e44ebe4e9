"""Links from what the record is about to the record: one place that writes their searches."""

from typing import Any, ClassVar

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from unfold.decorators import display

from activity.context import ActorKind
from activity.reading.query import about, by
from activity.subjects import subject_of


def link_to(search: str) -> str:
    """Return the address of the list of events that a search finds."""
    return f"{reverse('admin:activity_activityevent_changelist')}?{urlencode({'q': search})}"


class LinkedToRecord:
    """An admin whose page of an object leads to what the record has about it.

    Only for those who may read the record. The field ``in_the_record`` closes the page.
    """

    acts: ClassVar[bool] = False
    """Whether the objects are people, who also do something."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the page's fields, and the links."""
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        links = [("In the record", {"fields": ("in_the_record",)})]
        return [*fieldsets, *links] if _is_linked(request, obj) else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what may only be read, which links are."""
        fields = super().get_readonly_fields(request, obj)  # type: ignore[misc]
        return [*fields, "in_the_record"] if _is_linked(request, obj) else fields

    @display(description="Events")  # type: ignore[untyped-decorator]
    def in_the_record(self, of: Model) -> Any:
        """Links to everything about the object and, of a person, to everything they did."""
        subject = subject_of(of)
        links = [(link_to(about(subject.type, subject.id)), f"everything about {subject.label}")]
        if self.acts:
            did = link_to(by(ActorKind.PERSON, subject.id))
            links.append((did, f"everything {subject.label} did"))
        return format_html_join(" · ", '<a class="underline" href="{}">{}</a>', links)


def _is_linked(request: HttpRequest, of: Any) -> bool:
    user: Any = request.user
    return of is not None and bool(user.has_perm("activity.view_activityevent"))
