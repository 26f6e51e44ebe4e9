"""How accounts come and go."""

from collections.abc import Iterable
from datetime import date
from typing import Final

from activity.reports.reading import WITHIN, fetched
from activity.reports.registry import (
    Asked,
    Chart,
    Column,
    Definition,
    Draw,
    Kind,
    Row,
    Source,
    register,
)
from activity.reports.spans import BY, beginning, spans

STEPS: Final = {
    "user.created": "created",
    "user.invited": "invited",
    "user.password_reset": "activated",
    "user.deactivated": "deactivated",
    "user.reactivated": "reactivated",
    "user.deleted": "removed",
    "user.erased": "erased",
}

# Whoever was invited is activated when they choose a password by the link, the first time.
_PER_STEP: Final = f"""
SELECT (event.occurred_at AT TIME ZONE %(zone)s)::date, event.action, count(*)
FROM activity_activityevent event
WHERE event.action = ANY(%(actions)s) AND {WITHIN}
AND (event.action <> 'user.password_reset' OR (
    EXISTS (SELECT FROM activity_activityevent invited WHERE invited.target_id = event.target_id
            AND invited.id < event.id AND invited.action = 'user.invited')
    AND NOT EXISTS (SELECT FROM activity_activityevent earlier
            WHERE earlier.target_id = event.target_id
            AND earlier.id < event.id AND earlier.action = 'user.password_reset')))
GROUP BY 1, 2
"""  # noqa: S608 (our own words)


def _life_cycle(asked: Asked) -> Iterable[Row]:
    counts: dict[tuple[date, str], int] = {}
    for day, action, number in fetched(_PER_STEP, asked.period, actions=list(STEPS)):
        key = beginning(day, asked["by"]), action
        counts[key] = counts.get(key, 0) + number
    return (
        (first, *(counts.get((first, action), 0) for action in STEPS))
        for first in spans(asked.period, asked["by"])
    )


register(
    Definition(
        name="account-life-cycle",
        title="How accounts come and go",
        about="People",
        sentence=(
            "How many accounts were created, invited, activated (who was invited chose their first"
            " password), deactivated, reactivated, removed, and erased, which removes them too."
        ),
        columns=(
            Column("from", "From", Kind.DAY),
            *(Column(name, name.capitalize(), Kind.COUNT, "accounts") for name in STEPS.values()),
        ),
        rows=_life_cycle,
        reads=Source.EVENTS,
        parameters=(BY,),
        chart=Chart(Draw.TIME, "from", ("created", "removed")),
    )
)
