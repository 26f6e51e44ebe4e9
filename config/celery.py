"""The Celery app, and the whole timetable on one page."""

import os
from typing import Any

import structlog
from celery import Celery, signals
from celery.schedules import crontab
from structlog.contextvars import bind_contextvars, unbind_contextvars

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

app = Celery("tenantry")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

WORKER_SEEN_KEY = "worker-seen"
WORKER_SEEN_SECONDS = 90

logger = structlog.get_logger("tenantry.tasks")


@app.on_after_finalize.connect
def timetable(sender: Celery, **_: Any) -> None:
    """Say what runs when. Every entry is safe to run late, twice, or by two beats at once."""
    from django.conf import settings

    every = sender.add_periodic_task
    # Roll-ups of the record, for reports and the dashboard.
    every(settings.TENANTRY_AGGREGATE_SECONDS, sender.signature("activity.aggregate_all"))
    # Sessions that have expired, before Europe wakes up.
    every(crontab(hour=3, minute=30), sender.signature("accounts.clear_sessions"))
    # Shows /readyz that beat, broker and a worker are there.
    every(15.0, sender.signature("config.worker_seen"), expires=30)


@app.task(name="config.worker_seen")
def worker_seen() -> None:
    """Leave a sign of life of a worker."""
    from django.core.cache import cache

    cache.set(WORKER_SEEN_KEY, True, WORKER_SEEN_SECONDS)


@signals.worker_ready.connect
def worker_is_ready(**_: Any) -> None:
    """Leave a sign of life at once, not after beat's first round."""
    worker_seen()


@signals.setup_logging.connect
def keep_django_logging(**_: Any) -> None:
    """Keep Celery from replacing the logging of the settings, which Django has configured."""


@signals.worker_init.connect
@signals.beat_init.connect
def prepare_process(**_: Any) -> None:
    """Start only with settings that a deployment may have, and with servers to talk to."""
    from config.checks import refuse_unsafe_start
    from config.servers import join_if_embedded

    refuse_unsafe_start()
    join_if_embedded()


@signals.task_prerun.connect
def name_task_in_log(task_id: str, task: Any, **_: Any) -> None:
    """Let every log line of a task carry its id where a request's carries its own."""
    bind_contextvars(request_id=task_id, actor=f"task:{task.name}")


@signals.task_postrun.connect
def forget_task_in_log(**_: Any) -> None:
    """The next line is not the task's."""
    unbind_contextvars("request_id", "actor")
