"""A bundle that was changed in any way is found to be, also by who changed the manifest to fit."""

import base64
import json
import random
import warnings
import zipfile
from dataclasses import replace

import pytest

import verify_record
from activity.models import Segment
from activity.sealing import keys, notes, sealer
from tests.activity.bundles import (
    canonical,
    check,
    joined,
    judged,
    laboratory,
    lines,
    listed,
    made,
    members,
    packed,
    varied,
)
from tests.activity.settling import settle


@pytest.fixture(scope="module")
def kept(django_db_setup, django_db_blocker, tmp_path_factory):
    """The members of two tenants' bundles of three segments, and a checkpoint of the first."""
    directory = tmp_path_factory.mktemp("bundles")
    found = []
    with django_db_blocker.unblock():
        for slug in ("one", "other"):
            with laboratory():
                for count in (40, 300, 12):
                    varied(count)
                    settle()
                made(directory / f"{slug}.zip")
                found.append(members(directory / f"{slug}.zip"))
                checkpoint = Segment.objects.get(number=2)
                (directory / f"{slug}.txt").write_text(checkpoint.note)
    return directory, *found


@pytest.fixture
def whole(kept):
    return dict(kept[1])


@pytest.fixture
def stranger(kept):
    return dict(kept[2])


@pytest.fixture
def wrong(tmp_path):
    """Return what is wrong with members, when the manifest was made to fit them."""

    def look(content, *arguments):
        path = packed(tmp_path / "changed.zip", listed(content))
        status, found = judged(path, "--key", keys.signer().vkey, *arguments)
        assert status == 1, found
        assert found["intact"] is False
        return found["wrong"]

    return look


def events(content):
    return [json.loads(line) for line in lines(content["events.ndjson"])]


def with_events(content, found):
    return {**content, "events.ndjson": joined(found)}


def places(content):
    """The first event, one amidst and at each side of a segment's end, and the last."""
    segments = [json.loads(line) for line in lines(content["checkpoints.ndjson"])]
    ends = [one["first"] + one["events"] for one in segments]
    return sorted({0, 5, *(end - 1 for end in ends), *ends[:-1]})


def test_what_nobody_changed_is_intact(whole, tmp_path):
    path = packed(tmp_path / "same.zip", listed(whole))

    assert judged(path, "--key", keys.signer().vkey)[1]["intact"] is True


# Each member


@pytest.mark.parametrize("name", verify_record.MEMBERS)
def test_each_member_is_needed(whole, tmp_path, name):
    del whole[name]
    status, found = judged(packed(tmp_path / "changed.zip", whole))

    assert (status, found["wrong"]["kind"]) == (1, "missing")


@pytest.mark.parametrize("name", verify_record.MEMBERS)
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_changed_byte_of_any_member_is_found(whole, tmp_path, name, place):
    data = bytearray(whole[name])
    data[int(place * (len(data) - 1))] ^= 1
    whole[name] = bytes(data)
    status, found = judged(packed(tmp_path / "changed.zip", whole))

    # Of the manifest's own bytes those are told that mean something; format and version say that
    # it is none of ours.
    assert status == 1 or (name == "manifest.json" and status == 2), found


