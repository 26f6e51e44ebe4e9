"""Bundles: whole, of one moment, and checked by somebody who has nothing but the file."""

import io
import json
import shutil
import stat
import subprocess
import sys
import time
import uuid
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

import verify_record
from accounts.models import CustomUser
from activity.bundles import writing
from activity.leaves import commitment_sql
from activity.models import ActivityEvent, Segment
from activity.sealing import keys, notes, sealer
from activity.verifying import verify
from tenants.context import enter_platform, enter_tenant
from tests.activity.bundles import (
    VERIFIER,
    check,
    event,
    judged,
    lines,
    made,
    members,
    owner,
    varied,
)
from tests.activity.settling import settle, settle_with_cuts, settled
from tests.activity.test_command import (  # noqa: F401
    halted_at_its_event,
    process,
    room_for,
)
from tests.activity.test_rollups import another_connection, happen_on
from tests.activity.test_sealing import happen
from tests.conftest import PASSWORD

VKEY = ("--key", keys.signer().vkey)


@pytest.fixture
def sealed(lab):
    """A tenant with several segments, the first of which ends a tile."""
    with enter_tenant(lab):
        for count in (256 - ActivityEvent.objects.count(), 20, 10):
            varied(count)
            # All at once, so that it is one segment.
            settled()
            settle()
        yield lab


@pytest.fixture
def activity(capsys):
    """Run the command; return its exit status and what it wrote."""

    def run(*arguments):
        capsys.readouterr()
        status, message = 0, ""
        try:
            call_command("activity", *map(str, arguments))
        except CommandError as error:
            status, message = error.returncode, str(error)
        out, err = capsys.readouterr()
        return status, out, err + message

    return run


def intact(path, *arguments):
    status, found = judged(path, *VKEY, *arguments)
    assert (status, found["intact"]) == (0, True), found
    return found


# Whole


def test_a_bundle_is_checked_by_who_has_nothing_else(sealed, tmp_path):
    made(tmp_path / "record.zip")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(VERIFIER, alone)
    shutil.copy(tmp_path / "record.zip", alone)

    ran = subprocess.run(
        [sys.executable, "-I", "verify_record.py", "record.zip", *VKEY, "--save", "kept.txt"],
        cwd=alone,
        env={},
        capture_output=True,
        text=True,
    )

    newest = Segment.objects.order_by("-number")[0]
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"intact\nrecord {sealed.pk}, the {newest.size} first events\n")
    assert "NOT COMPARED" in ran.stdout
    assert (alone / "kept.txt").read_text() == newest.note
    assert {path.name for path in alone.iterdir()} == {"verify_record.py", "record.zip", "kept.txt"}


def test_a_bundle_holds_every_event_and_the_verifier_itself(sealed, tmp_path):
    bundle = made(tmp_path / "record.zip")
    content = members(tmp_path / "record.zip")

    found = intact(tmp_path / "record.zip")
    ids = [json.loads(line)["leaf"]["id"] for line in lines(content["events.ndjson"])]
    stored = ActivityEvent.objects.order_by("xid", "id").values_list("pk", flat=True)
    assert ids == [str(pk) for pk in stored]
    assert found["events"] == found["size"] == bundle.events == len(ids)
    assert content["verify_record.py"] == VERIFIER.read_bytes()
    assert keys.signer().vkey in content["keys.txt"].decode().splitlines()


def test_equal_records_make_equal_members(sealed, tmp_path):
    made(tmp_path / "one.zip")
    made(tmp_path / "two.zip")
    one, two = members(tmp_path / "one.zip"), members(tmp_path / "two.zip")

    assert {name: one[name] for name in one if name != "manifest.json"} == {
        name: two[name] for name in two if name != "manifest.json"
    }


def test_a_bundle_seals_first(lab, tmp_path):
    with enter_tenant(lab):
        settle()
        happen(3)
        settle()
        happen(4)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            bundle = made(tmp_path / "record.zip")
            # Other tests hold the horizon back.
            if bundle.size == ActivityEvent.objects.count():
                break
        assert bundle.size == ActivityEvent.objects.count()
        assert intact(tmp_path / "record.zip")["size"] == bundle.size


def test_the_platforms_record_is_bundled_too(lab, tmp_path):
    with enter_platform():
        sealer.seal_now()
        made(tmp_path / "record.zip")

    assert intact(tmp_path / "record.zip")["record"] == "platform"


