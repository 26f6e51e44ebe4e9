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

# Whoever was invited is activated when they choose a password by the link, the first time. First
# ones are looked for among all that is recorded, by action: a person has few of these events, and
# many of others.
_PER_STEP: Final = f"""
WITH chose AS (
    SELECT DISTINCT ON (target_id) target_id, id, occurred_at FROM activity_activityevent
    WHERE action = 'user.password_reset' ORDER BY target_id, id
), invited AS (
    SELECT DISTINCT ON (target_id) target_id, id FROM activity_activityevent
    WHERE action = 'user.invited' ORDER BY target_id, id
), step AS (
    SELECT event.occurred_at, event.action FROM activity_activityevent event
    WHERE event.action = ANY(%(actions)s) AND {WITHIN}
    UNION ALL
    SELECT event.occurred_at, 'user.password_reset' FROM chose event
    JOIN invited ON invited.target_id = event.target_id AND invited.id < event.id
    WHERE {WITHIN}
)
SELECT (occurred_at AT TIME ZONE %(zone)s)::date, action, count(*) FROM step GROUP BY 1, 2
"""  # noqa: S608 (our own words)

_COUNTED: Final = [action for action in STEPS if action != "user.password_reset"]


def _life_cycle(asked: Asked) -> Iterable[Row]:
    counts: dict[tuple[date, str], int] = {}
    for day, action, number in fetched(_PER_STEP, asked.period, actions=_COUNTED):
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