@pytest.mark.parametrize("name", ["manifest.json", "README.txt", "../evil.py", "/etc/passwd", "x/"])
def test_a_member_that_is_twice_there_or_none_of_ours_is_found(whole, tmp_path, name):
    path = packed(tmp_path / "changed.zip", whole)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(name, b"{}")
    status, found = judged(path)

    assert (status, found["wrong"]["kind"]) == (1, "inserted")
    assert sorted(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("left", [0, 3, 100, -2000, -60, -1])
def test_a_file_that_was_cut_short_is_found(whole, tmp_path, left):
    path = packed(tmp_path / "changed.zip", listed(whole))
    data = path.read_bytes()
    path.write_bytes(data[:left])
    status, found = judged(path)

    assert status == (2 if 0 <= left < 4 else 1), found


@pytest.mark.parametrize("name", ["events.ndjson", "checkpoints.ndjson", "hashes.bin", "tree.json"])
@pytest.mark.parametrize("left", [0, 1, 0.3, -2])
def test_a_member_that_was_cut_short_is_found(whole, wrong, name, left):
    data = whole[name]
    whole[name] = data[: int(left * len(data)) if isinstance(left, float) else left]

    assert wrong(whole)["kind"] in {"truncated", "altered"}


@pytest.mark.parametrize("name", ["events.ndjson", "checkpoints.ndjson", "hashes.bin"])
def test_a_member_of_another_tenants_bundle_is_found(whole, stranger, wrong, name):
    whole[name] = stranger[name]

    assert wrong(whole)["kind"] in {"foreign", "altered", "missing"}


# Events


def other(value):
    """Something else of the same kind, as who knows the format would put there."""
    if value is None:
        return "203.0.113.9"
    if isinstance(value, int):
        return value + 1
    if value.isdigit():
        return str(int(value) + 1)
    if len(value) in (32, 64) and not set(value) - set("0123456789abcdef"):
        return value[::-1] if value != value[::-1] else "0" * len(value)
    if value.count("-") == 4:
        return "0199aa00-0000-7000-8000-000000000001"
    return value + "x"


FIELDS = [
    *(("leaf", name) for name in sorted(verify_record.LEAF)),
    *(("actor", name) for name in sorted(verify_record.ACTOR)),
    *(("target", name) for name in sorted(verify_record.TARGET)),
    ("actor_salt",),
    ("target_salt",),
]


@pytest.mark.parametrize("field", FIELDS, ids=".".join)
@pytest.mark.parametrize("at", [0, 39, 40, 200, -1])
def test_every_field_of_an_event_is_covered(whole, wrong, field, at):
    found = events(whole)
    at %= len(found)
    changed = found[at]
    *path, name = field
    place = changed[path[0]] if path else changed
    place[name] = other(place[name])
    data = lines(whole["events.ndjson"])
    data[at] = canonical(changed)

    seen = wrong(with_events(whole, data))

    assert seen["number"] == at
    assert seen["kind"] == ("foreign" if name == "tenant" else "altered")


@pytest.mark.parametrize("part", ["actor", "target"])
@pytest.mark.parametrize("emptied", [True, False])
def test_who_takes_the_salt_away_and_leaves_something_is_found(whole, wrong, part, emptied):
    found = events(whole)
    found[7][f"{part}_salt"] = None
    empty = dict(verify_record.ACTOR if part == "actor" else verify_record.TARGET)
    if emptied:
        empty[next(iter(empty))] = "something"
        found[7][part] = empty
    data = lines(whole["events.ndjson"])
    data[7] = canonical(found[7])

    seen = wrong(with_events(whole, data))

    assert (seen["kind"], seen["number"]) == ("altered", 7)
    assert "neither whole nor erased" in seen["what"]


def test_a_dropped_event_is_missing_wherever_it_was(whole, wrong):
    data = lines(whole["events.ndjson"])
    for at in places(whole):
        seen = wrong(with_events(whole, data[:at] + data[at + 1 :]))

        assert (seen["kind"], seen["number"]) == (
            "truncated" if at == len(data) - 1 else "missing",
            at,
        )


def test_the_last_events_dropped_are_a_record_cut_short(whole, wrong):
    data = lines(whole["events.ndjson"])
    for count in (2, 12, 13, 200):
        seen = wrong(with_events(whole, data[:-count]))

        assert (seen["kind"], seen["number"]) == ("truncated", len(data) - count)


def test_an_event_that_is_there_twice_is_inserted_or_found_at_the_end(whole, wrong):
    data = lines(whole["events.ndjson"])
    for at in places(whole):
        for place in (at + 1, 0, len(data)):
            changed = [*data[:place], data[at], *data[place:]]
            seen = wrong(with_events(whole, changed))

            assert seen["kind"] in ({"inserted"} if place > at else {"inserted", "reordered"})
            assert seen["number"] == place or data[place:] == [] or at == place


def test_two_events_that_changed_places_are_reordered(whole, wrong):
    data = lines(whole["events.ndjson"])
    for at in places(whole):
        to = (at + 1) % len(data)
        changed = list(data)
        changed[at], changed[to] = changed[to], changed[at]
        seen = wrong(with_events(whole, changed))

        assert (seen["kind"], seen["number"]) == ("reordered", min(at, to))


def test_an_event_of_another_tenant_is_foreign(whole, stranger, wrong):
    data, theirs = lines(whole["events.ndjson"]), lines(stranger["events.ndjson"])
    for at in places(whole):
        added = wrong(with_events(whole, [*data[:at], theirs[at], *data[at:]]))
        put_there = wrong(with_events(whole, [*data[:at], theirs[at], *data[at + 1 :]]))

        assert (added["kind"], added["number"]) == ("foreign", at)
        assert (put_there["kind"], put_there["number"]) == ("foreign", at)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"leaf":' * 50_000,
        b'{"leaf":{"id":1e999}}',
        b'{"actor":{"ip":"\\ud800"}}',
        b"9" * 10_000,
    ],
    ids=lambda line: str(line[:20]),
)
def test_a_line_that_is_no_event_is_altered(whole, wrong, line):
    data = lines(whole["events.ndjson"])
    data[3] = line

    assert (wrong(with_events(whole, data))["kind"], wrong(with_events(whole, data))["number"]) == (
        "altered",
        3,
    )


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda line: line.replace(b'","', b'", "', 1),
        lambda line: line.replace(b"=1+1", b"\\u003d1+1", 1),
        lambda line: line.replace(b'{"actor":', b'{"actor":{},"actor":', 1),
        lambda line: b" " + line,
        lambda line: line.replace(b'"schema_version":1', b'"schema_version":1.0'),
        lambda line: line.replace(b'"schema_version":1', b'"schema_version":true'),
    ],
)
def test_the_same_event_in_another_form_is_altered(whole, wrong, rewritten):
    data = lines(whole["events.ndjson"])
    assert rewritten(data[3]) != data[3]
    data[3] = rewritten(data[3])

    assert wrong(with_events(whole, data))["kind"] == "altered"


