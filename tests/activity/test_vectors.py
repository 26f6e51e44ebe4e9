"""Vectors that neither the application nor the verifier has made: both come to the same bytes.

``tests/vectors/README.md`` says how they were made.
"""

import ast
import base64
import json
import sys
from pathlib import Path

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as effort

import verify_record
from activity.bundles import lines, writing
from activity.leaves import canonical, commitment, leaf_hash, leaf_hash_sql
from activity.models import ActivityEvent
from activity.sealing import keys, notes, tree
from tenants.context import enter_tenant
from tests.activity.bundles import VERIFIER, check, owner, packed
from tests.activity.test_leaves import TENANT, TEXT, recorded
from tests.apps import APPS

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "record"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


PUBLISHED, TREES, LEAVES, BUNDLES = map(vectors, ("published", "trees", "leaves", "bundles"))


def unhexed(texts):
    return [bytes.fromhex(text) for text in texts]


# Trees


def published_leaves():
    return [leaf_hash(data) for data in unhexed(PUBLISHED["trees"]["leaves"])]


def our_leaves():
    return [leaf_hash(f"leaf {number}".encode()) for number in range(600)]


def roots():
    published = PUBLISHED["trees"]
    yield published_leaves(), 0, published["empty_root"]
    for size, root in enumerate(published["roots"], start=1):
        yield published_leaves(), size, root
    for one in TREES["roots"]:
        yield our_leaves(), one["size"], one["root"]


def proofs(kind):
    for name, found in (("published", PUBLISHED["trees"]), ("ours", TREES)):
        for one in found[kind]:
            yield published_leaves() if name == "published" else our_leaves(), one


def trees_of(leaves):
    """The same tree in the application and in the verifier."""
    ours, theirs = tree.Tree(), verify_record.Tree()
    ours.append(b"".join(leaves))
    for leaf in leaves:
        theirs.append(leaf)
    return ours, theirs


def root_of(leaves):
    ours, theirs = trees_of(leaves)
    assert ours.root() == theirs.root()
    return ours.root()


