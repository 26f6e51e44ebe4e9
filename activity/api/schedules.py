"""Schedules for programs: list, make, change, pause, resume, run and delete them, as in the panel.

Whoever reads the record has their own, and who oversees schedules sees everybody's; to whom one is
not shown it is not there. A token needs a scope of its own to change anything.
"""

import uuid
from dataclasses import replace
from typing import Any, ClassVar, Final

from django.urls import reverse
from django.utils.http import urlencode
from rest_framework.parsers import JSONParser
from rest_framework.response import Response

from activity.api import described_schedules as described
from activity.api.bodies import body_of, named_texts, text, texts
from activity.api.parameters import page_asked
from activity.api.schedule_documents import (
    PreviewSerializer,
    RunPageSerializer,
    SchedulePageSerializer,
    ScheduleSerializer,
)
from activity.api.views import RecordView
from activity.models import Schedule
from activity.schedules import keeping, running, runs, showing, wishes
from activity.schedules.preview import preview
from activity.schedules.wishes import Wish
from tenants.errors import InvalidInput

PAGE: Final = 50
MOST: Final = 200

_TEXTS: Final = {
    "name": "name",
    "source": "source",
    "format": "form",
    "compression": "compression",
    "search": "search",
    "span": "span",
    "cron": "cron",
    "delivery": "delivery",
}
"""Members that are texts, and what of a wish they are."""
MEMBERS: Final = (*_TEXTS, "columns", "parameters")
NEEDED: Final = ("name", "source", "cron")


class ScheduleView(RecordView):
    """What the doors of schedules have in common."""

    parser_classes: ClassVar[Any] = [JSONParser]
    changing: ClassVar[tuple[str, ...]] = ("schedules:write",)

    def document(self, schedule: Schedule) -> Any:
        """Return a schedule as this person sees it."""
        is_mine = schedule.owner_id == self.request.user.pk
        about = {"is_mine": is_mine, "when": showing.when(schedule)}
        return ScheduleSerializer({**showing.described(schedule), **about}).data

    def found(self, key: uuid.UUID) -> Schedule:
        """Return a schedule that this person sees; raises ``NotFound``."""
        return keeping.found(self.request.user, key)


class ScheduleList(ScheduleView):
    """The schedules that somebody sees."""

    @described.schedules
    def get(self, request: Any) -> Response:
        """Return the newest schedules, or those made before one."""
        before, limit = page_asked(request.query_params, PAGE, MOST, "a schedule")
        visible = keeping.visible_to(request.user).order_by("-id")
        found = list((visible.filter(pk__lt=before) if before else visible)[: limit + 1])
        shown = [self.document(one) for one in found[:limit]]
        next_ = _next(request, found[limit - 1].pk, limit) if len(found) > limit else None
        return Response(SchedulePageSerializer({"schedules": shown, "next": next_}).data)

    @described.add
    def post(self, request: Any) -> Response:
        """Keep a schedule of one's own, which runs from now on."""
        schedule = keeping.create(request.user, _wish(request))
        headers = {"Location": reverse("api-schedule", args=[schedule.pk])}
        return Response(self.document(schedule), status=201, headers=headers)


class SchedulePreview(ScheduleView):
    """What a schedule would do, without keeping it."""

    # It changes nothing: a look at the record, by the scope and the permission of one.
    changing = ()

    @described.preview
    def post(self, request: Any) -> Response:
        """Return when it would run next, and what its file would hold now."""
        return Response(PreviewSerializer(preview(_wish(request), request.user).document).data)


class ScheduleDetail(ScheduleView):
    """One schedule."""

    @described.schedule
    def get(self, request: Any, schedule_id: uuid.UUID) -> Response:
        """Return what it makes, when it runs next, and how it went last."""
        return Response(self.document(self.found(schedule_id)))

    @described.change
    def patch(self, request: Any, schedule_id: uuid.UUID) -> Response:
        """Change what is sent of one's own schedule; the rest stays."""
        before = wishes.legible(self.found(schedule_id))
        return Response(
            self.document(keeping.change(request.user, schedule_id, _wish(request, before)))
        )

    @described.delete
    def delete(self, request: Any, schedule_id: uuid.UUID) -> Response:
        """Delete it and what the storage keeps of it. Its exports stay until they expire."""
        keeping.delete(request.user, schedule_id)
        return Response(status=204)


class SchedulePause(ScheduleView):
    """Letting a schedule run no more."""

    @described.pause
    def post(self, request: Any, schedule_id: uuid.UUID) -> Response:
        """Pause it, until it is resumed."""
        return Response(self.document(keeping.pause(request.user, schedule_id)))


class ScheduleResume(ScheduleView):
    """Letting a schedule run again."""

    @described.resume
    def post(self, request: Any, schedule_id: uuid.UUID) -> Response:
        """Let one's own schedule run again, from its next time on."""
        return Response(self.document(keeping.resume(request.user, schedule_id)))


class ScheduleRuns(ScheduleView):
    """What a schedule has done."""

    @described.runs
    def get(self, request: Any, schedule_id: uuid.UUID) -> Response:
        """Return its runs, newest first, each with its outcome."""
        schedule = self.found(schedule_id)
        before, limit = page_asked(request.query_params, PAGE, MOST, "a run")
        found = runs.runs_of(schedule, limit + 1, before)
        last = found[limit - 1].id if len(found) > limit else None
        next_ = _next(request, last, limit) if last else None
        return Response(RunPageSerializer({"runs": found[:limit], "next": next_}).data)


class ScheduleRun(ScheduleView):
    """Running a schedule at once."""

    @described.run
    def post(self, request: Any, schedule_id: uuid.UUID) -> Response:
        """Have the file of one's own schedule made and delivered now; its times stay."""
        schedule = running.run_now(request.user, self.found(schedule_id))
        return Response(self.document(schedule))


def _wish(request: Any, before: Wish | None = None) -> Wish:
    """Return what was asked for, on top of what there was."""
    body = body_of(request, MEMBERS)
    if before is None and (missing := [name for name in NEEDED if name not in body]):
        raise InvalidInput(
            f"{missing[0]} is missing.", f"Send at least {', '.join(NEEDED)}, as texts."
        )
    given: dict[str, Any] = {
        of_wish: text("" if name == "compression" and body[name] is None else body[name], name)
        for name, of_wish in _TEXTS.items()
        if name in body
    }
    if "columns" in body:
        given["columns"] = tuple(texts(body["columns"], "columns", '["id", "action"]'))
    if "parameters" in body:
        given["parameters"] = named_texts(body["parameters"], "parameters", '{"days": "30"}')
    return Wish(**given) if before is None else replace(before, **given)


def _next(request: Any, last: uuid.UUID, limit: int) -> str:
    query = urlencode({"before": str(last), "limit": str(limit)})
    return str(request.build_absolute_uri(f"{request.path}?{query}"))