def test_a_line_without_end_takes_no_memory(whole, wrong, monkeypatch):
    monkeypatch.setattr(verify_record, "LONGEST_LINE", 1 << 20)
    whole["events.ndjson"] = b"x" * (64 << 20)

    assert "a line of more than" in wrong(whole)["what"]


# Hashes and the tree


def test_a_changed_hash_is_told_from_a_changed_event(whole, wrong):
    for at in places(whole):
        data = bytearray(whole["hashes.bin"])
        data[at * 32 + 5] ^= 1
        seen = wrong({**whole, "hashes.bin": bytes(data)})

        assert seen["kind"] == "altered"
        assert "the events are as they were sealed" in seen["what"]


@pytest.mark.parametrize("more", [bytes(32), bytes(31), b"x" * (1 << 20)], ids=len)
def test_hashes_that_no_checkpoint_covers_are_found(whole, wrong, more):
    whole["hashes.bin"] += more

    assert wrong(whole)["kind"] in {"inserted", "truncated"}


def test_an_event_changed_together_with_its_hash_does_not_lead_to_the_root(whole, wrong):
    data, hashes = lines(whole["events.ndjson"]), bytearray(whole["hashes.bin"])
    event = json.loads(data[3])
    event["leaf"]["outcome"] = "denied"
    data[3] = canonical(event)
    hashes[96:128] = verify_record.sha256(b"\0", canonical(event["leaf"]))

    seen = wrong({**with_events(whole, data), "hashes.bin": bytes(hashes)})

    assert (seen["kind"], seen["segment"]) == ("altered", 1)
    assert "root" in seen["what"]


@pytest.mark.parametrize(
    "change",
    [
        {"before": {"size": 1, "note": "", "peaks": [base64.b64encode(bytes(32)).decode()]}},
        {"before": {"size": 0, "note": None, "peaks": []}},
        {"before": {"size": -1, "note": "", "peaks": ["x"]}},
        {"before": None},
        {"size": 3},
        {"consistency": [base64.b64encode(bytes(32)).decode()]},
        {"consistency": None},
    ],
    ids=str,
)
def test_a_changed_tree_is_found(whole, wrong, change):
    whole["tree.json"] = json.dumps({**json.loads(whole["tree.json"]), **change}).encode()

    assert wrong(whole)["kind"] in {"altered", "truncated"}


# Checkpoints


def checkpoints(content):
    return [json.loads(line) for line in lines(content["checkpoints.ndjson"])]


@pytest.mark.parametrize("name", sorted(verify_record.CHECKPOINT))
@pytest.mark.parametrize("at", [0, 1, 2])
def test_every_field_of_a_segment_is_covered(whole, wrong, name, at):
    found = checkpoints(whole)
    value = found[at][name]
    # Another character amidst the signature.
    other_note = f"{str(value)[:-20]}{'B' if str(value)[-20:-19] == 'A' else 'A'}{str(value)[-19:]}"
    found[at][name] = other_note if name == "note" else other(value)
    whole["checkpoints.ndjson"] = joined(map(canonical, found))

    seen = wrong(whole)

    assert seen["segment"] in (at + 1, at + 2)