def test_a_bundle_is_of_one_moment(sealed, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_PIECE", 1)
    count = ActivityEvent.objects.count()
    with writing.one_moment(), another_connection(sealed) as other, other.cursor() as cursor:
        pieces = writing.Bundle(writing.Asked()).pieces()
        data = next(pieces)
        # What retention does, and somebody who acts, while the bundle is being made.
        for table in ("activityevent", "segment"):
            cursor.execute(f"ALTER TABLE activity_{table} DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM activity_activityevent WHERE target_id = '40'")
        cursor.execute("UPDATE activity_segment SET cut = 1 WHERE number = 1")
        happen_on(other)
        other.commit()
        (tmp_path / "record.zip").write_bytes(data + b"".join(pieces))

    found = intact(tmp_path / "record.zip")
    manifest = json.loads(members(tmp_path / "record.zip")["manifest.json"])
    assert (found["events"], found["cut"], manifest["unsealed"]) == (count, 0, 0)


# Parts of it


def test_what_follows_a_checkpoint_is_compared_with_it(sealed, tmp_path):
    for segment in Segment.objects.all():
        kept = tmp_path / "kept.txt"
        kept.write_text(segment.note)
        made(tmp_path / "rest.zip", after=segment.size)

        found = intact(tmp_path / "rest.zip", "--checkpoint", kept)
        assert (found["first"], found["compared_with"]) == (segment.size, [segment.size])
        assert found["events"] == ActivityEvent.objects.count() - segment.size


def test_bundles_one_after_the_other_are_joined_by_what_was_kept(sealed, tmp_path):
    kept = tmp_path / "kept.txt"
    made(tmp_path / "1.zip")
    size = intact(tmp_path / "1.zip", "--save", kept)["size"]
    happen(7)
    settle()
    made(tmp_path / "2.zip", after=size)

    found = intact(tmp_path / "2.zip", "--checkpoint", kept, "--save", kept)
    assert (found["events"], found["compared_with"]) == (7, [size])
    assert intact(tmp_path / "2.zip", "--checkpoint", kept)["compared_with"] == [size + 7]


def test_a_bundle_that_begins_after_what_was_kept_does_not_pass(sealed, tmp_path):
    first, second, *_ = Segment.objects.all()
    (tmp_path / "kept.txt").write_text(first.note)
    made(tmp_path / "late.zip", after=second.size)

    status, found = judged(tmp_path / "late.zip", *VKEY, "--checkpoint", tmp_path / "kept.txt")

    assert (status, found["intact"]) == (2, None)
    assert f"--after {first.size}" in found["error"]


@pytest.mark.parametrize("after", [-1, 1, 257, 10_000])
def test_a_size_that_no_checkpoint_has_is_refused(sealed, tmp_path, activity, after):
    path = tmp_path / "record.zip"
    status, _, err = activity("bundle", "--tenant", sealed.slug, "--output", path, "--after", after)

    assert (status, list(tmp_path.iterdir())) == (2, [])
    assert f"no checkpoint has {after} events" in err


def test_days_choose_the_segments_that_hold_them(sealed, tmp_path, activity):
    with owner() as cursor:
        cursor.execute(
            "UPDATE activity_activityevent SET occurred_at = '2026-01-15 12:00Z',"
            " id = overlay(id::text PLACING '019bc16d-2a00' FROM 1 FOR 13)::uuid WHERE xid <="
            " (SELECT xid FROM activity_segment WHERE number = 1)"
        )
        cursor.execute("TRUNCATE activity_segment, activity_tile")
    settle()
    happen(5)
    settle()
    path = tmp_path / "january.zip"
    bundle = ("bundle", "--tenant", sealed.slug, "--force", "--output", path)

    assert activity(*bundle, "--since", "2026-01-01", "--until", "2026-01-31")[0] == 0
    january = intact(path)
    today = timezone.now().date()
    around = ("--since", str(today - timedelta(1)), "--until", str(today + timedelta(1)))
    assert activity(*bundle, *around)[0] == 0
    rest = intact(path)
    assert activity(*bundle, "--until", "2026-01-31")[0] == 0
    assert intact(path) == january

    assert (january["first"], january["segments"]) == (0, 1)
    assert rest["size"] >= Segment.objects.get(number=2).size
    manifest = json.loads(members(path)["manifest.json"])
    assert manifest["filters"]["until"] == "2026-01-31"
    assert manifest["newest"] is False
    assert activity(*bundle, "--since", "2025-01-01", "--until", "2025-01-31")[0] == 3
    assert activity(*bundle, "--since", "2025-01-01", "--after", 0)[0] == 2


# What was erased, cut or moved


def erase(where, *, part="actor"):
    """What erasing does to a row: the commitment takes the place of salt and fields."""
    fields = {
        "actor": "actor_label = '', ip = NULL, on_behalf_of_label = '', session_ref = '',"
        " user_agent = ''",
        "target": "target_label = '', reason = '', changes = '{}', details = '{}'",
    }[part]
    with owner() as cursor:
        cursor.execute(
            f"UPDATE activity_activityevent SET {part}_commitment = {commitment_sql(part)}"
            f" WHERE {where}"
        )
        cursor.execute(
            f"UPDATE activity_activityevent SET {fields}, {part}_salt = NULL WHERE {where}"
        )
        return cursor.rowcount


def test_bundles_made_before_and_after_an_erasure_are_intact(sealed, tmp_path):
    made(tmp_path / "before.zip")
    count = erase("actor_label LIKE 'Ann Lee%%'")
    count += erase("target_id IN ('3', '4')", part="target")
    made(tmp_path / "after.zip")

    before, after = intact(tmp_path / "before.zip"), intact(tmp_path / "after.zip")
    assert verify().wrong is None
    assert (before["erased_parts"], after["erased_parts"]) == (0, count)
    assert before["size"] == after["size"]
    content = members(tmp_path / "after.zip")["events.ndjson"]
    assert b"Ann Lee" in members(tmp_path / "before.zip")["events.ndjson"]
    for gone in (b"Ann Lee", b"Eve", b"2001:db8::1", b"Mozilla", b"b3@acme.example"):
        assert gone not in content


def cut(segment, *numbers):
    """What retention does: rows of a segment go, and an event says so."""
    with owner() as cursor:
        for number in numbers:
            cursor.execute(
                "DELETE FROM activity_activityevent WHERE id ="
                " (SELECT id FROM activity_activityevent ORDER BY xid, id OFFSET %s LIMIT 1)",
                [number],
            )
        cursor.execute(
            "UPDATE activity_segment SET cut = cut + %s WHERE number = %s",
            [len(numbers), segment],
        )


def say_cut(count):
    details = {"families": ["user"], "through": 1, "events": count}
    event(action="record.cut", details=details).save()


def test_what_retention_removed_is_told_from_what_is_missing(sealed, tmp_path):
    cut(1, 252, 200, 100, 0)
    say_cut(4)
    settle_with_cuts()
    made(tmp_path / "cut.zip")

    found = intact(tmp_path / "cut.zip")
    assert verify().wrong is None
    assert (found["cut"], found["size"] - found["events"]) == (4, 4)


def test_a_cut_of_which_the_record_does_not_speak_is_found(sealed, tmp_path):
    cut(1, 100)
    made(tmp_path / "cut.zip")

    status, found = judged(tmp_path / "cut.zip", *VKEY)

    assert (status, found["wrong"]["kind"]) == (1, "missing")
    assert "recorded 0" in found["wrong"]["what"]


def test_an_event_that_is_gone_beside_a_cut_is_found(sealed, tmp_path):
    cut(1, 100, 50)
    say_cut(2)
    settle_with_cuts()
    with owner() as cursor:
        cursor.execute("DELETE FROM activity_activityevent WHERE target_id = '30'")
    made(tmp_path / "cut.zip")

    status, found = judged(tmp_path / "cut.zip", *VKEY)

    assert verify().wrong.segment == found["wrong"]["segment"] == 1
    assert (status, found["wrong"]["kind"]) == (1, "missing")


def test_while_a_cut_is_not_sealed_no_bundle_is_made(sealed, tmp_path, activity, monkeypatch):
    monkeypatch.setattr(sealer, "seal_now", lambda: None)
    cut(1, 100)
    say_cut(1)

    status, _, err = activity(
        "bundle", "--tenant", sealed.slug, "--output", tmp_path / "record.zip"
    )

    assert (status, list(tmp_path.iterdir())) == (1, [])
    assert "Try again" in err


def test_a_tenant_that_moved_has_events_of_two_clusters(lab, tmp_path):
    with enter_tenant(lab):
        happen(4)
        with owner() as cursor:
            cursor.execute("UPDATE activity_activityevent SET cluster = 4711, xid = xid + 10 ^ 12")
        sealer.arrive()
        happen(3)
        settle()
        made(tmp_path / "record.zip")

        assert verify().wrong is None
        assert intact(tmp_path / "record.zip")["size"] == ActivityEvent.objects.count()


# A record that is not what it was


@pytest.mark.parametrize(
    ("change", "kind", "number"),
    [
        ("UPDATE activity_activityevent SET reason = 'x' WHERE target_id = '40'", "altered", True),
        ("DELETE FROM activity_activityevent WHERE target_id = '40'", "missing", True),
        ("UPDATE activity_segment SET events = events + 1 WHERE number = 2", "altered", False),
        ("DELETE FROM activity_segment WHERE number = 2", "missing", False),
        (
            "UPDATE activity_activityevent SET actor_salt = NULL WHERE target_id = '40'",
            "altered",
            True,
        ),
    ],
)
def test_what_verify_finds_in_the_database_is_found_in_a_bundle(
    sealed, tmp_path, change, kind, number
):
    at = list(ActivityEvent.objects.order_by("xid", "id").values_list("target_id", flat=True))
    with owner() as cursor:
        cursor.execute(change)
    made(tmp_path / "record.zip")

    _, found = judged(tmp_path / "record.zip", *VKEY)

    wrong = verify().wrong
    assert (found["wrong"]["kind"], found["wrong"]["segment"]) == (kind, wrong.segment)
    assert wrong.kind == kind
    if number:
        assert found["wrong"]["number"] == wrong.number == at.index("40")


def test_a_record_without_its_hashes_is_not_bundled(sealed, tmp_path, activity):
    with owner() as cursor:
        cursor.execute("DELETE FROM activity_tile WHERE level = 0 AND index = 0")

    status, _, err = activity(
        "bundle", "--tenant", sealed.slug, "--output", tmp_path / "record.zip"
    )

    assert (status, list(tmp_path.iterdir())) == (1, [])
    assert "activity verify" in err


# The file


def test_the_command_says_what_it_wrote_and_the_record_too(sealed, tmp_path, activity):
    path = tmp_path / "record.zip"
    status, out, _ = activity("bundle", "--tenant", sealed.slug, "--output", path, "--json")

    document = json.loads(out)
    recorded = ActivityEvent.objects.get(action="export.finished")
    assert status == 0
    assert document["events"] == recorded.details["rows"] == intact(path)["events"]
    assert document["manifest_sha256"] == recorded.details["manifest_sha256"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.zip"]


def test_a_file_that_exists_is_replaced_only_when_told_to(sealed, tmp_path, activity):
    path = tmp_path / "record.zip"
    path.write_text("kept")
    arguments = ("bundle", "--tenant", sealed.slug, "--output", path)

    assert activity(*arguments)[0] == 4
    assert path.read_text() == "kept"
    assert activity(*arguments, "--force")[0] == 0
    assert intact(path)


@pytest.mark.parametrize("room", [100, 9_000, 20_000])
def test_f10_a_full_disk_leaves_nothing_half_written(sealed, tmp_path, activity, room):
    with room_for(room):
        status, _, err = activity(
            "bundle", "--tenant", sealed.slug, "--output", tmp_path / "record.zip"
        )

    assert (status, list(tmp_path.iterdir())) == (1, [])
    assert "could not be written" in err
    assert not ActivityEvent.objects.filter(action="export.finished").exists()


def test_a_bundle_that_is_killed_leaves_no_file_under_its_name(process, lab, tmp_path):  # noqa: F811
    with enter_tenant(lab):
        event(details={"n": 1}).save()

    with halted_at_its_event(lab) as wait:
        running = process("bundle", "--tenant", lab.slug, "--output", str(tmp_path / "record.zip"))
        wait()
        begun = list(tmp_path.glob(".*.part"))
        running.kill()
        running.communicate()

    assert begun
    assert list(tmp_path.iterdir()) == begun
    with enter_tenant(lab):
        assert not ActivityEvent.objects.filter(action="export.finished").exists()
        made(tmp_path / "again.zip")
        assert intact(tmp_path / "again.zip")


def test_a_bundle_goes_to_standard_output_too(process, sealed, tmp_path):  # noqa: F811
    with (tmp_path / "record.zip").open("wb") as file:
        running = process("bundle", "--tenant", sealed.slug, "--output", "-", stdout=file)
        _, err = running.communicate(timeout=60)

    assert (running.returncode, err) == (0, "")
    assert intact(tmp_path / "record.zip")


# From the panel

EVENTS = "/admin/activity/activityevent/"


def test_the_panel_gives_a_bundle_to_who_may_read_the_record(
    browser, acme, ann, recorded, tmp_path
):
    response = browser(acme, ann).get(EVENTS, {"export": "bundle"})
    path = tmp_path / "record.zip"
    path.write_bytes(b"".join(response))

    [asked] = recorded(acme, "export.requested")
    [finished] = recorded(acme, "export.finished")
    assert response["Content-Type"] == "application/zip"
    assert "no-store" in response["Cache-Control"]
    assert 'filename="acme-record-' in response["Content-Disposition"]
    assert intact(path, "--record", acme.pk)["events"] == finished.details["rows"]
    assert asked.details["format"] == finished.details["format"] == "bundle"
    assert asked.actor_id == finished.actor_id == str(ann.public_id)
    assert b"Bundle for auditors" in browser(acme, ann).get(EVENTS).content


def test_the_panel_says_so_before_it_begins_to_answer(sealed, browser):
    person = CustomUser.objects.create_superuser("una", "una@lab.example", PASSWORD)
    client, asked = browser(sealed, person), {"export": "bundle"}
    assert client.get(EVENTS, asked).streaming
    with owner() as cursor:
        cursor.execute("DELETE FROM activity_tile WHERE level = 0 AND index = 0")

    answer = client.get(EVENTS, asked)

    assert answer.status_code == 400
    assert "lacks hashes" in answer.text
    requested = ActivityEvent.objects.filter(action="export.requested")
    assert requested.count() == 1


@pytest.mark.parametrize("who", ["nobody", "cleo", "the stranger"])
def test_nobody_else_gets_one(browser, acme, globex, cleo, sam, recorded, who):
    client = browser(acme, cleo if who == "cleo" else None)
    if who == "the stranger":
        client.cookies = browser(globex, sam).cookies

    assert client.get(EVENTS, {"export": "bundle"}).status_code == 302
    assert recorded(acme, "export.requested") == []


def test_a_bundle_holds_nothing_of_another_tenant(browser, acme, globex, ann, sam, tmp_path):
    ours = iter(browser(acme, ann).get(EVENTS, {"export": "bundle"}))
    first = next(ours)
    theirs = b"".join(browser(globex, sam).get(EVENTS, {"export": "bundle"}))
    for name, data, tenant in (
        ("ours", first + b"".join(ours), acme),
        ("theirs", theirs, globex),
    ):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(data)
        assert intact(path)["record"] == str(tenant.pk)


# Proofs that the record has only grown


def test_growth_is_proven_to_who_has_two_checkpoints(sealed, tmp_path, activity):
    sizes = [segment.size for segment in Segment.objects.all()]
    kept = tmp_path / "kept.txt"
    kept.write_text("".join(segment.note for segment in Segment.objects.all()))
    for older in (1, 100, *sizes):
        for newer in (older, *sizes):
            if newer < older:
                continue
            status, out, _ = activity(
                "proof", "--between", older, newer, "--tenant", sealed.slug, "--json"
            )
            proof = tmp_path / "proof.json"
            proof.write_text(out)
            checked, found = judged(proof, *VKEY, "--checkpoint", kept)

            assert status == 0
            known = {older, newer} <= set(sizes)
            assert checked == (0 if known else 2), found
            if known:
                assert found["between"] == [older, newer]


def test_a_proof_of_growth_that_was_changed_proves_nothing(sealed, tmp_path, activity):
    *_, older, newer = Segment.objects.all()
    sizes = ("--between", older.size, newer.size)
    document = json.loads(activity("proof", *sizes, "--tenant", sealed.slug, "--json")[1])
    for change in (
        {"hashes": document["hashes"][1:]},
        {"hashes": document["hashes"][::-1]},
        {"hashes": []},
        {"checkpoints": [newer.note, newer.note], "between": [newer.size, newer.size]},
    ):
        (tmp_path / "proof.json").write_text(json.dumps({**document, **change}))
        status, found = judged(tmp_path / "proof.json", *VKEY)
        assert (status, found["wrong"]["kind"]) == (1, "altered")
    (tmp_path / "proof.json").write_text(json.dumps({**document, "record": "platform"}))
    assert judged(tmp_path / "proof.json", *VKEY)[1]["wrong"]["kind"] == "foreign"


@pytest.mark.parametrize(
    "arguments", [(), ("--between", 0, 5), ("--between", 9, 5), ("--between", 5, 10_000)]
)
def test_what_is_no_growth_is_refused(sealed, activity, arguments):
    assert activity("proof", *arguments, "--tenant", sealed.slug)[0] == 2


def test_the_verifier_checks_a_proof_of_one_event(sealed, tmp_path, activity):
    proven = ActivityEvent.objects.order_by("xid", "id")[20]
    proof = tmp_path / "proof.json"
    proof.write_text(activity("proof", proven.pk, "--tenant", sealed.slug, "--json")[1])

    status, found = check(proof, *VKEY)
    document = json.loads(proof.read_text())
    proof.write_text(json.dumps({**document, "leaf": document["leaf"].replace("info", "none")}))
    changed, wrong = judged(proof, *VKEY)

    assert (status, found["number"], found["leaf"]["id"]) == (0, 20, str(proven.pk))
    assert (changed, wrong["wrong"]["kind"]) == (1, "altered")
    assert check(proof)[0] == 2, "a proof holds no keys"


@pytest.fixture
def proofs(sealed, tmp_path, activity):
    """A proof of an event, and one of growth."""
    event = ActivityEvent.objects.order_by("xid", "id")[20]
    sizes = [segment.size for segment in Segment.objects.order_by("number")]
    found = []
    for arguments in ((event.pk,), ("--between", sizes[0], sizes[-1])):
        found.append(tmp_path / f"proof-{len(found)}.json")
        out = activity("proof", *arguments, "--tenant", sealed.slug, "--json")[1]
        found[-1].write_text(out)
    return found


def test_a_proof_of_another_record_than_was_asked_for_is_none(sealed, proofs):
    for proof in proofs:
        status, found = judged(proof, *VKEY, "--record", uuid.uuid4())
        assert (status, found["wrong"]["kind"]) == (1, "foreign"), found
        assert judged(proof, *VKEY, "--record", sealed.pk)[0] == 0


def signed(size, root):
    """A note as whoever has the key could sign it beside the one that is there."""
    note = notes.parsed(Segment.objects.order_by("-number")[0].note)[0]
    return notes.written(replace(note, size=size, root=root), keys.signer())


def test_a_proof_is_compared_with_the_checkpoints_that_were_kept(sealed, proofs, tmp_path):
    newest = Segment.objects.order_by("-number")[0]
    kept = tmp_path / "kept.txt"
    for proof in proofs:
        assert judged(proof, *VKEY)[1]["compared_with"] == []
        assert "NOT COMPARED" in check_in_words(proof, *VKEY)

        kept.write_text(signed(newest.size, b"\1" * 32))
        status, found = judged(proof, *VKEY, "--checkpoint", kept)
        assert (status, found["wrong"]["kind"]) == (1, "altered"), found

        kept.write_text(signed(newest.size + 1, b"\1" * 32))
        assert judged(proof, *VKEY, "--checkpoint", kept)[1]["compared_with"] == []

        kept.write_text(newest.note)
        status, found = judged(proof, *VKEY, "--checkpoint", kept)
        assert (status, found["compared_with"]) == (0, [newest.size])
        said = check_in_words(proof, *VKEY, "--checkpoint", kept)
        assert f"agrees with what was kept: {newest.size} events" in said
        assert "NOT COMPARED" not in said

        kept.write_text(newest.note.replace(str(sealed.pk), str(uuid.uuid4())))
        assert judged(proof, *VKEY, "--checkpoint", kept)[1]["wrong"]["kind"] == "foreign"
        assert judged(proof, *VKEY, "--save", tmp_path / "new.txt")[0] == 2


def check_in_words(proof, *arguments):
    out = io.StringIO()
    with redirect_stdout(out):
        verify_record.main([str(proof), *map(str, arguments)])
    return out.getvalue()
