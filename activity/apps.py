"""Start-up of the activity app."""

from django.apps import AppConfig


class ActivityConfig(AppConfig):
    """Listens to what must be recorded."""

    name = "activity"
    verbose_name = "Activity"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the signals at the edge and add to the panel's first page."""
        from activity import admin, floods, lifecycle, outcomes, rollups, signins  # noqa: F401
        from activity.capture import platform, rules, schedules, transport
        from activity.jobs import ends, keeping, sources
        from activity.overview import page, summary
        from activity.rollups import figures
        from activity.schedules import agenda, making
        from activity.sealing import alarms, sealer, signers
        from tenants import privileges, purging, sites, surroundings
        from tenants.archive import contents

        privileges.APPEND_ONLY.update({"activity_activityevent", "activity_segment"})
        lifecycle.connect()
        transport.connect()
        platform.declare_models()
        rules.declare_models()
        schedules.declare_models()
        contents.before_export += [floods.settle_now, sealer.seal_now, rollups.fold_now]
        contents.after_import += [sealer.arrive, rollups.arrive, agenda.keep]
        contents.to_do.append(signers.remaining)
        contents.leave_out("activity_exportjob", "files of exports stay where they were made")
        purging.register("figures of days", figures.forget)
        purging.register("files of exports", keeping.drop_all_of)
        purging.register("due visits", agenda.forget)
        sources.register_document(
            summary.NAME, summary.TITLE, summary.MEDIA_TYPES, summary.pieces, summary.checked
        )
        sites.overview.append(page.contribute)
        ends.register(making.heed)
        surroundings.VERBS.append(outcomes.outliving)
        sites.warnings.append(alarms.sentences)
