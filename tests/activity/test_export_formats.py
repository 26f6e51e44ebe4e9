"""Events straight from COPY: the same, in every format, as the ORM and Python would have written.

The files are read back by programs that know nothing of us: csv, json, openpyxl, pyarrow, DuckDB.
"""

import csv
import io
import json
import re
import zipfile
from datetime import UTC, date, datetime, timedelta

import duckdb
import openpyxl
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from activity.events import COLUMNS
from activity.exporters import FORMATS, format_called, offered
from activity.exporting import workbook
from activity.exporting.compressing import COMPRESSIONS
from activity.exporting.files import Export, of_events
from activity.exporting.text import csv_of_rows, ndjson_of_rows
from activity.models import ActivityEvent
from activity.recording import record
from activity.subjects import Subject
from tenants.context import enter_tenant
from tenants.errors import InvalidInput, TenantryError

EVENTS = "/admin/activity/activityevent/"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
JSON = ("changes", "details")
EXACT = tuple(name for name in COLUMNS if name not in JSON)

HOSTILE = (
    '=cmd|"/c calc"!A1',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " \u3000=1",
    "\u200b\u202e=1",
    "\ufeff=1",
    "\uff1d1",
    "a;b,c\"d'e",
    "two\nlines\r\nand\rmore",
    "a\\b\\n\\\\t\\N",
    "\\.",
    "\x01\x02\x07\x08\x0b\x0c\x1f\x7f\x85",
    "</t></is></c>&amp;<![CDATA[",
    "_x0041_ _x005F_ _xZZZZ_",
    "\ufffe\uffff",
    "אבג \u202e العربية 漢字 🦆 e\u0301",
    "",
    " ",
    '"',
    "''",
    "{not json",
    "NULL",
)


def event(**fields):
    """Write an event as the database would take it from anybody: nothing is made safe."""
    given = {
        "action": "user.changed",
        "severity": "notice",
        "actor_kind": "person",
        "channel": "page",
        "request_id": "0199aa00-0000-7000-8000-000000000001",
    }
    return ActivityEvent.objects.create(**(given | fields))


def written(form, events=None, columns=COLUMNS, compression=None):
    """The file of events, oldest first."""
    events = ActivityEvent.objects.all() if events is None else events
    source = of_events(events, columns, {})
    export = Export(source=source, format=FORMATS[form], compression=compression)
    with export.opened() as pieces:
        content = b"".join(pieces)
    assert export.size == len(content)
    return content


def stored(columns=COLUMNS):
    return list(ActivityEvent.objects.order_by("id").values_list(*columns))


@pytest.fixture
def hostile(in_acme):
    for number, text in enumerate(HOSTILE):
        event(
            actor_label=text,
            target_label=text[::-1],
            user_agent=text,
            reason=text,
            actor_id=text[:20],
            changes={"field": [text, number], text: [None, True]},
            details={"text": text, "number": -number, "deep": {"=1": [text]}},
            ip=None if number % 2 else f"192.0.2.{number}",
            schema_version=number,
        )
    return in_acme


