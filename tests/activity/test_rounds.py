"""Rounds over all records: what each is called in, and what ends one."""

import uuid

import pytest

from activity import rounds
from tenants.context import PLATFORM, current_scope
from tenants.models import Tenant


class Taken(Exception):
    """Somebody else is at it."""


@pytest.fixture
def places(db, acme, globex):
    """The records of the platform, of Acme and of Globex."""
    return [PLATFORM, str(acme.pk), str(globex.pk)]


@pytest.fixture
def round_of():
    """Go a round that ends at ``Taken``; return how many it was, and who failed of what."""

    def go(records, act, seconds=60.0):
        told = []
        count = rounds.go_round(
            records,
            act,
            seconds=seconds,
            busy=Taken,
            failed=lambda record, error: told.append((record, str(error))),
        )
        return count, told

    return go


@pytest.mark.parametrize("state", Tenant.State.values)
def test_every_record_is_the_platforms_and_those_of_tenants_served_or_not(
    places, round_of, acme, globex, state
):
    assert set(places) <= set(rounds.every_record())
    Tenant.objects.filter(pk=globex.pk).update(state=state)
    is_kept = state in ("active", "suspended", "deletion_scheduled")

    assert rounds.every_record()[0] == PLATFORM
    assert str(acme.pk) in rounds.every_record()
    assert (str(globex.pk) in rounds.every_record()) == is_kept
    assert round_of(places, lambda: 1) == (2 + is_kept, [])


def test_each_is_acted_in_and_nobody_who_is_gone(places, round_of):
    seen = []

    assert round_of([*places, str(uuid.uuid4())], lambda: seen.append(current_scope()) or 1) == (
        3,
        [],
    )
    assert seen == places


def test_what_goes_wrong_in_one_is_told_and_keeps_no_other(places, round_of):
    def act():
        if current_scope() == places[1]:
            raise OSError("the disk is gone")
        return 1

    assert round_of(["no key", *places], act) == (
        2,
        [("no key", "['“no key” is not a valid UUID.']"), (places[1], "the disk is gone")],
    )


def test_a_round_ends_where_somebody_else_is_at_it(places, round_of):
    seen = []

    def act():
        seen.append(current_scope())
        if len(seen) == 2:
            raise Taken
        return 1

    assert round_of(places, act) == (1, [])
    assert seen == places[:2]


def test_after_its_time_it_begins_no_other(places, round_of):
    assert round_of(places, lambda: 1, seconds=-1.0) == (0, [])
