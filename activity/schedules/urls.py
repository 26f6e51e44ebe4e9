"""The pages of schedules, on a tenant's host and on the platform's."""

from typing import Any

from django.urls import URLPattern, path

from activity.schedules import pages


def schedules(site: Any) -> list[URLPattern]:
    """Return the addresses of the pages, behind the door of an admin site."""
    view = site.admin_view
    return [
        path("", view(pages.schedules), name="schedules"),
        path("new/", view(pages.new), name="schedule-new"),
        path("<str:key>/", view(pages.one), name="schedule"),
    ]
