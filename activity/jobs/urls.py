"""The pages of exports, on a tenant's host and on the platform's."""

from typing import Any

from django.urls import URLPattern, path

from activity.jobs import form_page, pages


def exports(site: Any) -> list[URLPattern]:
    """Return the addresses of the pages, behind the door of an admin site."""
    view = site.admin_view
    return [
        path("", view(pages.exports), name="exports"),
        path("list/", view(pages.exports_list), name="exports-list"),
        path("new/", view(form_page.new_export), name="export-new"),
        path("file/<str:key>/", view(pages.export_link), name="export-link"),
        path("<uuid:job>/", view(pages.export), name="export"),
        path("<uuid:job>/manifest/", view(pages.export_manifest), name="export-manifest"),
    ]
