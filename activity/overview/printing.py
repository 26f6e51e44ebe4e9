"""Sheets of paper, as PDF: text of any script, boxes and charts.

The library is loaded when the first sheet is printed, since most processes print none. What is
printed of equal data is equal, byte for byte.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from activity.overview.charts import HEIGHT, WIDTH, Chart
from activity.text import one_line

FONTS: Final = Path(__file__).parent / "fonts"
_FAMILY: Final = "DejaVu"
_LONGEST: Final = 400

INK: Final = (22, 33, 31)
SOFT: Final = (82, 96, 93)
LINE: Final = (190, 200, 197)
MARK: Final = (52, 133, 130)
BEFORE: Final = (180, 83, 9)
BAD: Final = (163, 38, 27)
GOOD: Final = (20, 96, 58)

_MARGIN: Final = 15.0


class Sheets:
    """A4 pages that are filled from the top; the next begins by itself.

    All measures are in millimetres, sizes of type in points.
    """

    def __init__(self, title: str, footer: str, made_at: datetime) -> None:
        self._pdf = self._paper(footer)
        # Otherwise whoever is called {nb} is printed as the number of pages.
        self._pdf.alias_nb_pages(None)
        self._pdf.set_creation_date(made_at)
        self._pdf.set_lang("en-GB")
        self._pdf.set_margins(_MARGIN, _MARGIN)
        self._pdf.c_margin = 0
        self._pdf.set_auto_page_break(True, margin=18)
        for style, file in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            self._pdf.add_font(_FAMILY, style, FONTS / file)
        # Joins Arabic letters, and orders what is written from right to left.
        self._pdf.set_text_shaping(True)
        self._glyphs = [set(font.cmap) for font in self._pdf.fonts.values()]
        self.has_replaced = False
        self._pdf.set_title(self.printable(title))
        self._pdf.add_page()

    def _paper(self, footer: str) -> Any:
        from fpdf import FPDF

        sheets = self

        class Paper(FPDF):
            def footer(self) -> None:
                sheets._footer(footer)

        return Paper(format="A4")

    @property
    def width(self) -> float:
        """How wide what is printed can be."""
        return float(self._pdf.epw)

    def printable(self, text: str) -> str:
        """Return ``text`` with what the fonts lack as its code: a backslash, a ``u``, its number.

        So nothing is left out unseen, and two names that differ stay different.
        """
        shown = []
        for character in one_line(text, _LONGEST):
            if all(ord(character) in glyphs for glyphs in self._glyphs):
                shown.append(character)
            else:
                self.has_replaced = True
                code = ord(character)
                shown.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
        return "".join(shown)

    def text(
        self,
        text: str,
        size: float = 9,
        *,
        bold: bool = False,
        color: tuple[int, int, int] = INK,
        gap: float = 0,
    ) -> None:
        """Print a paragraph, and leave a gap below it."""
        self._type(size, bold=bold, color=color)
        self._pdf.multi_cell(
            0, size * 0.5, self.printable(text), align="L", new_x="LMARGIN", new_y="NEXT"
        )
        self._pdf.ln(gap)

    def heading(self, text: str) -> None:
        """Print what the next part is called, together with the beginning of that part."""
        self.keep(24)
        self._pdf.ln(4)
        self.text(text, 12, bold=True, gap=1.5)

    def keep(self, height: float) -> None:
        """Begin a new page unless there is so much room."""
        if self._pdf.will_page_break(height):
            self._pdf.add_page()

    def boxes(self, boxes: Sequence[tuple[str, str, str, bool]]) -> None:
        """Print numbers side by side: each a title, the number, what it is compared with."""
        height, gap = 26.0, 4.0
        width = (self.width - gap * (len(boxes) - 1)) / len(boxes)
        self.keep(height)
        top = self._pdf.get_y()
        for place, (title, number, below, is_bad) in enumerate(boxes):
            left = _MARGIN + place * (width + gap)
            self._pdf.set_draw_color(*(BAD if is_bad else LINE))
            self._pdf.rect(left, top, width, height)
            for y, text, size, bold, color in (
                (2.0, title, 7.5, True, INK),
                (9.5, number, 15.0, True, BAD if is_bad else INK),
                (17.5, below, 7.0, False, SOFT),
            ):
                self._type(size, bold=bold, color=color)
                self._pdf.set_xy(left + 2, top + y)
                self._pdf.multi_cell(width - 4, size * 0.45, self.printable(text), align="L")
        self._pdf.set_xy(_MARGIN, top + height + 4)

    def charts(self, charts: Sequence[Chart]) -> None:
        """Print charts, two side by side."""
        gap, height = 8.0, 46.0
        width = (self.width - gap) / 2
        for row in range(0, len(charts), 2):
            self.keep(height)
            top = self._pdf.get_y()
            for place, chart in enumerate(charts[row : row + 2]):
                self._chart(chart, _MARGIN + place * (width + gap), top, width)
            self._pdf.set_xy(_MARGIN, top + height)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table, whose first column is text and the others numbers."""
        width = self.width / len(head)
        for number, row in enumerate((head, *rows)):
            if self._pdf.will_page_break(5) and number:
                self._pdf.add_page()
                self._row(head, width, bold=True)
            self._row(row, width, bold=number == 0)
        self._pdf.ln(2)

    def finished(self) -> bytes:
        """Return the file."""
        return bytes(self._pdf.output())

    def _row(self, row: Sequence[str], width: float, *, bold: bool) -> None:
        self._type(8, bold=bold)
        self._pdf.set_draw_color(*LINE)
        for place, cell in enumerate(row):
            self._pdf.cell(width, 5, self.printable(cell), border="B", align="R" if place else "L")
        self._pdf.ln(5)

    def _chart(self, chart: Chart, left: float, top: float, width: float) -> None:
        self._label(left, top, width, chart.title, size=9, bold=True)
        if chart.is_empty:
            self._type(8, color=SOFT)
            self._pdf.set_xy(left, top + 14)
            self._pdf.multi_cell(width, 4, self.printable(chart.empty), align="C")
            return
        axis, high = 9.0, 28.0
        plot, base = left + axis, top + 8
        across, down = (width - axis) / WIDTH, high / HEIGHT
        self._pdf.set_line_width(0.1)
        for tick in chart.ticks:
            y = base + high - high * tick / chart.ticks[-1]
            self._pdf.set_draw_color(*(SOFT if tick == 0 else LINE))
            self._pdf.line(plot, y, left + width, y)
            self._label(left, y - 1.5, axis - 1.5, f"{tick:,}", align="R")
        self._marks(chart, plot, base, across, down)
        for place, end in enumerate(chart.ends):
            align = "L" if place == 0 else "R" if end == chart.ends[-1] else "C"
            self._label(plot, base + high + 1, width - axis, end, align=align)

    def _marks(self, chart: Chart, plot: float, base: float, across: float, down: float) -> None:
        def points(line: str) -> list[tuple[float, float]]:
            pairs = (point.split(",") for point in line.split())
            return [(plot + float(x) * across, base + float(y) * down) for x, y in pairs]

        self._pdf.set_fill_color(*MARK)
        if chart.line:
            self._pdf.set_line_width(0.4)
            self._pdf.set_draw_color(*MARK)
            self._pdf.polyline(points(chart.line))
        else:
            for bar in chart.bars:
                self._pdf.rect(
                    plot + float(bar.x) * across,
                    base + float(bar.y) * down,
                    float(bar.width) * across,
                    float(bar.height) * down,
                    style="F",
                )
        if chart.line_before:
            self._pdf.set_line_width(0.3)
            self._pdf.set_draw_color(*BEFORE)
            self._pdf.set_dash_pattern(dash=1, gap=0.8)
            self._pdf.polyline(points(chart.line_before))
            self._pdf.set_dash_pattern()
        self._pdf.set_line_width(0.2)

    def _label(
        self,
        left: float,
        top: float,
        width: float,
        text: str,
        *,
        size: float = 6.5,
        bold: bool = False,
        align: str = "L",
    ) -> None:
        self._type(size, bold=bold, color=INK if bold else SOFT)
        self._pdf.set_xy(left, top)
        self._pdf.cell(width, size * 0.45, self.printable(text), align=align)

    def _footer(self, text: str) -> None:
        self._pdf.set_y(-12)
        self._type(7, color=SOFT)
        self._pdf.cell(self.width * 0.85, 4, self.printable(text))
        self._pdf.cell(0, 4, f"page {self._pdf.page_no()}", align="R")

    def _type(self, size: float, *, bold: bool = False, color: tuple[int, int, int] = INK) -> None:
        self._pdf.set_font(_FAMILY, "B" if bold else "", size)
        self._pdf.set_text_color(*color)
