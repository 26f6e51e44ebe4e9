"""``manage.py activity seal``, ``verify`` and ``proof``."""

import base64
import json

import pytest
from django.core.management import CommandError, call_command

from activity.leaves import leaf_hash
from activity.models import ActivityEvent
from activity.sealing import keys, notes, tree
from tenants.context import enter_tenant
from tests.activity.test_sealing import happen, settle
from tests.activity.test_verifying import tampered


@pytest.fixture
def activity(lab, capsys):
    def run(*arguments):
        capsys.readouterr()
        status = 0
        try:
            call_command("activity", *arguments, "--tenant", lab.slug)
        except CommandError as error:
            status = error.returncode
        except SystemExit as error:
            status = error.code
        return status, capsys.readouterr().out

    with enter_tenant(lab):
        happen(5)
        settle()
    return run


def test_an_intact_record_ends_with_status_0(activity, lab):
    status, out = activity("verify", "--json")

    [verdict] = json.loads(out)["verified"].values()
    assert status == 0
    assert (verdict["intact"], verdict["record"], verdict["wrong"]) == (True, str(lab.pk), None)


def test_a_record_that_was_changed_ends_with_status_1_and_says_where(activity, lab):
    with enter_tenant(lab):
        tampered("UPDATE activity_activityevent SET reason = 'forged'")

    status, out = activity("verify")
    json_status, document = activity("verify", "--json")

    assert status == json_status == 1
    assert "altered: event 0 in segment 1" in out
    assert json.loads(document)["verified"][lab.slug]["wrong"]["number"] == 0


def test_sealing_by_command_says_how_much(activity, lab):
    status, out = activity("seal", "--json")

    assert (status, json.loads(out)) == (0, {"sealed": {lab.slug: 0}})


def test_a_proof_can_be_checked_without_the_record(activity, lab):
    with enter_tenant(lab):
        event = ActivityEvent.objects.order_by("xid", "id")[2]

    status, out = activity("proof", str(event.pk), "--json")

    proof = json.loads(out)
    checkpoint = notes.checked(proof["checkpoint"], keys.verifiers())
    path = [base64.b64decode(one) for one in proof["path"]]
    leaf = leaf_hash(proof["leaf"].encode())
    assert (status, proof["number"]) == (0, 2)
    assert tree.is_included(leaf, 2, checkpoint.size, path, checkpoint.root)


@pytest.mark.parametrize(
    ("event", "status"), [("x", 2), ("00000000-0000-0000-0000-000000000001", 3)]
)
def test_what_is_no_event_here_cannot_be_proven(activity, event, status):
    assert activity("proof", event)[0] == status


def test_an_event_that_was_changed_is_not_proven(activity, lab):
    with enter_tenant(lab):
        tampered("UPDATE activity_activityevent SET reason = 'forged'")
        event = ActivityEvent.objects.first()

    assert activity("proof", str(event.pk))[0] == 1