def in_workbook(text):
    """What a sheet can hold of a text: no control characters but tabs and ends of lines."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text)


def unmarked(cell):
    """A cell as Office reads it: _x005F_ is an underscore. openpyxl leaves it as it is."""
    return (cell.value or "").replace("_x005F_x", "_x")


# The same as the ORM


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NASTY = st.builds(
    lambda before, sign, rest: before + sign + rest,
    st.text(st.sampled_from(" \t\r\n\v\f\x1c\x85\xa0\u200f\u202e\u2066\u3000\ufeff"), max_size=3),
    st.sampled_from(["=", "+", "-", "@", "\uff1d", "\uff0d", '"', ",", "\\", "0", "é", ""]),
    TEXT,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(TEXT | NASTY, NASTY, st.integers(0, 999_999)), min_size=1, max_size=20))
def test_csv_and_ndjson_are_byte_for_byte_what_python_writes(in_acme, cells):
    ActivityEvent.objects.bulk_create(
        ActivityEvent(
            action="user.changed",
            severity="notice",
            actor_kind="person",
            channel="page",
            request_id="0199aa00-0000-7000-8000-000000000001",
            actor_label=one,
            reason=other,
            details={"text": one, other: number},
            ip=f"2001:db8::{number % 9_999}" if number % 2 else None,
        )
        for one, other, number in cells
    )
    newest = ActivityEvent.objects.order_by("-id")[: len(cells)]
    chosen = ActivityEvent.objects.filter(pk__in=[found.pk for found in newest])

    rows = list(chosen.order_by("id").values_list(*EXACT))
    assert written("csv", chosen, EXACT) == b"".join(csv_of_rows(EXACT, rows))
    rows = list(chosen.order_by("id").values_list(*COLUMNS))
    assert written("ndjson", chosen) == b"".join(ndjson_of_rows(COLUMNS, rows))


def test_e01_hostile_cells_are_byte_for_byte_what_python_writes(hostile):
    assert written("csv", columns=EXACT) == b"".join(csv_of_rows(EXACT, stored(EXACT)))
    assert written("ndjson") == b"".join(ndjson_of_rows(COLUMNS, stored()))


def test_a_moment_without_a_fraction_is_written_as_python_writes_it(in_acme, monkeypatch):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE activity_activityevent DISABLE TRIGGER USER")
        for text in ("2026-01-31 12:30:00+00", "2026-01-31 12:30:00.1+02", "1969-12-31 23:59:59Z"):
            event(occurred_at=datetime.fromisoformat(text))
        cursor.execute("ALTER TABLE activity_activityevent ENABLE TRIGGER USER")

    for form in ("csv", "ndjson"):
        text = written(form, columns=("occurred_at",)).decode()
        assert "2026-01-31T12:30:00Z" in text
        assert "2026-01-31T10:30:00.100000Z" in text
        assert "1969-12-31T23:59:59Z" in text


def test_json_in_a_csv_says_the_same(hostile):
    text = written("csv").decode().removeprefix("\ufeff")

    rows = list(csv.DictReader(io.StringIO(text, newline="")))

    assert [(json.loads(row["changes"]), json.loads(row["details"])) for row in rows] == stored(
        JSON
    )


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_exactly_the_rows_of_the_list(browser, acme, ann, form):
    with enter_tenant(acme):
        for number in range(70):
            record("user.changed", target=Subject("user", str(number), f"Person {number}"))
        record("session.failed", outcome="failure")
    client = browser(acme, ann)

    for query in ({"q": "family:user"}, {"q": "outcome:failure"}, {"q": '"Person 5" -target:57'}):
        listed, place = [], {}
        while place is not None:
            shown = client.get(EVENTS, query | place).context["cl"]
            with enter_tenant(acme):
                listed += [str(found.pk) for found in shown.result_list]
            place = {"before": shown.page.older} if shown.page.older else None
        response = client.get(EVENTS, query | {"export": form, "columns": "id,action"})

        assert ids_of(form, b"".join(response)) == listed[::-1], query


def ids_of(form, content):
    match form:
        case "csv":
            return [line.split(",")[0] for line in content.decode().splitlines()[1:]]
        case "ndjson":
            return [json.loads(line)["id"] for line in content.splitlines()]
        case "xlsx":
            sheet = openpyxl.load_workbook(io.BytesIO(content)).active
            return [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)]
        case "parquet":
            return parquet.read_table(io.BytesIO(content)).column("id").to_pylist()


# Workbooks


def test_e01_a_workbook_has_text_that_computes_nothing_and_types_that_are_right(hostile):
    sheet = openpyxl.load_workbook(io.BytesIO(written("xlsx"))).active
    head, *rows = sheet.iter_rows()

    assert tuple(cell.value for cell in head) == COLUMNS
    assert sheet.freeze_panes == "A2"
    assert len(rows) == len(stored())
    for row, values in zip(rows, stored(), strict=True):
        for name, cell, value in zip(COLUMNS, row, values, strict=True):
            assert cell.data_type != "f", name
            if name == "occurred_at":
                assert abs(cell.value.replace(tzinfo=UTC) - value) < timedelta(milliseconds=1)
                assert cell.is_date
            elif name in JSON:
                assert json.loads(unmarked(cell)) == json.loads(
                    in_workbook(json.dumps(value, ensure_ascii=False))
                )
            elif name == "schema_version":
                assert cell.value == value
            else:
                assert unmarked(cell) == in_workbook("" if value is None else str(value)), name
                assert cell.number_format in ("@", "General"), name


def test_what_looks_like_an_escape_of_office_is_marked_as_text(hostile):
    with zipfile.ZipFile(io.BytesIO(written("xlsx"))) as package:
        assert package.testzip() is None
        sheet = package.read("xl/worksheets/sheet1.xml").decode()

    assert "_x005F_x0041_ _x005F_x005F_ _xZZZZ_" in sheet


def test_a_workbook_goes_on_in_another_sheet(in_acme, monkeypatch):
    for number in range(23):
        event(actor_label=str(number))
    monkeypatch.setattr(workbook, "MOST_ROWS", 10)
    expected = [str(row[0]) for row in stored(("id",))]

    book = openpyxl.load_workbook(io.BytesIO(written("xlsx")))

    sheets = [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
    assert all(rows[0] == COLUMNS for rows in sheets)
    assert all(len(rows) == 10 for rows in sheets[:-1])
    assert [row[0] for rows in sheets for row in rows[1:]] == expected


def test_a_cell_of_a_workbook_is_never_longer_than_office_opens(in_acme):
    event(details={"text": "🦆" * 40_000})
    event(details={"text": "x" * 32_700})

    sheet = openpyxl.load_workbook(io.BytesIO(written("xlsx", columns=("details",)))).active

    *_, cut, whole = [row[0] for row in sheet.iter_rows(values_only=True)]
    assert cut.endswith("…")
    assert len(cut.encode("utf-16-le")) // 2 <= 32_767
    assert json.loads(whole) == {"text": "x" * 32_700}


# Parquet


def test_e03_parquet_is_typed_and_exact_for_two_readers(hostile, tmp_path):
    path = tmp_path / "events.parquet"
    path.write_bytes(written("parquet"))
    expected = [
        {
            name: value
            if isinstance(value, datetime | int) or value is None
            else json.loads(json.dumps(value))
            if name in JSON
            else str(value)
            for name, value in zip(COLUMNS, row, strict=True)
        }
        for row in stored()
    ]

    table = parquet.read_table(path)
    rows = table.to_pylist()
    duck = duckdb.connect()
    found = duck.execute(
        f"SELECT * REPLACE (epoch_us(occurred_at) AS occurred_at) FROM '{path}' ORDER BY id"
    ).fetchall()

    assert table.schema.field("occurred_at").type == pyarrow.timestamp("us", "UTC")
    assert table.schema.field("schema_version").type == pyarrow.int16()
    assert table.schema.field("ip").nullable
    assert opened(rows) == expected
    by_duck = [dict(zip(COLUMNS, row, strict=True)) for row in found]
    for row in by_duck:
        row["occurred_at"] = EPOCH + timedelta(microseconds=row["occurred_at"])
    assert opened(by_duck) == expected
    types = duck.execute(f"DESCRIBE SELECT * FROM read_parquet('{path}')").fetchall()
    assert {row[0]: row[1] for row in types}["occurred_at"] == "TIMESTAMP WITH TIME ZONE"


def opened(rows):
    return [row | {name: json.loads(row[name]) for name in JSON} for row in rows]


def test_parquet_has_groups_of_rows(in_acme, monkeypatch):
    monkeypatch.setattr("activity.exporting.parquet._GROUP_BYTES", 1)
    monkeypatch.setattr("activity.exporting.copying._PIECE", 2_000)
    for _ in range(30):
        event()

    file = parquet.ParquetFile(io.BytesIO(written("parquet")))

    assert file.num_row_groups > 3
    assert file.metadata.num_rows == len(stored())


def test_parquet_is_neither_offered_nor_written_where_its_library_is_not(
    browser, acme, ann, recorded, monkeypatch
):
    monkeypatch.setattr("activity.exporting.parquet.find_spec", lambda name: None)
    client = browser(acme, ann)

    with pytest.raises(TenantryError, match=r"requirements/parquet\.txt"):
        format_called("parquet")
    assert offered() == ["csv", "ndjson", "xlsx"]
    assert "export=parquet" not in client.get(EVENTS).text
    assert "export=xlsx" in client.get(EVENTS).text
    assert client.get(EVENTS, {"export": "parquet"}).status_code == 400
    assert recorded(acme, "export.requested") == []


# Any of them


@pytest.mark.parametrize("form", FORMATS)
def test_a_list_without_events_is_a_whole_file(in_acme, form):
    content = written(form, ActivityEvent.objects.none(), ("id", "action"))

    assert ids_of(form, content) == []


@pytest.mark.parametrize("form", FORMATS)
def test_chosen_columns_are_in_the_order_in_which_they_were_chosen(hostile, form):
    content = written(form, columns=("reason", "id"))

    match form:
        case "csv":
            head = content.decode().removeprefix("\ufeff").splitlines()[0].split(",")
        case "ndjson":
            head = list(json.loads(content.splitlines()[0]))
        case "xlsx":
            sheet = openpyxl.load_workbook(io.BytesIO(content)).active
            head = [cell.value for cell in sheet[1]]
        case "parquet":
            head = parquet.read_schema(io.BytesIO(content)).names
    assert head == ["reason", "id"]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_compressed_file_holds_the_same(hostile, form, name):
    small = written(form, compression=COMPRESSIONS[name])

    assert small == written(form, compression=COMPRESSIONS[name]), "equal rows make equal files"
    assert len(small) < len(written(form))
    assert unpacked(name, small) == written(form)


def unpacked(name, content):
    """What a program of somebody else's makes of it."""
    stream = pyarrow.CompressedInputStream(pyarrow.BufferReader(content), name)
    return stream.read()


