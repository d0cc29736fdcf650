"""Rows of an export as XLSX, in constant memory and without a temporary file.

Only the rows' XML is written here, because XlsxWriter cannot say anything before it has seen the last row. Everything
else in the file (styles, the list of sheets, frozen panes, filters) is what it makes for sheets of that size.
"""

import csv
import html
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import xlsxwriter

from ticketcore.columns import Column, Kind
from ticketcore.sink import Sink

SHEET_ROWS = 1_048_575
"""Rows that a sheet holds beside its header."""

CELL_LENGTH = 32_767
"""UTF-16 units that a cell holds."""

CUT = " … [cut here: a cell holds no more]"

OPTIONS = "format csv"
"""How COPY has to write the rows."""

_ILLEGAL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML does not have; U+FFFD stands for them."""

_LOOKS_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""Begins what a spreadsheet takes for an escaped character: `_x0041_` would be read as the letter A."""

_WIDTHS = {Kind.TEXT: 40, Kind.MOMENT: 19}
_LEVEL = 1
"""Of compression; the next ones take twice the time for a tenth of the size."""

_DAY_ZERO = datetime(1899, 12, 30, tzinfo=UTC)


def _number(value: str) -> str:
    return f"<c><v>{value}</v></c>"


def _truth(value: str) -> str:
    return f'<c t="b"><v>{int(value == "t")}</v></c>'


def _moment(value: str) -> str:
    days = (datetime.fromisoformat(value) - _DAY_ZERO) / timedelta(days=1)
    return f'<c s="1"><v>{days:.8f}</v></c>'  # milliseconds are all that a spreadsheet keeps


def _text(value: str) -> str:
    if len(value) > CELL_LENGTH // 2 and len(value.encode("utf-16-le")) // 2 > CELL_LENGTH:
        value = value[: CELL_LENGTH // 2 - len(CUT)] + CUT
    written = _ILLEGAL.sub("\ufffd", value)
    written = _LOOKS_ESCAPED.sub("_x005F_", written) if "_x" in written else written
    written = html.escape(written, quote=False).replace("\r", "&#13;")
    return f'<c t="inlineStr"><is><t xml:space="preserve">{written}</t></is></c>'


_CELLS: dict[Kind, Callable[[str], str]] = {
    Kind.INTEGER: _number,
    Kind.DECIMAL: _number,
    Kind.BOOLEAN: _truth,
    Kind.MOMENT: _moment,
    Kind.TEXT: _text,
    Kind.WORD: _text,
}


def _rows(columns: Sequence[Column], copied: Sequence[bytes]) -> bytes:
    """The XML of the rows."""
    cells = [_CELLS[column.kind] for column in columns]
    lines = (line or [""] for line in csv.reader(row.decode() for row in copied))  # one empty cell is read as none
    return "".join(
        f"<row>{''.join(cell(value) if value else '<c/>' for cell, value in zip(cells, line, strict=True))}</row>"
        for line in lines
    ).encode()


def chunks(columns: Sequence[Column], batches: Iterator[list[bytes]], *, now: datetime) -> Iterator[bytes]:
    """The file, piece by piece; `batches` are rows as `OPTIONS` makes COPY write them, `now` is when it is made."""
    sink = Sink()
    rows = _Rows(batches)
    heights: list[int] = []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        while not heights or rows.go_on():
            heights.append(0)
            place = f"xl/worksheets/sheet{len(heights)}.xml"
            begin, _ = _frame(columns, heights, now)[place].split(_END_OF_ROWS)
            entry = zipfile.ZipInfo(place, now.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as sheet:
                sheet.write(_DIMENSION.sub(b"", begin))
                yield sink.take()
                while heights[-1] < SHEET_ROWS and rows.go_on():
                    fitting = rows.take(SHEET_ROWS - heights[-1])
                    heights[-1] += len(fitting)
                    sheet.write(_rows(columns, fitting))
                    yield sink.take()
                _, end = _frame(columns, heights, now)[place].split(_END_OF_ROWS)
                sheet.write(_END_OF_ROWS + end)
        for place, content in _frame(columns, heights, now).items():
            if not place.startswith("xl/worksheets/"):
                archive.writestr(zipfile.ZipInfo(place, now.timetuple()[:6]), content)
    yield sink.take()


_END_OF_ROWS = b"</sheetData>"
_DIMENSION = re.compile(rb"<dimension [^>]*/>")


class _Rows:
    """Rows out of batches, as many at a time as there is room for."""

    def __init__(self, batches: Iterator[list[bytes]]) -> None:
        self._batches = batches
        self._waiting: list[bytes] = []

    def go_on(self) -> bool:
        """Whether there are more."""
        self._waiting = self._waiting or next(self._batches, [])
        return bool(self._waiting)

    def take(self, room: int) -> list[bytes]:
        taken, self._waiting = self._waiting[:room], self._waiting[room:]
        return taken


def _frame(columns: Sequence[Column], heights: Sequence[int], now: datetime) -> dict[str, bytes]:
    """The files in an XLSX with sheets of so many rows beside their headers, but without the rows."""
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        book.set_properties({"created": now.replace(tzinfo=None)})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})  # the first format: style 1
        bold = book.add_format({"bold": True})
        for number, height in enumerate(heights, start=1):
            sheet = book.add_worksheet("Tickets" if number == 1 else f"Tickets {number}")
            for place, column in enumerate(columns):
                style = moment if column.kind is Kind.MOMENT else None
                sheet.set_column(place, place, _WIDTHS.get(column.kind, 12), style)
            sheet.write_row(0, 0, [column.name for column in columns], bold)
            sheet.freeze_panes(1, 0)
            sheet.autofilter(0, 0, height, len(columns) - 1)
    with zipfile.ZipFile(made) as archive:
        return {place: archive.read(place) for place in archive.namelist()}