def test_a_checkpoint_that_somebody_else_signed_is_found(whole, wrong):
    forger = keys.new_signer(keys.signer().name)
    found = checkpoints(whole)
    checkpoint, _ = notes.parsed(found[0]["note"])
    found[0]["note"] = notes.written(checkpoint, forger)
    whole["checkpoints.ndjson"] = joined(map(canonical, found))

    assert wrong(whole)["kind"] == "missing key"
    assert wrong(whole, "--key", forger.vkey)["what"] == (
        "its checkpoint does not follow the one before it"
    )


def test_a_signature_that_the_key_has_not_made_is_bad(whole, wrong):
    found = checkpoints(whole)
    found[1]["note"] = found[1]["note"].replace("\nsealed 2", "\nsealed 3")
    whole["checkpoints.ndjson"] = joined(map(canonical, found))

    assert (wrong(whole)["kind"], wrong(whole)["segment"]) == ("bad signature", 2)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_dropped_checkpoint_is_found(whole, wrong, at):
    found = checkpoints(whole)
    del found[at]
    whole["checkpoints.ndjson"] = joined(map(canonical, found))

    assert wrong(whole)["kind"] == ("truncated" if at == 2 else "missing")


def test_checkpoints_in_another_order_are_found(whole, wrong):
    found = checkpoints(whole)
    whole["checkpoints.ndjson"] = joined(map(canonical, [found[1], found[0], found[2]]))

    assert wrong(whole)["kind"] in {"missing", "reordered"}


def test_a_checkpoint_of_another_tenant_is_foreign(whole, stranger, wrong):
    found = checkpoints(whole)
    found[0]["note"] = checkpoints(stranger)[0]["note"]
    whole["checkpoints.ndjson"] = joined(map(canonical, found))

    assert wrong(whole)["kind"] == "foreign"


# Keys and what was kept


def test_a_bundle_signed_with_another_key_is_told(whole, tmp_path):
    path = packed(tmp_path / "same.zip", whole)
    status, found = judged(path, "--key", keys.new_signer("another.example").vkey)

    assert (status, found["wrong"]["kind"]) == (1, "missing key")


def test_keys_of_the_bundle_itself_are_said_to_be_that(whole, tmp_path):
    path = packed(tmp_path / "same.zip", whole)
    status, found = judged(path)

    assert (status, found["keys_from"]) == (0, "bundle")


def test_a_key_in_the_bundle_that_is_none_is_found(whole, tmp_path):
    whole["keys.txt"] = b"x" + whole["keys.txt"]
    status, found = judged(packed(tmp_path / "changed.zip", listed(whole)))

    assert (status, found["wrong"]["kind"]) == (1, "altered")


def test_a_whole_bundle_of_another_tenant_is_foreign_to_who_says_whose_it_should_be(
    kept, whole, stranger, tmp_path
):
    path = packed(tmp_path / "theirs.zip", stranger)
    ours = json.loads(whole["manifest.json"])["record"]
    by_name = judged(path, "--record", ours)
    by_checkpoint = judged(path, "--checkpoint", kept[0] / "one.txt")

    assert [(status, found["wrong"]["kind"]) for status, found in (by_name, by_checkpoint)] == [
        (1, "foreign"),
        (1, "foreign"),
    ]


def test_a_checkpoint_that_was_kept_is_compared(kept, whole, tmp_path):
    path = packed(tmp_path / "same.zip", whole)
    status, found = judged(path, "--checkpoint", kept[0] / "one.txt")

    assert (status, found["compared_with"]) == (0, [checkpoints(whole)[2]["first"]])


def test_checkpoints_of_many_records_may_be_kept_in_one_file(kept, whole, stranger, tmp_path):
    ours, theirs = (kept[0] / f"{name}.txt" for name in ("one", "other"))
    (tmp_path / "all.txt").write_text(theirs.read_text() + "\n\n" + ours.read_text())
    path = packed(tmp_path / "same.zip", whole)

    status, found = judged(path, "--checkpoint", tmp_path / "all.txt")

    assert (status, len(found["compared_with"])) == (0, 1)


def test_two_checkpoints_of_one_size_that_differ_are_two_records(kept, whole, tmp_path):
    note = (kept[0] / "one.txt").read_text()
    checkpoint, _ = notes.parsed(note)
    other_one = notes.written(replace(checkpoint, root=bytes(32)), keys.signer())
    (tmp_path / "both.txt").write_text(note + other_one)
    path = packed(tmp_path / "same.zip", whole)

    status, found = judged(path, "--checkpoint", tmp_path / "both.txt")

    assert (status, found["wrong"]["kind"]) == (1, "altered")
    assert "two records" in found["wrong"]["what"]


