"""What answers on a tenant's host. The product, as its people see it."""

from django.urls import URLPattern, URLResolver, include, path

from accounts import own_activity, views
from accounts.support import pages as support
from activity import pages
from activity.forgetting.pages import rules
from activity.jobs.urls import exports
from activity.schedules.urls import schedules
from activity.sealing.published import published_keys
from tenants.sites import tenant_site

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("activity/", own_activity.own_activity, name="own-activity"),
    path("support/enter/<str:key>/", support.enter, name="support-enter"),
    path("support/end/", support.end, name="support-end"),
    path("admin/support/", tenant_site.admin_view(support.panel), name="support-panel"),
    path("admin/summary/", tenant_site.admin_view(pages.summary), name="summary"),
    path("admin/reports/", tenant_site.admin_view(pages.reports), name="reports"),
    path("admin/reports/<str:name>/", tenant_site.admin_view(pages.report), name="report"),
    path("admin/schedules/", include(schedules(tenant_site))),
    path("admin/retention/", tenant_site.admin_view(rules), name="retention"),
    path("admin/exports/", include(exports(tenant_site))),
    path("admin/", tenant_site.urls),
    path("accounts/", include("accounts.urls")),
    path("api/v1/", include("activity.api.urls")),
    path(".well-known/tenantry/keys", published_keys, name="published-keys"),
]
