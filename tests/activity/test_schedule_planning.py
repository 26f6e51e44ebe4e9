"""When schedules run: expressions, clocks that jump, days that runs are of, what was missed."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.schedules.cron import cron_called, moment_of, upcoming
from activity.schedules.planning import due, zone_called
from activity.schedules.spans import span_called
from tenants.errors import InvalidInput

BERLIN = ZoneInfo("Europe/Berlin")
# Jumps of an hour, of half an hour, at midnight, and of a whole day.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kathmandu",
    "Pacific/Apia",
)


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def times(cron, after, zone, count=3):
    return [f"{run:%Y-%m-%d %H:%M %z}" for run in upcoming(cron, after, ZoneInfo(zone), count)]


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        # The clock goes from 2 to 3: what is between is at 3.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            ["2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200", "2026-03-31 02:30 +0200"],
        ),
        # It goes back from 3 to 2: what comes twice is at the first.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            ["2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100", "2026-10-27 02:30 +0100"],
        ),
        # Two times that fall on one moment are one.
        (
            "0 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            ["2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200", "2026-03-30 03:00 +0200"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-25T01:30",
            ["2026-10-25 02:00 +0200", "2026-10-25 03:00 +0100", "2026-10-25 04:00 +0100"],
        ),
        # Midnight that there is not, half an hour, and a day that there was not.
        (
            "0 0 * * *",
            "America/Santiago",
            "2022-09-10T12:00",
            ["2022-09-11 01:00 -0300", "2022-09-12 00:00 -0300", "2022-09-13 00:00 -0300"],
        ),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00",
            ["2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100", "2026-10-06 02:15 +1100"],
        ),
        (
            "0 7 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00",
            ["2011-12-31 00:00 +1400", "2011-12-31 07:00 +1400", "2012-01-01 07:00 +1400"],
        ),
        (
            "0 7 L * *",
            "UTC",
            "2026-01-31T07:00",
            ["2026-02-28 07:00 +0000", "2026-03-31 07:00 +0000", "2026-04-30 07:00 +0000"],
        ),
    ],
)
def test_runs_are_by_the_clock_on_the_wall(cron, zone, after, expected):
    assert times(cron, at(after, zone), zone) == expected


HOURS = st.one_of(
    st.just("*"),
    st.integers(0, 23).map(str),
    st.lists(st.integers(0, 23), min_size=1, max_size=4).map(lambda all_: ",".join(map(str, all_))),
    st.integers(1, 23).map("*/{}".format),
)
CRONS = st.builds(
    "{} {} {} * {}".format,
    st.integers(0, 59),
    HOURS,
    st.sampled_from(["*", "1", "15", "L"]),
    st.sampled_from(["*", "1", "1-5", "0"]),
)
YEARS = (datetime(2010, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001
MOMENTS = st.datetimes(*YEARS, timezones=st.just(UTC))


@settings(deadline=None)
@given(cron=CRONS, zone=st.sampled_from(ZONES), now=MOMENTS)
def test_every_time_of_every_day_comes_once_whatever_the_clock_does(cron, zone, now):
    there = ZoneInfo(zone)
    expression = cron_called(cron)
    runs = list(islice(expression.after(now, there), 40))

    assert all(earlier < later for earlier, later in zip([now, *runs], runs, strict=False))
    # Beginning anywhere between two runs gives the same that follow.
    between = runs[3] + (runs[4] - runs[3]) / 2
    assert list(islice(expression.after(between, there), 10)) == runs[4:14]
    # What the clock shows is a time of the expression, or the first after a jump.
    minute = int(cron.split(" ")[0])
    for run in runs:
        local = run.astimezone(there)
        just_before = (run - timedelta(seconds=1)).astimezone(there)
        jumped = local.utcoffset() > just_before.utcoffset()
        assert local.minute == minute or jumped
        assert local.fold == 0


@settings(deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    local=st.datetimes(*YEARS),
)
def test_a_moment_shows_its_time_or_is_the_first_after_the_jump(zone, local):
    there = ZoneInfo(zone)
    local = local.replace(microsecond=0)
    found = moment_of(local, there).astimezone(there)

    shown = found.replace(tzinfo=None)
    assert shown == local or (
        shown > local
        and (found.astimezone(UTC) - timedelta(seconds=1)).astimezone(there).replace(tzinfo=None)
        < local
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not say when"),
        ("0 7 * *", "not five fields, but 4"),
        ("0 0 7 * * *", "not five fields, but 6. Seconds cannot be chosen"),
        ("* * * * *", "60 times an hour"),
        ("*/15 8 * * *", "4 times an hour"),
        ("0,30 8 * * *", "2 times an hour"),
        ("0 0 31 2 *", "never runs"),
        ("0 0 30 2 *", "never runs"),
        ("0 0 31 4,6,9,11 *", "never runs"),
        ("61 * * * *", "'61' is no minute"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 0 0 * *", "'0' is no day of the month"),
        ("0 0 * 13 *", "'13' is no month"),
        ("0 0 * * 8", "'8' is no day of the week"),
        ("0 x * * *", "'x' is no hour"),
        ("0 5-3 * * *", "'5-3' is no hour"),
        ("0 */0 * * *", "'*/0' is no hour"),
        ("@reboot", "not five fields"),
        ("0 ٣ * * *", "'٣' is no hour"),
        ("0 7 * * *; rm", "not five fields"),
        ("0 " * 40, "characters"),
    ],
)
def test_an_expression_that_cannot_be_says_which_part_of_it(text, said):
    with pytest.raises(InvalidInput) as refused:
        cron_called(text)

    assert said in refused.value.message
    assert refused.value.hint


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_whatever_is_typed_is_an_expression_or_refused(text):
    try:
        cron = cron_called(text)
    except InvalidInput:
        return
    assert cron.next(datetime.now(UTC), BERLIN) > datetime.now(UTC) - timedelta(seconds=5)
    assert cron.words


def test_words_stand_for_expressions():
    assert cron_called("Daily").text == "0 7 * * *"
    assert cron_called("weekly").words == "at 07:00 on Monday"
    assert cron_called("monthly").words == "at 07:00 on the first day of every month"


def test_a_leap_day_is_found_across_a_century_without_one():
    assert cron_called("0 0 29 2 *").next(at("2096-03-01"), ZoneInfo("UTC")) == at("2104-02-29")


# Missed runs


def test_nothing_is_due_before_its_time():
    assert due(
        cron_called("0 7 * * *"), at("2026-05-02T07:00"), at("2026-05-02T06:59"), BERLIN
    ) is (None)


def test_a_run_is_due_at_its_time():
    now = at("2026-05-02T07:00:10")
    run = due(cron_called("0 7 * * *"), at("2026-05-02T07:00"), now, ZoneInfo("UTC"))

    assert (run.at, run.missed) == (at("2026-05-02T07:00"), 0)
    assert run.next_at == at("2026-05-03T07:00")
    assert not run.is_late(now)


def test_what_was_missed_is_one_run_that_knows_how_many():
    now = at("2026-05-05T09:30")
    run = due(cron_called("0 7 * * *"), at("2026-05-02T07:00"), now, ZoneInfo("UTC"))

    assert (run.at, run.missed) == (at("2026-05-05T07:00"), 3)
    assert run.next_at == at("2026-05-06T07:00")
    assert run.is_late(now)


@settings(deadline=None)
@given(cron=CRONS, zone=st.sampled_from(ZONES), now=MOMENTS, days=st.integers(0, 40))
def test_however_long_nobody_came_each_time_is_counted_once(cron, zone, now, days):
    there, expression = ZoneInfo(zone), cron_called(cron)
    first = expression.next(now, there)
    later = now + timedelta(days=days)
    run = due(expression, first, later, there)

    every = list(takewhile(lambda one: one <= later, expression.after(now, there)))
    if not every:
        assert run is None
    else:
        assert run.at == every[-1]
        assert run.missed == len(every) - 1
        assert run.next_at == expression.next(later, there)


# Of which days


@pytest.mark.parametrize(
    ("span", "day", "since", "until"),
    [
        ("day", "2026-03-01", "2026-02-28", "2026-02-28"),
        ("week", "2026-11-23", "2026-11-16", "2026-11-22"),
        ("week", "2026-11-29", "2026-11-16", "2026-11-22"),
        ("month", "2026-03-31", "2026-02-01", "2026-02-28"),
        ("month", "2026-01-01", "2025-12-01", "2025-12-31"),
        ("last-1", "2026-01-01", "2025-12-31", "2025-12-31"),
        ("last-30", "2026-03-02", "2026-01-31", "2026-03-01"),
    ],
)
def test_a_span_is_of_whole_days_that_are_over(span, day, since, until):
    period = span_called(span).before(date.fromisoformat(day))

    assert (str(period.since), str(period.until)) == (since, until)


@pytest.mark.parametrize("text", ["", "year", "last-0", "last--1", "last-9999", "last-", "last-x"])
def test_a_span_that_cannot_be_is_refused(text):
    with pytest.raises(InvalidInput, match="no span of days"):
        span_called(text)


@settings(deadline=None)
@given(day=st.dates(date(1971, 1, 1), date(2100, 1, 1)))
def test_spans_follow_each_other_without_a_gap(day):
    for span, step in (("day", 1), ("week", 7)):
        before = span_called(span).before(day)
        after = span_called(span).before(day + timedelta(step))
        assert after.since == before.until + timedelta(1)


def test_a_time_zone_that_is_gone_is_said_to_be():
    with pytest.raises(InvalidInput, match="no time zone 'Mars/Olympus'"):
        zone_called("Mars/Olympus")
    for odd in ("../../etc/passwd", "", "\0", "/etc/localtime"):
        with pytest.raises(InvalidInput):
            zone_called(odd)
