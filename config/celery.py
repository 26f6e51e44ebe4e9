"""The Celery app, and the whole timetable on one page."""

import os
import uuid
from contextlib import ExitStack
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

app = Celery("tenantry")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

WORKER_SEEN_KEY = "worker-seen"
WORKER_SEEN_SECONDS = 90


@app.on_after_finalize.connect
def timetable(sender: Celery, **_: Any) -> None:
    """Say what runs when. Every entry is safe to run late, twice, or by two beats at once."""
    from django.conf import settings

    every = sender.add_periodic_task
    # Roll-ups of the record, for reports and the dashboard.
    seconds = settings.TENANTRY_AGGREGATE_SECONDS
    every(seconds, sender.signature("activity.aggregate_all"), expires=seconds)
    # Recounts of the figures, each record's once a night, as far as five hours go.
    nightly = crontab(minute="*/5", hour="0-4")
    every(nightly, sender.signature("activity.compare_rollups"), expires=300)
    # Seals on what was recorded: within five seconds, of which two may pass until it is noticed.
    every(2.0, sender.signature("activity.seal_all"), expires=2)
    # Verification of each record, about once a day.
    every(60.0, sender.signature("activity.check_records"), expires=60)
    # Floods of failures and views that are over: their counts become events.
    every(10.0, sender.signature("activity.settle_floods"), expires=10)
    # Spare schemas, which `tenant create` takes. A claim asks for more at once.
    every(60.0, sender.signature("tenants.fill_spares"), expires=60)
    # What a killed process or a lost message left undone.
    every(60.0, sender.signature("tenants.carry_on_forgotten"), expires=120)
    # Tenants whose grace is over.
    every(crontab(minute=17), sender.signature("tenants.purge_due"), expires=3000)
    # What the record must forget: erasures that were interrupted, events past their retention.
    every(crontab(hour=2, minute=45), sender.signature("activity.forget_all"))
    # Exports whose message was lost or whose worker was killed, and those that wait for a slot.
    every(10.0, sender.signature("activity.run_exports"), expires=10)
    # Files of exports whose time is over.
    every(crontab(minute=7), sender.signature("activity.expire_exports"), expires=3000)
    # What is exported by the clock, and files and bad news that are to be mailed.
    every(60.0, sender.signature("activity.run_schedules"), expires=60)
    # Sessions that have expired, before Europe wakes up.
    every(crontab(hour=3, minute=30), sender.signature("accounts.clear_sessions"))
    # Support access that has lost its time or its people: its end becomes an event.
    every(60.0, sender.signature("accounts.end_support"), expires=60)
    # Shows /readyz that beat, broker and a worker are there.
    every(15.0, sender.signature("config.worker_seen"), expires=30)


@app.task(name="config.worker_seen")
def worker_seen() -> None:
    """Leave a sign of life of a worker."""
    from django.core.cache import cache

    from tenants.context import enter_platform

    with enter_platform():
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
    from django.core.exceptions import ImproperlyConfigured

    from config.checks import refuse_unsafe_start
    from config.embedded import EmbeddedError
    from config.servers import join_if_embedded

    try:
        refuse_unsafe_start()
        join_if_embedded()
    except (ImproperlyConfigured, EmbeddedError) as error:
        # Celery logs what a signal's receiver raises and starts all the same; an exit it lets pass.
        raise SystemExit(f"error: {error}") from None


_acting: dict[str, ExitStack] = {}
"""The circumstances of each task that runs, by its id."""


@signals.task_prerun.connect
def enter_circumstances(task_id: str, task: Any, **_: Any) -> None:
    """Let what a task records and logs carry its id and name, as a request's carries its own."""
    from activity.context import Actor, ActorKind, Channel, Context, acting_as

    actor = Actor(ActorKind.SERVICE, label=f"task {task.name}")
    stack = _acting[task_id] = ExitStack()
    stack.enter_context(
        acting_as(Context(actor=actor, channel=Channel.TASK, request_id=uuid.UUID(task_id)))
    )


@signals.task_postrun.connect
def leave_circumstances(task_id: str, **_: Any) -> None:
    """What comes next is not the task's."""
    _acting.pop(task_id, ExitStack()).close()
