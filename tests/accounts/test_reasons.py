"""Reasons: one line that can be printed, whatever it is asked for."""

import pytest

from accounts import api_tokens, second_factors
from tenants import reasons, support
from tenants.errors import InvalidInput

DOORS = {
    "support access": lambda person, reason: support.check_reason(reason),
    "a token": lambda person, reason: api_tokens.check_making_for(
        person, "nightly", ["record:read"], 7, reason
    ),
    "a second factor": second_factors.check_taking_away,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("reason", ["", " \n", "x" * 301, "a\x1b[31mb", "a\u202eb", "a\0b"])
def test_what_is_no_reason_is_refused_at_every_door(in_acme, ann, door, reason):
    with pytest.raises(InvalidInput, match="a reason is needed"):
        DOORS[door](ann, reason)


def test_a_reason_is_kept_on_one_line():
    assert reasons.sound("  ticket 17:\n lost\tphone ") == "ticket 17: lost phone"