def test_a_record_whose_clean_end_is_gone_is_told_by_a_later_checkpoint_that_was_kept(
    whole, tmp_path
):
    found = checkpoints(whole)
    size = found[1]["first"]
    (tmp_path / "kept.txt").write_text(found[1]["note"])
    # Whoever made the bundle took the end away everywhere.
    tree = {**json.loads(whole["tree.json"]), "size": size}
    cut = {
        **whole,
        "checkpoints.ndjson": joined([canonical(found[0])]),
        "events.ndjson": joined(lines(whole["events.ndjson"])[:size]),
        "hashes.bin": whole["hashes.bin"][: size * 32],
        "tree.json": json.dumps(tree).encode(),
        "manifest.json": json.dumps(
            {**json.loads(whole["manifest.json"]), "size": size, "segments": 1, "events": size}
        ).encode(),
    }
    path = packed(tmp_path / "cut.zip", listed(cut))

    assert judged(path)[0] == 0, "alone it is a record like any other"
    status, seen = judged(path, "--checkpoint", tmp_path / "kept.txt")
    assert (status, seen["wrong"]["kind"]) == (1, "truncated")


def test_a_rewritten_record_is_told_by_the_checkpoint_that_was_kept(whole, tmp_path):
    first = checkpoints(whole)[0]
    checkpoint, _ = notes.parsed(first["note"])
    forged = notes.Checkpoint(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=bytes(32),
        sealed_at=checkpoint.sealed_at,
        previous=sealer.digest(""),
    )
    (tmp_path / "kept.txt").write_text(notes.written(forged, keys.signer()))
    path = packed(tmp_path / "same.zip", whole)

    status, seen = judged(path, "--checkpoint", tmp_path / "kept.txt")
    assert (status, seen["wrong"]["kind"]) == (1, "altered")
    assert "kept" in seen["wrong"]["what"]


# Any byte


def test_no_changed_byte_of_the_file_passes_unless_it_means_nothing(whole, tmp_path):
    path = packed(tmp_path / "same.zip", listed(whole))
    data = path.read_bytes()
    dice = random.Random(6962)
    statuses = set()
    for _ in range(150):
        changed = bytearray(data)
        # Headers and the central directory more often than the members, which are most of it.
        at = dice.choice([dice.randrange(len(data)), len(data) - 1 - dice.randrange(700)])
        changed[at] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
        status, found = judged(path, "--key", keys.signer().vkey)
        statuses.add(status)
        if status == 0:
            # Such as a time in a header.
            assert members(path) == listed(whole), at
        assert "error" in found or "wrong" in found

    assert {0, 1} <= statuses


# The manifest


@pytest.mark.parametrize("name", ["first", "size", "segments", "events", "record", "members"])
def test_a_manifest_that_says_something_else_is_found(whole, tmp_path, name):
    manifest = json.loads(whole["manifest.json"])
    manifest[name] = other(manifest[name]) if name != "members" else manifest[name][1:]
    whole["manifest.json"] = json.dumps(manifest).encode()
    status, _ = judged(packed(tmp_path / "changed.zip", whole))

    assert status == 1


@pytest.mark.parametrize("change", [{"version": 2}, {"format": "x"}])
def test_another_format_is_not_checked(whole, tmp_path, change):
    whole["manifest.json"] = json.dumps({**json.loads(whole["manifest.json"]), **change}).encode()

    status, found = judged(packed(tmp_path / "changed.zip", whole))

    assert (status, found["intact"]) == (2, None)


@pytest.mark.parametrize("content", [b"", b"PK", b"hello", b"{}", b'{"between": 3}', b"{" * 9999])
def test_what_is_no_bundle_is_not_checked(tmp_path, content):
    (tmp_path / "x").write_bytes(content)

    assert check(tmp_path / "x")[0] == 2


def test_a_file_that_is_not_there_and_a_key_that_is_none_are_told(tmp_path, whole):
    path = packed(tmp_path / "same.zip", whole)

    assert check(tmp_path / "ghost.zip")[0] == 2
    assert check(path, "--key", "x")[0] == 2
    assert check(path, "--checkpoint", tmp_path / "ghost.txt")[0] == 2
    (tmp_path / "no.txt").write_text("hello")
    assert check(path, "--checkpoint", tmp_path / "no.txt")[0] == 2
