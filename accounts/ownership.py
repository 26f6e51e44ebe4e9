"""Whether somebody is left to run the place, for the panel's first page."""

from collections.abc import Iterable

from django.urls import reverse

from accounts.models import CustomUser
from activity.overview.attention import Look, Notice


def sole_administrator(look: Look) -> Iterable[Notice]:
    """Notice that there is one administrator alone, or none: who is ill must not stop the place."""
    administrators = CustomUser.objects.administrators().active()
    labels = [str(person) for person in administrators.order_by("pk")[:2]]
    if len(labels) > 1:
        return
    if labels:
        said = f"{labels[0]} is the only administrator."
        advice = "Make somebody else one too: nobody could take over."
    else:
        said = "Nobody here is an administrator."
        advice = "Ask whoever runs this platform to make somebody one."
    yield Notice(
        sentence=said,
        advice=advice,
        link=reverse("admin:accounts_customuser_changelist"),
        link_text="People",
        is_wrong=not labels,
    )
