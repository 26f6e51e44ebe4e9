"""Files of a job, opened by the programs that people open them with: every row, and no formula."""

import csv
import datetime
import json
import shutil
import subprocess

import duckdb
import openpyxl
import pyarrow.parquet
import pytest

from activity.events import COLUMNS
from activity.jobs import keeping
from activity.models import ActivityEvent
from activity.recording import record
from tenants.context import enter_tenant
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import made

pytestmark = pytest.mark.usefixtures("exports_of_its_own")

SOFFICE = shutil.which("soffice")
HOSTILE = [
    '=HYPERLINK("http://evil.example","x")',
    "+1+1",
    "-1+1",
    "@SUM(1,1)",
    "\t=1+1",
    " =1+1",
    "＝1+1",
    "‎=1+1",
    "2026-01-02",
    "00123",
    "1e5",
    "+49 30 123456",
    'a "quoted", comma',
    "ünïcödé 😀",
]


@pytest.fixture
def whole(acme, ann, tmp_path):
    """Return what makes the file of a job, as it is saved, beside the events that are in it."""
    with enter_tenant(acme):
        for text in HOSTILE:
            record("session.started", reason=text)

    def make(form):
        job = made(acme, ann, form, q="action:session.started")
        path = tmp_path / f"saved.{form}"
        with enter_tenant(acme):
            with keeping.opened(job) as file:
                path.write_bytes(file.read())
            with keeping.opened(job, job.file.replace(f".{form}", ".manifest.json")) as file:
                manifest = json.load(file)
            listed = ActivityEvent.objects.filter(action="session.started").order_by("id")
            rows = list(listed.values_list("id", "reason"))
        assert manifest["rows"] == len(rows)
        return path, rows

    return make


def converted(path, form, *more):
    """The file as LibreOffice saves it in another form."""
    folder = path.parent / "converted"
    ran = subprocess.run(
        [
            *(SOFFICE, "--headless", "--norestore", f"-env:UserInstallation=file://{folder}/home"),
            *("--convert-to", form, "--outdir", str(folder), *more, str(path)),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert "Error" not in ran.stderr, ran.stderr
    return folder / f"{path.stem}.{form.partition(':')[0]}"


def column(rows, name):
    position = list(rows[0]).index(name)
    return [row[position] for row in rows[1:]]


@pytest.mark.skipif(not SOFFICE, reason="LibreOffice is not installed")
def test_e01_libreoffice_opens_the_csv_with_every_row_and_computes_nothing(whole):
    path, rows = whole("csv")
    # Comma, double quote, UTF-8; cells are recognised as a double click would have it.
    book = openpyxl.load_workbook(
        converted(path, "xlsx", "--infilter=CSV:44,34,76,1,,0,false,true")
    )
    found = list(book.active.iter_rows(values_only=True))

    assert column(found, "id") == [str(key) for key, _ in rows]
    assert not [cell for row in book.active.iter_rows() for cell in row if cell.data_type == "f"]
    shown = column(found, "reason")
    hostile = [reason for _, reason in rows if reason][:8]
    assert len(hostile) == 8
    for text in hostile:
        # As text, with the apostrophe that keeps it one.
        assert any(isinstance(one, str) and one.lstrip("'") == text for one in shown), text
    assert "ünïcödé 😀" in shown


@pytest.mark.skipif(not SOFFICE, reason="LibreOffice is not installed")
def test_e03_libreoffice_opens_the_workbook_and_finds_texts_and_moments(whole):
    path, rows = whole("xlsx")
    text = converted(path, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false")
    with text.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))

    assert column(found, "id") == [str(key) for key, _ in rows]
    assert column(found, "reason") == [reason for _, reason in rows]
    assert list(found[0]) == list(COLUMNS)


def test_python_reads_the_workbook_back(whole):
    path, rows = whole("xlsx")
    found = list(openpyxl.load_workbook(path).active.iter_rows(values_only=True))
    assert column(found, "id") == [str(key) for key, _ in rows]
    assert [one or "" for one in column(found, "reason")] == [reason for _, reason in rows]
    assert all(isinstance(one, datetime.datetime) for one in column(found, "occurred_at"))


def test_duckdb_and_pyarrow_read_the_parquet_with_its_types(whole):
    path, rows = whole("parquet")
    wanted = [(str(key), reason) for key, reason in rows]
    asked = f"SELECT id::varchar, reason FROM read_parquet('{path}') ORDER BY id"
    with duckdb.connect() as database:
        assert database.execute(asked).fetchall() == wanted
        kinds = dict(
            database.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()[1][:2] for _ in [0]
        )
    assert "TIMESTAMP" in kinds["occurred_at"]
    table = pyarrow.parquet.read_table(path)
    assert table.num_rows == len(rows)
    assert table.column("reason").to_pylist() == [reason for _, reason in rows]
