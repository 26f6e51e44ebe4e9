"""``manage.py activity seal``, ``verify`` and ``proof``."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from activity.leaves import leaf_hash
from activity.models import ActivityEvent, Segment
from activity.sealing import keys, notes, tree, witnesses
from tenants.context import enter_tenant
from tests.activity.settling import settle
from tests.activity.test_sealing import happen
from tests.activity.test_verifying import owner, tampered
from tests.activity.test_verifying import sealed as sealed


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


@pytest.mark.parametrize("index", [0, 1])
def test_an_event_is_not_proven_where_hashes_are_missing(sealed, capsys, index):
    event = ActivityEvent.objects.order_by("xid", "id")[2]
    with owner() as cursor:
        cursor.execute("DELETE FROM activity_tile WHERE level = 0 AND index = %s", [index])

    status, out, said = manage(capsys, "proof", str(event.pk), "--tenant", sealed.slug)

    assert (status, out) == (1, "")
    assert f"hashes that prove the event {event.pk} are missing" in said


def manage(capsys, *arguments):
    """Run the command as it is; return its status, output and complaints."""
    capsys.readouterr()
    status, said = 0, ""
    try:
        call_command("activity", *arguments)
    except CommandError as error:
        status, said = error.returncode, str(error)
    except SystemExit as error:
        status = error.code
    out, err = capsys.readouterr()
    return status, out, err + said


def test_verifying_since_an_event_says_from_where_on(activity, lab):
    with enter_tenant(lab):
        settle()
        happen(3)
        settle()
        last = Segment.objects.order_by("-number").first()

    status, out = activity("verify", "--since", str(last.first + 1))

    assert status == 0
    assert f"intact: {last.events} events sealed from event {last.first} on" in out


@pytest.mark.parametrize(
    ("since", "why"),
    [
        ("yesterday", "cannot be 'yesterday'"),
        ("-1", "cannot be '-1'"),
        ("2026-13-01", "cannot be"),
        (str(datetime.now(UTC).date() + timedelta(days=2)), "in the future"),
        ("999999", "past what is sealed"),
    ],
)
def test_a_beginning_that_is_none_is_refused(activity, lab, capsys, since, why):
    status, _, said = manage(capsys, "verify", "--tenant", lab.slug, f"--since={since}")

    assert (status, why in said) == (2, True), said


def test_all_are_verified_and_one_that_is_wrong_keeps_no_other_from_it(activity, lab, capsys):
    today = str(datetime.now(UTC).date())
    status, out, _ = manage(capsys, "verify", "--all", "--since", today, "--json")
    verdicts = json.loads(out)["verified"]
    broken = [str(one) for one in verdicts.values() if not one["intact"]]
    assert (status, broken) == (0, [])
    assert {"platform", lab.slug, "acme", "globex"} <= set(verdicts)

    with enter_tenant(lab):
        tampered("UPDATE activity_activityevent SET reason = 'forged'")
    status, out, _ = manage(capsys, "verify", "--all", "--json")

    verdicts = json.loads(out)["verified"]
    assert status == 1
    assert [slug for slug, verdict in verdicts.items() if not verdict["intact"]] == [lab.slug]
    assert manage(capsys, "verify", "--all", "--since", "7")[0] == 2


def test_a_witnesss_file_is_compared_with(activity, lab, tmp_path, capsys):
    file = tmp_path / "checkpoints"
    with enter_tenant(lab):
        witnesses.append(file, [segment.note for segment in Segment.objects.order_by("number")])
    arguments = ("verify", "--tenant", lab.slug, "--checkpoints", str(file))
    assert manage(capsys, *arguments)[0] == 0

    with file.open("a") as torn:
        torn.write(f"tenantry/{lab.pk}\n12")
    status, _, said = manage(capsys, *arguments)
    assert (status, "the note in line" in said) == (0, True)

    # Of another record, or somebody else's under the same name.
    file.write_text(file.read_text().replace("\nsealed 2", "\nsealed 3"))
    assert "is none, or not signed" in manage(capsys, *arguments)[2]
    assert manage(capsys, *arguments[:-1], str(tmp_path / "none"))[0] == 2
