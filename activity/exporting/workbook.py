"""XLSX, written while it is read: a workbook of any size at constant memory, into a stream.

The least of Office Open XML (ECMA-376) that holds typed cells. Text is text by type and by format,
so nothing computes, not even after somebody has edited the cell, and no apostrophe is needed.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import IO, Any, Final, cast
from xml.sax.saxutils import escape

from django.db import models

from activity.exporting.cells import safe_cell
from activity.exporting.copying import Rows
from activity.exporting.sinks import Sink
from activity.exporting.statements import kind_of

MOST_ROWS: Final = 1_048_576
"""Rows that a sheet holds, its head among them."""

_MOST_BYTES: Final = 3 << 30
"""Of a sheet before compression: what is below 4 GiB needs no Zip64, which not all can read."""

_BEFORE_1900: Final = datetime(1899, 12, 30, tzinfo=UTC)
_TEXT, _MOMENT, _DAY = 1, 2, 3
"""The formats of ``_STYLES``."""

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SHEETS: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"

_STYLES: Final = (
    f'{_HEAD}<styleSheet xmlns="{_SHEETS}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd&quot;T&quot;hh:mm:ss.000&quot;Z&quot;"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
_ROOT_LINKS: Final = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
    f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
_SHEET_BEGIN: Final = (
    f'{_HEAD}<worksheet xmlns="{_SHEETS}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    "</sheetView></sheetViews><sheetData>"
)
_SHEET_END: Final = b"</sheetData></worksheet>"

# Inline, because a table of shared strings would have to be kept until the end.
_TEXT_BEGIN: Final = f'<c t="inlineStr" s="{_TEXT}"><is><t xml:space="preserve">'.encode()
_TEXT_END: Final = b"</t></is></c>"
_NO_TEXT: Final = _TEXT_BEGIN + _TEXT_END

# What XML 1.0 cannot hold. Tabs and line feeds are what COPY puts between cells and rows.
_NO_XML: Final = bytes(set(range(0x20)) - set(b"\t\n"))
_NOT_CHARACTERS: Final = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")
# How Office writes a character that XML cannot hold, so text that looks like it is marked.
_LOOKS_ESCAPED: Final = re.compile(rb"_(?=x[0-9A-Fa-f]{4}_)")
# What COPY writes with a backslash. A real backslash waits as a character that is not there.
_COPY_ESCAPES: Final = (
    (rb"\\", b"\x01"),
    (rb"\n", b"&#10;"),
    (rb"\r", b"&#13;"),
    (rb"\t", b"&#9;"),
    (rb"\b", b""),
    (rb"\f", b""),
    (rb"\v", b""),
    (b"\x01", b"\\"),
)


class _Workbook:
    """A zip of sheets that grows by rows."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.sink = Sink()
        # A stream is all that zipfile needs for writing.
        stream = cast(IO[bytes], self.sink)
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._head = _row(columns)
        self._sheets = 0
        self._sheet: IO[bytes] | None = None
        self._rows = self._bytes = 0

    def add(self, rows: list[bytes]) -> None:
        """Add rows, to as many sheets as they need."""
        while rows:
            if self._sheet is None or self._rows >= MOST_ROWS or self._bytes >= _MOST_BYTES:
                self._next_sheet()
            assert self._sheet is not None
            room = MOST_ROWS - self._rows
            content = b"".join(rows[:room])
            self._sheet.write(content)
            self._rows += min(room, len(rows))
            self._bytes += len(content)
            rows = rows[room:]

    def _next_sheet(self) -> None:
        self._end_sheet()
        self._sheets += 1
        self._sheet = self._zip.open(_entry(f"xl/worksheets/sheet{self._sheets}.xml"), "w")
        self._sheet.write(_SHEET_BEGIN.encode() + self._head)
        self._rows, self._bytes = 1, 0

    def _end_sheet(self) -> None:
        if self._sheet is not None:
            self._sheet.write(_SHEET_END)
            self._sheet.close()
            self._sheet = None

    def end(self) -> None:
        """Write what names the sheets. A workbook has one at least."""
        if not self._sheets:
            self._next_sheet()
        self._end_sheet()
        numbers = range(1, self._sheets + 1)
        members = {
            "xl/styles.xml": _STYLES,
            "xl/workbook.xml": _names(numbers),
            "xl/_rels/workbook.xml.rels": _links(numbers),
            "_rels/.rels": _ROOT_LINKS,
            "[Content_Types].xml": _kinds(numbers),
        }
        for name, content in members.items():
            self._zip.writestr(_entry(name), content, zipfile.ZIP_DEFLATED)
        self._zip.close()


