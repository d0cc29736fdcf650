"""Tickets as files of any size: CSV, XLSX, Parquet and JSON Lines, streamed while PostgreSQL reads them.

The rows are those of the filter, in the order asked for, all as of one moment. Only what the reader has not taken
yet is held. Breaking off the reading ends the query.
"""

import contextlib
import enum
import re
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ticketcore import parquet, spreadsheet
from ticketcore.columns import Column, Kind
from ticketcore.copying import CopyOut
from ticketcore.database import Database
from ticketcore.filters import Sort, TicketFilter
from ticketcore.listing import order
from ticketcore.schema import tickets

SIGNATURE = b"\xef\xbb\xbf"
"""Tells Excel that a CSV file is UTF-8."""


class Format(enum.StrEnum):
    """What an export is written as."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"
    JSONL = "jsonl"


MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.JSONL: "application/x-ndjson",
}


class Export:
    """An export under way: `chunks()` is the file, `rows` how far it is, `total` how many rows it will have.

    `total` is None under a search, where counting would take as long as the export.
    """

    def __init__(
        self, db: Database, matching: TicketFilter, columns: Sequence[Column], format: Format, sort: Sort,
        *, signature: bool, zone: ZoneInfo, now: datetime,
    ) -> None:  # fmt: skip
        self.rows = 0
        self.state = "running"
        """Then `done`, or `broken`."""
        self._columns, self._format, self._signature, self._now = columns, format, signature, now
        self._copy, self.total = db.aside(lambda there: _begun(there, matching))
        self.media_type = MEDIA_TYPES[format]
        self.name = _file_name(matching.describe(zone), f"{now.astimezone(zone):%Y-%m-%d}", self.total, format)
        self._query = _query(matching, columns, format, sort).params(now=now)

    def chunks(self) -> Generator[bytes]:
        """The file, piece by piece, once; closing it ends the export.

        Raises:
            DatabaseUnavailable: the database went away; what was read is not complete.
        """
        copied = self._copy.batches(self._query, OPTIONS[self._format])
        batches = self._counted(copied)
        with contextlib.closing(self), contextlib.closing(copied):
            match self._format:
                case Format.PARQUET:
                    yield from parquet.chunks(self._columns, batches)
                case Format.XLSX:
                    yield from spreadsheet.chunks(self._columns, batches, now=self._now)
                case Format.CSV:
                    header = ",".join(column.name for column in self._columns) + "\n"
                    yield SIGNATURE * self._signature + header.encode()
                    yield from map(b"".join, batches)
                case Format.JSONL:
                    yield from map(b"".join, batches)
            self.state = "done"

    def close(self) -> None:
        """Ends the export, however far it is; may be called more than once."""
        self._copy.close()
        if self.state != "done":
            self.state = "broken"

    def cancel(self) -> None:
        """Ends the query alone: for a process that is about to end."""
        self._copy.cancel()

    def _counted(self, batches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
        for batch in batches:
            self.rows += len(batch)
            yield batch


def _begun(db: Database, matching: TicketFilter) -> tuple[CopyOut, int | None]:
    """A copy from one snapshot, and how many tickets match in it."""
    copy = CopyOut(db)
    if matching.search:
        return copy, None
    return copy, copy.scalar(sa.select(sa.func.count()).select_from(tickets).where(*matching.where()))


OPTIONS = {
    Format.CSV: "format csv",
    Format.XLSX: spreadsheet.OPTIONS,
    Format.PARQUET: parquet.OPTIONS,
    # As it is: in JSON neither character occurs unescaped.
    Format.JSONL: r"format csv, quote E'\x01', delimiter E'\x02'",
}


def _query(matching: TicketFilter, columns: Sequence[Column], format: Format, sort: Sort) -> sa.Select[Any]:
    match format:
        case Format.CSV:
            selected = [_harmless(column).label(column.name) for column in columns]
            if len(columns) == 1:  # an empty line would be skipped by whoever reads the file; this is written as ""
                selected = [sa.func.coalesce(sa.cast(selected[0], sa.Text), "").label(columns[0].name)]
        case Format.XLSX | Format.PARQUET:
            selected = [column.value.label(column.name) for column in columns]
        case Format.JSONL:
            selected = [_json_value(column).label(column.name) for column in columns]
    rows = sa.select(*selected).select_from(tickets).where(*matching.where()).order_by(*order(sort))
    if format is Format.JSONL:
        return sa.select(sa.func.row_to_json(sa.literal_column("line"))).select_from(rows.subquery("line"))
    return rows


def _harmless(column: Column) -> sa.ColumnElement[Any]:
    """The value, with a quote before a text that a spreadsheet would run as a formula.

    After OWASP, "CSV Injection". Quotes that precede such a text are quoted too, so that taking one away from each
    gives back what was there.
    """
    if column.kind is not Kind.TEXT and column.name != "suggestion_source":
        return column.value
    first = sa.func.ascii(column.value).in_([ord(character) for character in "'=+-@\t\r"])  # cheap, and mostly false
    dangerous = first & column.value.regexp_match("^'*[=+@\t\r-]")
    return sa.case((dangerous, sa.literal("'") + column.value), else_=column.value)


def _json_value(column: Column) -> sa.ColumnElement[Any]:
    if column.kind is Kind.MOMENT:
        return sa.func.to_char(sa.func.timezone("UTC", column.value), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    return column.value


def _file_name(what: str, day: str, total: int | None, format: Format) -> str:
    """`open-critical-tickets_2026-11-24_12-rows.csv`."""
    words = re.sub(r"\W+", "-", what).strip("-").lower()[:80]
    rows = [] if total is None else ["1-row" if total == 1 else f"{total}-rows"]
    return "_".join([words, day, *rows]) + f".{format}"
