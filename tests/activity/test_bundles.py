"""Bundles: whole, of one moment, and checked by somebody who has nothing but the file."""

import pytest

from activity.models import ActivityEvent
from activity.sealing import keys
from tenants.context import enter_tenant
from tests.activity.bundles import check, made
from tests.activity.test_sealing import happen, settle


@pytest.fixture
def sealed(lab):
    """A tenant with several segments."""
    with enter_tenant(lab):
        for count in (290, 20, 10):
            happen(count)
            settle()
        yield lab


def test_a_bundle_is_intact_for_somebody_who_has_nothing_else(sealed, tmp_path):
    bundle = made(tmp_path / "record.zip")

    status, found = check(tmp_path / "record.zip", "--key", keys.signer().vkey)

    assert found["intact"], found
    assert status == 0
    assert found["record"] == str(sealed.pk)
    assert found["events"] == bundle.events == found["size"] == ActivityEvent.objects.count()
    assert found["keys_from"] == "command line"