def _entry(name: str) -> zipfile.ZipInfo:
    # Of no day: equal rows make equal files.
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry._compresslevel = 1  # type: ignore[attr-defined]  # what writestr() sets itself
    return entry


def _names(numbers: Iterable[int]) -> str:
    sheets = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    return (
        f'{_HEAD}<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets>'
        "</workbook>"
    )


def _links(numbers: Sequence[int]) -> str:
    sheets = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    return (
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{sheets}'
        f'<Relationship Id="rId{len(numbers) + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>"
    )


def _kinds(numbers: Iterable[int]) -> str:
    sheets = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_KIND}.worksheet+xml"/>'
        for n in numbers
    )
    return (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
        f'{sheets}<Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/></Types>'
    )


def of_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield a workbook of values."""
    return _written(columns, ([_row(row)] for row in rows))


def of_copy(columns: Sequence[str], pieces: Iterable[Rows]) -> Iterator[bytes]:
    """Yield a workbook of rows that ``statements.sheet`` asked for."""
    template = _template(columns)
    return _written(columns, (_translated(b"".join(piece), template) for piece in pieces))


def _written(columns: Sequence[str], pieces: Iterable[list[bytes]]) -> Iterator[bytes]:
    workbook = _Workbook(columns)
    for rows in pieces:
        workbook.add(rows)
        if piece := workbook.sink.taken():
            yield piece
    workbook.end()
    yield workbook.sink.taken()


def _template(columns: Sequence[str]) -> bytes:
    """Return what a row looks like, with a place for each cell."""
    cells: dict[Any, bytes] = {
        models.DateTimeField: f'<c s="{_MOMENT}"><v>%s</v></c>'.encode(),
        models.PositiveSmallIntegerField: b"<c><v>%s</v></c>",
    }
    text = _TEXT_BEGIN + b"%s" + _TEXT_END
    return b"<row>" + b"".join(cells.get(kind_of(name), text) for name in columns) + b"</row>"


def _translated(text: bytes, template: bytes) -> list[bytes]:
    """Return the rows of ``COPY``'s text as rows of a sheet."""
    text = text.translate(None, _NO_XML)
    for old, new in ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;")):
        text = text.replace(old, new)
    for gone in _NOT_CHARACTERS:
        text = text.replace(gone, b"")
    if b"_x" in text:
        text = _LOOKS_ESCAPED.sub(b"_x005F_", text)
    unescape = _unescaped if b"\\" in text else _same
    return [
        unescape(template % tuple(row.split(b"\t"))).replace(_NO_TEXT, b"<c/>")
        for row in text.split(b"\n")[:-1]
    ]


def _same(row: bytes) -> bytes:
    return row


def _unescaped(row: bytes) -> bytes:
    if b"\\" in row:
        for old, new in _COPY_ESCAPES:
            row = row.replace(old, new)
    return row


def _row(values: Sequence[Any]) -> bytes:
    return b"<row>" + b"".join(map(_cell, values)) + b"</row>"


def _cell(value: Any) -> bytes:
    match value:
        case None | "":
            return b"<c/>"
        case bool():
            return b'<c t="b"><v>%d</v></c>' % value
        case int() | float():
            return f"<c><v>{value}</v></c>".encode()
        case datetime():
            return _number((value - _BEFORE_1900).total_seconds() / 86_400, _MOMENT)
        case date():
            return _number((value - _BEFORE_1900.date()).days, _DAY)
    return _TEXT_BEGIN + _text(value) + _TEXT_END


def _number(value: float, style: int) -> bytes:
    return f'<c s="{style}"><v>{value}</v></c>'.encode()


def _text(value: Any) -> bytes:
    text = value if isinstance(value, str) else str(safe_cell(value))
    content = escape(text).encode("utf-8", "replace")
    for gone in _NOT_CHARACTERS:
        content = content.replace(gone, b"")
    content = content.replace(b"\t", b"&#9;").replace(b"\n", b"&#10;").replace(b"\r", b"&#13;")
    return _LOOKS_ESCAPED.sub(b"_x005F_", content.translate(None, _NO_XML))
