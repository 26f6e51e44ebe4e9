"""A05: a session that nobody used, or that began too long ago, opens nothing any more."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.devices import devices_of
from accounts.timeouts import is_over
from tenants.context import enter_tenant
from tests.accounts.test_own_activity import MINE, sign_in


@pytest.fixture
def after(monkeypatch):
    """Return what moves the clock so far from now, as often as it is called."""
    really = timezone.now

    def move(**far):
        monkeypatch.setattr(timezone, "now", lambda: really() + timedelta(**far))

    return move


def is_in(client):
    answer = client.get(MINE)
    assert answer.status_code in (200, 302)
    return answer.status_code == 200


def test_a05_a_session_that_nobody_used_for_three_days_is_over_for_good(acme, cleo, after):
    here = sign_in(acme, "cleo")
    cookies = dict(here.cookies)
    after(minutes=4_321)

    with enter_tenant(acme):
        assert devices_of(cleo, None) == []
    assert not is_in(here)
    with enter_tenant(acme):
        assert not Session.objects.exists()

    after(minutes=0)
    here.cookies.update(cookies)
    assert not is_in(here)


def test_a05_a_session_that_is_used_goes_on(acme, cleo, after):
    here = sign_in(acme, "cleo")
    for hours in (71, 142, 213):
        after(hours=hours)
        assert is_in(here)


def test_a05_a_session_that_is_always_used_ends_two_weeks_after_it_began(acme, cleo, after):
    here = sign_in(acme, "cleo")
    for days in range(2, 14, 2):
        after(days=days)
        with enter_tenant(acme):
            # Whatever a page keeps in a session moves the end of its row.
            held = here.session
            held["basket"] = days
            held.save()
        assert is_in(here)
    with enter_tenant(acme):
        assert Session.objects.get().expire_date > timezone.now() + timedelta(days=13)

    after(days=14, minutes=1)

    assert not is_in(here)


def test_a05_operators_choose_how_long_nobody_may_use_it(acme, cleo, after, settings):
    settings.TENANTRY_SESSION_IDLE_MINUTES = 15
    here = sign_in(acme, "cleo")
    after(minutes=14)
    assert is_in(here)
    after(minutes=30)
    assert not is_in(here)


@pytest.mark.parametrize(
    "held",
    [
        {},
        {"device": {}},
        {"device": {"seen": None, "began": "never"}},
        {"device": {"seen": "2020-01-01T00:00:00+00:00"}, "support": {"access": "its own end"}},
    ],
)
def test_sessions_of_nobody_and_those_with_an_end_of_their_own_are_not_over(held):
    assert not is_over(held)
