"""What answers on the platform's own host."""

from django.urls import URLPattern, URLResolver, include, path

from accounts import own_activity, views
from accounts.support import console as support
from activity import pages
from activity.jobs.urls import exports
from activity.schedules.urls import schedules
from activity.sealing.metrics import metrics
from activity.sealing.published import published_keys
from tenants.sites import platform_site

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("activity/", own_activity.own_activity, name="own-activity"),
    path("admin/reports/", platform_site.admin_view(pages.reports), name="reports"),
    path("admin/reports/<str:name>/", platform_site.admin_view(pages.report), name="report"),
    path("admin/schedules/", include(schedules(platform_site))),
    path("admin/exports/", include(exports(platform_site))),
    path(
        "admin/tenants/tenant/<uuid:object_id>/support/",
        platform_site.admin_view(support.page),
        name="tenant-support",
    ),
    path("admin/", platform_site.urls),
    path("accounts/", include("accounts.urls")),
    path("api/v1/", include("activity.api.urls")),
    path(".well-known/tenantry/keys", published_keys, name="published-keys"),
    path("metrics", metrics, name="metrics"),
]
