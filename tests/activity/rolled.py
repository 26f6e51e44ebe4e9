"""Roll-ups put down as folding would leave them, without events that are sealed."""

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

from activity.models import DailyTotal, MonthlyTally, RollupCursor
from activity.rollups.counting import ADMIN_ACTIONS, RULES


def put(rows, zone="UTC"):
    """Replace all figures by those of ``rows``: day, action, outcome, kind, id, label, events."""
    for model in (DailyTotal, MonthlyTally, RollupCursor):
        model.objects.all().delete()
    RollupCursor.objects.create(zone=zone, rules=RULES)
    totals, tallies, labels = _people(rows), defaultdict(lambda: [0] * 31), {}
    years = defaultdict(lambda: [0] * 12)
    for day, action, outcome, actor, key, label, events in sorted(rows, key=lambda row: row[0]):
        totals[action, day, outcome] += events
        if actor == "person":
            years[day.year, key][day.month - 1] += events
        for kind, subject, names in _tallied(action, outcome, actor, key):
            labels[kind, day.replace(day=1), subject] = label
            for name in names:
                tallies[kind, day.replace(day=1), subject, name][day.day - 1] += events
    for (action, day, other), events in totals.items():
        outcome, facet = (other, "") if action else ("", other)
        DailyTotal.objects.create(
            action=action, day=day, outcome=outcome, facet=facet, events=events
        )
    for (kind, month, subject), label in labels.items():
        _put_tally(kind, month, subject, label, tallies)
    for (year, subject), counts in years.items():
        _put_year(year, subject, counts)


def _people(rows):
    """Each person once in the first of their days of each day, week and month."""
    totals, active = defaultdict(int), set()
    for day, _, _, actor, key, *_ in sorted(rows, key=lambda row: row[0]):
        starts = {"day": day, "week": day - timedelta(day.weekday()), "month": day.replace(day=1)}
        for span, start in starts.items():
            if actor == "person" and (key, span, start) not in active:
                active.add((key, span, start))
                totals["", day, span] += 1
    return totals


def _tallied(action, outcome, actor, key):
    if actor == "person":
        names = ["events"]
        names += ["sign_ins"] if action == "session.started" else []
        names += ["failures"] if outcome != "success" else []
        names += ["changes"] if action in ADMIN_ACTIONS else []
        yield "person", key, names
    if action in ADMIN_ACTIONS:
        yield "admin", f"{actor} {action} {key}", ["events"]


def _put_year(year, subject, counts):
    """What somebody did in a year, through each of its months."""
    MonthlyTally.objects.create(
        kind="year", month=date(year, 1, 1), subject=subject, events=sum(counts),
        days=sum(1 << place for place, count in enumerate(counts) if count),
        last_at=datetime(year, 12, 31, tzinfo=UTC),
        events_through=[sum(counts[: place + 1]) for place in range(12)],
    )  # fmt: skip


def _put_tally(kind, month, subject, label, tallies):
    fields, days = {}, 0
    for name in ("events", "sign_ins", "failures", "changes"):
        counts = tallies.get((kind, month, subject, name), [])
        through = [sum(counts[: place + 1]) for place in range(len(counts))]
        fields[name], fields[f"{name}_through"] = sum(counts), through
        if name == "events":
            days = sum(1 << place for place, count in enumerate(counts) if count)
    last = max(place for place in range(31) if days >> place & 1)
    MonthlyTally.objects.create(
        kind=kind, month=month, subject=subject, label=label, days=days,
        last_at=datetime.combine(month + timedelta(last), time(12), UTC), **fields,
    )  # fmt: skip
