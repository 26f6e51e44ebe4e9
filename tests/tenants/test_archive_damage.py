"""What is no archive, or no longer one, is refused with a sentence and leaves nothing."""

import hashlib
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tenants.archive import contents
from tenants.archive.loading import import_archive
from tenants.context import enter_platform
from tenants.errors import InvalidInput
from tenants.models import Tenant
from tests.tenants.archives import (
    Members,
    Sample,
    forged,
    members_of,
    nothing_was_made,
    packed,
    table_of,
)
from tests.tenants.conftest import Run

Manifest = dict[str, Any]


def refusal(content: bytes, tmp_path: Path, sample: Sample) -> str:
    """The sentence with which a file is refused, having left nothing."""
    path = tmp_path / "given.tenant"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        import_archive(path)
    assert nothing_was_made(sample)
    sentence = str(refused.value)
    assert sentence.isprintable()
    assert refused.value.hint
    return sentence


def test_the_forgers_of_these_tests_make_what_is_accepted(
    db: None, sample: Sample, tmp_path: Path
) -> None:
    """Without this, the tests below could pass for another reason than theirs."""
    path = tmp_path / "given.tenant"
    path.write_bytes(forged(sample.content, lambda manifest, members: None))

    assert import_archive(path).tenant.is_active


@pytest.mark.parametrize("tenth", range(10))
def test_cut_short(db: None, sample: Sample, tmp_path: Path, tenth: int) -> None:
    content = sample.content
    cut = content[: len(content) * tenth // 10]

    sentence = refusal(cut, tmp_path, sample)

    assert ("no archive" if tenth == 0 else "cut short") in sentence


@pytest.mark.parametrize("missing", [1, 64, 65])
def test_without_its_last_bytes(db: None, sample: Sample, tmp_path: Path, missing: int) -> None:
    assert "cut short" in refusal(sample.content[:-missing], tmp_path, sample)


def test_with_more_after_its_end(db: None, sample: Sample, tmp_path: Path) -> None:
    assert "altered" in refusal(sample.content + b"\n", tmp_path, sample)


def test_one_bit_wrong_in_each_member(db: None, sample: Sample, tmp_path: Path) -> None:
    with zipfile.ZipFile(sample.path) as archive:
        places = {info.filename: info.header_offset for info in archive.infolist()}
        sizes = {info.filename: info.compress_size for info in archive.infolist()}
    for name, start in places.items():
        spoiled = bytearray(sample.content)
        spoiled[start + 30 + len(name) + 20 + sizes[name] // 2] ^= 0x01
        assert "altered" in refusal(bytes(spoiled), tmp_path, sample), name


def test_one_byte_wrong_anywhere(db: None, sample: Sample, tmp_path: Path) -> None:
    """In headers, names, times and the digest too, which ZIP itself protects by nothing."""
    content = sample.content
    for position in range(0, len(content), max(1, len(content) // 150)):
        spoiled = bytearray(content)
        spoiled[position] ^= 0xFF
        sentence = refusal(bytes(spoiled), tmp_path, sample)
        assert "altered" in sentence or "no archive" in sentence, position


def test_a_newer_format(db: None, sample: Sample, tmp_path: Path) -> None:
    members = {**members_of(sample.content), "tenantry-archive": b"2\n"}

    assert "format 2 and needs a newer release" in refusal(
        packed(list(members.items())), tmp_path, sample
    )


@pytest.mark.parametrize("content", [b"", b"1", b"0\n", b"one\n", b"1\n1\n", b"-1\n", b"9" * 30])
def test_a_format_that_is_none(db: None, sample: Sample, tmp_path: Path, content: bytes) -> None:
    members = {**members_of(sample.content), "tenantry-archive": content}

    refusal(packed(list(members.items())), tmp_path, sample)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"PK", b"PK\x03\x04", b"hello", b"PK\x05\x06" + b"\0" * 18, os.urandom(100_000)],
    ids=["empty", "nul", "two bytes", "four bytes", "text", "an empty zip", "noise"],
)
def test_what_is_no_archive(db: None, sample: Sample, tmp_path: Path, content: bytes) -> None:
    assert "no archive of a tenant" in refusal(content, tmp_path, sample)


def test_a_zip_of_somebody_elses(db: None, sample: Sample, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        archive.writestr("manifest.json", "{}")

    sentence = refusal((tmp_path / "foreign.zip").read_bytes(), tmp_path, sample)

    assert "no archive of a tenant" in sentence


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (["tenantry-archive"], "members"),
        (["tenantry-archive", "manifest.json"], "members"),
        (["tenantry-archive", "../../etc/passwd", "manifest.json"], "members"),
        (["tenantry-archive", "/etc/passwd", "manifest.json"], "members"),
        (["tenantry-archive", "tables/../x.copy", "manifest.json"], "members"),
        (["tenantry-archive", "tables\\x.copy", "manifest.json"], "members"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_members(
    db: None, sample: Sample, tmp_path: Path, names: list[str], word: str
) -> None:
    own = members_of(sample.content)

    sentence = refusal(packed([(n, own.get(n, b"x")) for n in names]), tmp_path, sample)

    assert word in sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given.tenant"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(db: None, sample: Sample, tmp_path: Path) -> None:
    members = list(members_of(sample.content).items())

    assert "twice" in refusal(packed([*members[:-1], *members[1:]]), tmp_path, sample)


def test_members_in_another_order(db: None, sample: Sample, tmp_path: Path) -> None:
    first, one, two, *rest = members_of(sample.content).items()

    assert "members" in refusal(packed([first, two, one, *rest]), tmp_path, sample)


def without_a_table(manifest: Manifest, members: Members) -> None:
    manifest["tables"].remove(table_of(manifest, "auth_group"))
    del members["tables/auth_group.copy"]


def without_a_member(manifest: Manifest, members: Members) -> None:
    del members["tables/auth_group.copy"]


def with_a_table(manifest: Manifest, members: Members) -> None:
    table = {**table_of(manifest, "auth_group"), "name": "z"}
    manifest["tables"].append(table)
    members["tables/z.copy"] = members["tables/auth_group.copy"]


def with_a_table_of_public(manifest: Manifest, members: Members) -> None:
    table = {**table_of(manifest, "auth_group"), "name": 'x" ; DROP SCHEMA public; --'}
    manifest["tables"].append(table)
    members[f"tables/{table['name']}.copy"] = b""


def with_a_column(manifest: Manifest, members: Members) -> None:
    table_of(manifest, "auth_group")["columns"].append({"name": "extra", "type": "integer"})


def with_a_column_of_sql(manifest: Manifest, members: Members) -> None:
    table_of(manifest, "auth_group")["columns"][0]["name"] = "id\") FROM PROGRAM 'touch x'; --"


def without_a_column(manifest: Manifest, members: Members) -> None:
    table_of(manifest, "auth_group")["columns"].pop()


def with_a_column_twice(manifest: Manifest, members: Members) -> None:
    columns = table_of(manifest, "auth_group")["columns"]
    columns.append(columns[0])


def with_another_type(manifest: Manifest, members: Members) -> None:
    table_of(manifest, "auth_group")["columns"][1]["type"] = "text"


def with_a_table_twice(manifest: Manifest, members: Members) -> None:
    manifest["tables"].append(table_of(manifest, "auth_group"))


def with_a_wrong_count(manifest: Manifest, members: Members) -> None:
    table_of(manifest, "accounts_customuser")["rows"] += 1


def with_an_early_end(manifest: Manifest, members: Members) -> None:
    rows = members["tables/accounts_customuser.copy"].splitlines(keepends=True)
    rows[5] = b"\\.\n"
    members["tables/accounts_customuser.copy"] = b"".join(rows)


def with_a_huge_size(manifest: Manifest, members: Members) -> None:
    manifest["tables"][0]["rows"] = 2**64


def with_a_membership_of_nobody(manifest: Manifest, members: Members) -> None:
    members["tables/accounts_membership.copy"] = b"1\t999\t2\n"


def with_one_person_twice(manifest: Manifest, members: Members) -> None:
    name = "tables/accounts_customuser.copy"
    members[name] += members[name].splitlines(keepends=True)[0]
    table_of(manifest, "accounts_customuser")["rows"] += 1


def with_text_for_a_number(manifest: Manifest, members: Members) -> None:
    members["tables/auth_group.copy"] = b"one\tname\n"


def with_bytes_that_are_no_text(manifest: Manifest, members: Members) -> None:
    members["tables/auth_group.copy"] = b"2\t\xff\xfe\n"


def with_a_value_too_few(manifest: Manifest, members: Members) -> None:
    members["tables/auth_group.copy"] = b"2\n"


def with_a_migration_of_tomorrow(manifest: Manifest, members: Members) -> None:
    manifest["migrations"].append("accounts.9999_tomorrow")


def without_a_migration(manifest: Manifest, members: Members) -> None:
    manifest["migrations"].remove("contenttypes.0001_initial")


def with_other_migrations_in_its_rows(manifest: Manifest, members: Members) -> None:
    name = "tables/django_migrations.copy"
    members[name] = members[name].replace(b"0001_initial", b"0001_foreign", 1)


def without_a_sequence(manifest: Manifest, members: Members) -> None:
    manifest["sequences"].pop()


def with_a_sequence_of_nothing(manifest: Manifest, members: Members) -> None:
    manifest["sequences"][0]["column"] = "name"


def with_a_sequence_of_zero(manifest: Manifest, members: Members) -> None:
    manifest["sequences"][0]["next"] = 0


def with_its_people_left_out(manifest: Manifest, members: Members) -> None:
    without_a_table(manifest, members)
    manifest["left_out"].append({"table": "auth_group", "why": "it says so"})


def with_no_zone(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["time_zone"] = "Mars/Olympus"


def with_no_slug(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["slug"] = "../x"


def with_no_name(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["name"] = "right\u202eto left"


def with_no_domain(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["domains"] = ["http://x.example"]


def with_no_uuid(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["id"] = "1"


def with_a_time_without_zone(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["created_at"] = "2026-01-01T00:00:00"


def in_another_state(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["state"] = "deleted"


def with_one_key_more(manifest: Manifest, members: Members) -> None:
    manifest["schema_name"] = "public"


def with_a_key_for_terminals(manifest: Manifest, members: Members) -> None:
    manifest["\x1b[2J\nerror: none"] = "\ud800"


def with_a_word_for_a_prohibition(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["allows_support"] = "false"


def from_before_time(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["created_at"] = "0001-01-01T00:00:00+14:00"


def from_beyond_time(manifest: Manifest, members: Members) -> None:
    manifest["tenant"]["created_at"] = "9999-12-31T23:59:59-14:00"


def of_another_product(manifest: Manifest, members: Members) -> None:
    manifest["product"] = "Tenants"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (without_a_table, "lacks the table auth_group"),
        (without_a_member, "members"),
        (with_a_table, "a table z"),
        (with_a_table_of_public, "manifest"),
        (with_a_column, "column extra"),
        (with_a_column_of_sql, "manifest"),
        (without_a_column, "column name"),
        (with_a_column_twice, "twice"),
        (with_another_type, "column name"),
        (with_a_table_twice, "twice"),
        (with_a_wrong_count, "not what the manifest says"),
        (with_an_early_end, "rows of accounts_customuser"),
        (with_a_huge_size, "manifest"),
        (with_a_membership_of_nobody, "foreign key"),
        (with_one_person_twice, "duplicate key"),
        (with_text_for_a_number, "invalid input syntax"),
        (with_bytes_that_are_no_text, "invalid byte sequence"),
        (with_a_value_too_few, "missing data"),
        (with_a_migration_of_tomorrow, "newer release"),
        (without_a_migration, "lacks the migration"),
        (with_other_migrations_in_its_rows, "migrations are not those"),
        (without_a_sequence, "sequences"),
        (with_a_sequence_of_nothing, "sequences"),
        (with_a_sequence_of_zero, "manifest"),
        (with_its_people_left_out, "lacks the table auth_group"),
        (with_no_zone, "time zone"),
        (with_no_slug, "slug"),
        (with_no_name, "name"),
        (with_no_domain, "domain"),
        (with_no_uuid, "tenant.id"),
        (with_a_time_without_zone, "created_at"),
        (in_another_state, "state"),
        (with_one_key_more, "schema_name"),
        (with_a_word_for_a_prohibition, "allows_support"),
        (of_another_product, "product"),
        (with_a_key_for_terminals, r"\x1b[2J\nerror"),
        (from_before_time, "time"),
        (from_beyond_time, "time"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_altered_by_somebody_who_knows_the_format(
    db: None, sample: Sample, tmp_path: Path, change: Any, word: str
) -> None:
    assert word in refusal(forged(sample.content, change), tmp_path, sample)


@pytest.mark.parametrize("table", sorted(contents.left_out()))
@pytest.mark.parametrize("says_so", [True, False])
def test_with_rows_that_do_not_move(
    acme: Tenant, sample: Sample, tmp_path: Path, table: str, says_so: bool
) -> None:
    """A session, a token or the name of a file, with which somebody would be let in here."""
    with enter_platform(), connection.cursor() as cursor:
        [shape] = [one for one in contents.shapes(cursor, acme.schema_name) if one.name == table]

    def with_them(manifest: Manifest, members: Members) -> None:
        columns = [column.model_dump() for column in shape.columns]
        manifest["tables"].append({"name": table, "columns": columns, "rows": 0})
        members[f"tables/{table}.copy"] = b""
        if not says_so:
            manifest["left_out"] = [one for one in manifest["left_out"] if one["table"] != table]

    sentence = refusal(forged(sample.content, with_them), tmp_path, sample)

    assert f"the table {table}, whose rows do not move" in sentence


def test_a_fault_of_ours_is_not_blamed_on_the_file(
    db: None, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ValueError("of ours")

    monkeypatch.setattr(contents, "after_import", [broken])

    with pytest.raises(ValueError, match="of ours"):
        import_archive(sample.path)
    assert nothing_was_made(sample)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{", b"null", b'{"a":1,"a":2}', b"[" * 100_000, b"\xff", b'{"tables":NaN}'],
    ids=["empty", "list", "open", "null", "twice", "deep", "no text", "nan"],
)
def test_a_manifest_that_is_none(db: None, sample: Sample, tmp_path: Path, manifest: bytes) -> None:
    members = {**members_of(sample.content), "manifest.json": manifest}

    assert "manifest" in refusal(packed(list(members.items())), tmp_path, sample)


def test_a_member_that_unpacks_to_more_than_it_says_is_not_read_to_its_end(
    db: None, sample: Sample, tmp_path: Path
) -> None:
    """A hundred megabytes of nothing in a hundred kilobytes: told by its size alone."""
    name = "tables/auth_group.copy"
    members = {**members_of(sample.content), name: b"\n" * 100_000_000}

    assert "not as long as" in refusal(packed(list(members.items())), tmp_path, sample)


def test_a_member_that_lies_about_its_size(db: None, sample: Sample, tmp_path: Path) -> None:
    manifest = json.loads(members_of(sample.content)["manifest.json"])
    said = table_of(manifest, "auth_group")["bytes"]
    name = "tables/auth_group.copy"
    members = {**members_of(sample.content), name: b"\n" * 1_000_000}
    content = bytearray(packed(list(members.items())))
    # Its size in the central directory (PKWARE APPNOTE, 4.3.12), made what the manifest says.
    entry = content.index(b"PK\x01\x02", content.rindex(name.encode(), 0, -2000) - 200)
    while content[entry + 46 : entry + 46 + len(name)] != name.encode():
        entry = content.index(b"PK\x01\x02", entry + 4)
    content[entry + 24 : entry + 28] = struct.pack("<I", said)
    content[-64:] = hashlib.sha256(bytes(content[:-64])).hexdigest().encode()

    refusal(bytes(content), tmp_path, sample)


@pytest.mark.parametrize("path", ["no-such-file", ".", "\0", "x" * 300])
def test_what_is_no_file(db: None, run: Run, tmp_path: Path, path: str) -> None:
    ran = run("import", str(tmp_path / path) if path != "\0" else path)

    assert ran.status in (2, 3)
    assert ran.stderr.startswith("error: ")
    assert len(ran.stderr.splitlines()) == 1


def test_the_command_says_it_in_one_sentence(
    db: None, sample: Sample, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "cut.tenant").write_bytes(sample.content[:-1])

    ran = run("import", str(tmp_path / "cut.tenant"))

    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr == (
        "error: the archive is damaged: it was cut short or altered. "
        "Copy it again, or export again."
    )