def test_what_is_compressed_already_is_not_compressed_again(browser, acme, ann, recorded):
    for address in (EVENTS, "/admin/reports/sign-ins/"):
        for query in (
            {"export": "xlsx", "compress": "gzip"},
            {"export": "csv", "compress": "lzma"},
        ):
            assert browser(acme, ann).get(address, query).status_code == 400
    assert recorded(acme, "export.requested") == []


def test_a_compressed_download_says_what_it_is(browser, acme, ann):
    response = browser(acme, ann).get(EVENTS, {"export": "csv", "compress": "gzip"})

    assert response["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in response
    assert response["Content-Disposition"].endswith('.csv.gz"')
    assert unpacked("gzip", b"".join(response)).startswith(b"\xef\xbb\xbfid,")


def test_a_column_that_there_is_not_is_refused(browser, acme, ann, recorded):
    for columns in ("salt", "id,actor_salt", "id,id", "id;drop"):
        response = browser(acme, ann).get(EVENTS, {"export": "csv", "columns": columns})
        assert response.status_code == 400, columns
    assert recorded(acme, "export.requested") == []


# Reports


REPORT = [
    (date(2026, 1, 31), '=cmd|"/c calc"!A1', 7, None),
    (date(2026, 2, 1), "two\nlines\t<&>_x0041_\x01", -7, datetime(2026, 2, 1, 12, tzinfo=UTC)),
]


def report(form, rows):
    return b"".join(FORMATS[form].write(("day", "by", "changes", "seen"), rows))


def test_a_report_is_a_workbook_with_types():
    sheet = openpyxl.load_workbook(io.BytesIO(report("xlsx", REPORT))).active

    head, first, second = sheet.iter_rows()

    assert [cell.value for cell in head] == ["day", "by", "changes", "seen"]
    assert first[0].value == datetime(2026, 1, 31)  # noqa: DTZ001 (sheets know no zones)
    assert first[0].number_format.replace("\\", "") == "yyyy-mm-dd"
    assert (first[1].value, first[1].data_type) == ('=cmd|"/c calc"!A1', "s")
    assert (first[2].value, first[3].value) == (7, None)
    assert second[1].value == "two\nlines\t<&>_x005F_x0041_"
    assert second[3].value == datetime(2026, 2, 1, 12)  # noqa: DTZ001


def test_a_report_is_parquet_with_types():
    table = parquet.read_table(io.BytesIO(report("parquet", REPORT)))

    assert table.schema.field("day").type == pyarrow.date32()
    assert table.schema.field("changes").type == pyarrow.int64()
    assert [tuple(row.values()) for row in table.to_pylist()] == REPORT


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_without_rows_is_a_whole_file(form):
    content = report(form, [])

    if form == "xlsx":
        assert openpyxl.load_workbook(io.BytesIO(content)).active.max_row == 1
    if form == "parquet":
        assert parquet.read_table(io.BytesIO(content)).num_rows == 0
    assert content.startswith(
        {"csv": b"\xef\xbb\xbfday", "xlsx": b"PK", "parquet": b"PAR1"}.get(form, b"")
    )


def test_no_export_twice_compressed_can_be_made():
    with pytest.raises(InvalidInput, match="xlsx is compressed already"):
        Export(
            source=of_events(None, COLUMNS, {}),
            format=FORMATS["xlsx"],
            compression=COMPRESSIONS["zstd"],
        )
