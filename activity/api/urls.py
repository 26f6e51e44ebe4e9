"""``/api/v1/``: the same addresses on every tenant's host, and on the platform's."""

from django.urls import URLPattern, path

from activity.api import exports, published, reports, schedules, views

urlpatterns: list[URLPattern] = [
    path("activity/events", views.EventList.as_view(), name="api-events"),
    path("activity/events/<uuid:event_id>", views.EventDetail.as_view(), name="api-event"),
    path("activity/events/<uuid:event_id>/proof", views.EventProof.as_view(), name="api-proof"),
    path("activity/checkpoint", views.Checkpoint.as_view(), name="api-checkpoint"),
    path("activity/catalogue", views.Catalogue.as_view(), name="activity-catalogue"),
    path("activity/reports", reports.ReportList.as_view(), name="api-reports"),
    path("activity/reports/<str:name>", reports.ReportDetail.as_view(), name="api-report"),
    path("activity/exports", exports.ExportList.as_view(), name="api-exports"),
    path("activity/exports/<uuid:export_id>", exports.ExportDetail.as_view(), name="api-export"),
    path(
        "activity/exports/<uuid:export_id>/cancel",
        exports.ExportCancel.as_view(),
        name="api-export-cancel",
    ),
    path(
        "activity/exports/<uuid:export_id>/download",
        exports.ExportDownload.as_view(),
        name="api-export-download",
    ),
    path(
        "activity/exports/<uuid:export_id>/manifest",
        exports.ExportManifest.as_view(),
        name="api-export-manifest",
    ),
    path("activity/schedules", schedules.ScheduleList.as_view(), name="api-schedules"),
    path(
        "activity/schedules/preview",
        schedules.SchedulePreview.as_view(),
        name="api-schedule-preview",
    ),
    path(
        "activity/schedules/<uuid:schedule_id>",
        schedules.ScheduleDetail.as_view(),
        name="api-schedule",
    ),
    path(
        "activity/schedules/<uuid:schedule_id>/pause",
        schedules.SchedulePause.as_view(),
        name="api-schedule-pause",
    ),
    path(
        "activity/schedules/<uuid:schedule_id>/resume",
        schedules.ScheduleResume.as_view(),
        name="api-schedule-resume",
    ),
    path(
        "activity/schedules/<uuid:schedule_id>/run",
        schedules.ScheduleRun.as_view(),
        name="api-schedule-run",
    ),
    path(
        "activity/schedules/<uuid:schedule_id>/runs",
        schedules.ScheduleRuns.as_view(),
        name="api-schedule-runs",
    ),
    path("schema", published.schema, name="api-schema"),
    path("problems/<slug:code>", published.kind, name="api-problem"),
]