def reader_of(leaves):
    stored = {
        (tile.level, tile.index): tile.hashes for tile in tree.Tree().append(b"".join(leaves))
    }

    def hashes(level, start, stop):
        return b"".join(
            stored[level, at // 256][at % 256 * 32 : at % 256 * 32 + 32]
            for at in range(start, stop)
        )

    return tree.reader(hashes)


def test_roots_are_those_of_the_vectors():
    for leaves, size, root in roots():
        ours, theirs = trees_of(leaves[:size])

        assert ours.root().hex() == theirs.root().hex() == root


def test_peaks_are_those_of_the_vectors():
    for one in TREES["peaks"]:
        leaves = our_leaves()[: one["size"]]
        _, theirs = trees_of(leaves)
        ours = [] if not leaves else list(writing._peaks(reader_of(leaves), one["size"]))

        assert ours == theirs.peaks == unhexed(one["peaks"])
        assert verify_record.Tree(one["size"], ours).root() == root_of(leaves)


def test_inclusion_proofs_are_those_of_the_vectors():
    for leaves, one in proofs("inclusion"):
        number, size, path = one["leaf"], one["size"], unhexed(one["path"])
        root = root_of(leaves[:size])

        assert tree.inclusion_proof(reader_of(leaves[:size]), number, size) == path
        for module in (tree, verify_record):
            assert module.is_included(leaves[number], number, size, path, root)
            assert not module.is_included(leaves[number], number, size, [*path, root], root)
            assert not module.is_included(leaves[number], size, size, path, root)
            assert not module.is_included(root, number, size, path, bytes(32))
            assert not path or not module.is_included(leaves[number], number, size, path[1:], root)


def test_consistency_proofs_are_those_of_the_vectors():
    for leaves, one in proofs("consistency"):
        older, newer, proof = one["older"], one["newer"], unhexed(one["proof"])
        old, new = root_of(leaves[:older]), root_of(leaves[:newer])

        assert tree.consistency_proof(reader_of(leaves[:newer]), older, newer) == proof
        for module in (tree, verify_record):
            assert module.is_consistent(older, old, newer, new, proof)
            assert not module.is_consistent(older, bytes(32), newer, new, proof)
            assert not module.is_consistent(older, old, newer, bytes(32), proof)
            assert not module.is_consistent(older, old, newer, new, [*proof, old])
            assert not proof or not module.is_consistent(older, old, newer, new, proof[:-1])
            assert not module.is_consistent(0, old, newer, new, proof)
            assert not module.is_consistent(newer + 1, old, newer, new, proof)


# Notes


@pytest.mark.parametrize("note", PUBLISHED["notes"], ids=lambda note: note["source"][:20])
def test_published_notes_are_good_under_their_published_keys(note):
    value = base64.b64decode(note["signature"])
    text = note["text"].encode()
    theirs, ours = verify_record.Key(note["vkey"]), keys.verifier_from(note["vkey"], "vector")

    assert theirs.id == ours.key_id == value[:4]
    for is_good in (theirs.is_good, ours.is_good):
        assert is_good(text, value[4:])
        assert not is_good(text + b" ", value[4:])
        assert not is_good(text, bytes(64))


def test_a_published_private_key_signs_as_published():
    [note] = [note for note in PUBLISHED["notes"] if "skey" in note]
    signer = keys.signer_from(note["skey"], "vector")

    assert signer.vkey == note["vkey"]
    value = signer.key_id + signer.sign(note["text"].encode())
    assert base64.b64encode(value).decode() == note["signature"]


def test_checkpoints_are_read_as_they_were_made():
    verifier = keys.verifier_from(BUNDLES["whole"]["key"], "vector")
    previous = ""
    for text in BUNDLES["whole"]["checkpoints"]:
        ours = notes.checked(text, {(verifier.name, verifier.key_id): verifier})
        match = verify_record.NOTE.fullmatch(text)
        theirs = verify_record.note_of(match, [verify_record.Key(verifier.vkey)])

        assert (ours.origin, ours.size, ours.root) == (theirs.origin, theirs.size, theirs.root)
        assert ours.previous == theirs.previous == verify_record.sha256(previous.encode())
        assert ours.text() in text
        previous = text


# Leaves


@pytest.mark.parametrize("event", LEAVES["events"], ids=lambda event: event["columns"]["id"][-4:])
def test_leaves_are_those_of_the_vectors(event):
    columns = event["columns"]
    for part, names in (("actor", verify_record.ACTOR), ("target", verify_record.TARGET)):
        fields = {name: columns[name] for name in names}
        if columns[f"{part}_salt"] is not None:
            salt = bytes.fromhex(columns[f"{part}_salt"])
            assert commitment(salt, fields).hex() == event[part]
            assert verify_record.sha256(salt, verify_record.canonical(fields)).hex() == event[part]
    leaf = event["leaf"].encode()
    assert canonical(event["document"]) == verify_record.canonical(event["document"]) == leaf
    assert leaf_hash(leaf).hex() == event["leaf_hash"]

    row = verify_record.row_of(event["line"].encode(), LEAVES["record"])
    assert (row.problem, row.hash.hex()) == ("", event["leaf_hash"])


def test_postgresql_comes_to_the_leaves_and_lines_of_the_vectors(lab):
    with enter_tenant(lab), owner() as cursor:
        for event in LEAVES["events"]:
            cursor.execute("TRUNCATE activity_activityevent")
            insert(cursor, event)
            cursor.execute(
                f"SELECT {leaf_hash_sql()}, {lines._LINE} FROM activity_activityevent",
                {"tenant": LEAVES["record"]},
            )
            leaf, line = cursor.fetchone()

            assert bytes(leaf).hex() == event["leaf_hash"]
            assert line == event["line"]
        assert ActivityEvent.objects.count() == 1


def insert(cursor, event):
    values = dict(event["columns"])
    for part in ("actor", "target"):
        salt = values[f"{part}_salt"]
        values[f"{part}_salt"] = salt and bytes.fromhex(salt)
        values[f"{part}_commitment"] = None if salt else bytes.fromhex(event[part])
    names = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    cursor.execute(
        f"INSERT INTO activity_activityevent ({names}) VALUES ({marks})", list(values.values())
    )


@pytest.mark.parametrize("ip", [None, "192.0.2.7", "2001:db8::1"])
@given(text=TEXT)
@effort(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
def test_the_verifier_reads_what_postgresql_writes_of_any_text(in_acme, ip, text):
    event = recorded(text, ip)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {leaf_hash_sql()}, {lines._LINE}"
            " FROM activity_activityevent WHERE id = %(id)s",
            {"tenant": TENANT, "id": event.pk},
        )
        leaf, line = cursor.fetchone()

    row = verify_record.row_of(line.encode(), TENANT)

    assert (row.problem, row.hash, row.id) == ("", bytes(leaf), str(event.pk))
    assert "\n" not in line


def test_the_format_shows_what_the_vectors_hold():
    page = (VERIFIER.parent / "docs" / "record-format.md").read_text()
    event, bundle = LEAVES["events"][0], BUNDLES["later"]

    for shown in (event["line"], event["actor"], event["target"], event["leaf_hash"]):
        assert f"{shown}\n" in page
    assert f"{bundle['key']}\n" in page
    assert bundle["checkpoints"][0] in page
    for name in verify_record.MEMBERS:
        assert f"| `{name}` |" in page
    for name in json.loads(bundle["files"]["manifest.json"]):
        assert f"`{name}`" in page.partition("### manifest.json")[2]


# Bundles


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_that_others_have_made_is_intact(tmp_path, name):
    vector = BUNDLES[name]
    content = {
        file: bytes.fromhex(text) if file == "hashes.bin" else text.encode()
        for file, text in vector["files"].items()
    }
    path = packed(tmp_path / "vector.zip", content)
    kept = [note for note in vector["checkpoints"] if sizes(note) & ends(vector)]
    (tmp_path / "kept.txt").write_text("\n".join(kept))

    status, found = check(path, "--key", vector["key"])
    compared = check(path, "--key", vector["key"], "--checkpoint", tmp_path / "kept.txt")

    assert (status, found["intact"]) == (0, True), found
    assert {one: found[one] for one in vector["expected"]} == vector["expected"]
    assert compared[0] == 0
    assert set(compared[1]["compared_with"]) == ends(vector)


def sizes(note):
    return {int(note.split("\n")[1])}


def ends(vector):
    return {vector["expected"]["first"], vector["expected"]["size"]} - {0}


# Independence


def test_the_verifier_imports_nothing_but_the_standard_library_and_cryptography():
    imported = set()
    for part in ast.walk(ast.parse(VERIFIER.read_text())):
        if isinstance(part, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in part.names}
        elif isinstance(part, ast.ImportFrom):
            imported.add((part.module or ".").split(".")[0])

    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_application_imports_nothing_of_the_verifier():
    root = VERIFIER.parent
    for app in APPS:
        for path in (root / app).rglob("*.py"):
            assert "import verify_record" not in path.read_text(), path
