"""The rows of a file: what stands under which name, and in which line it begins.

Knows files, not rules: whether a value is a good one is for `models.py` to say. Holds one row at a time.
"""

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any, NamedTuple

from ticketcore.errors import InvalidInput
from ticketcore.importer.lines import LONGEST, Lines, TooLong
from ticketcore.models import ImportedTicket

FIELDS = tuple(ImportedTicket.model_fields)
REQUIRED = tuple(name for name, field in ImportedTicket.model_fields.items() if field.is_required())
DERIVED = frozenset({"id", "duplicate_of", "updated_at", "version", "resolution_hours", "age_hours", "reopened"})
"""Columns of our own export that the desk assigns or works out by itself."""

DELIMITERS = ",;\t"
NAMED = 100
"""So many ignored columns are named: every line of JSON may bring others."""

ROW = "row"
"""What stands in the place of a field's name where the whole row is at fault."""

NOT_UTF_8 = "is not valid UTF-8"

_GUARDED = re.compile(r"'+[=+\-@\t\r]")
"""Text in front of which our export put a quote, so that no spreadsheet takes it for a formula."""

_FAULTS = {
    "expected after": "has text behind a closing quote",
    "unexpected end": "has a quote that is never closed",
    "new-line character": "has a carriage return outside of quotes",
}
"""What is wrong with a row, by what `csv` says of it. That a cell is too long is none of these."""


class Row(NamedTuple):
    """What a file says of one ticket."""

    line: int
    """The line in which it begins; the first of the file is 1."""
    values: dict[str, Any] | None
    """By the names of our fields, without what is not given; None if they cannot be told."""
    errors: dict[str, str]
    """What is wrong with it as a piece of the file, by field."""


class Rows:
    """The rows of a file, once through; `names` has the file's names of our fields where they differ.

    Raises:
        InvalidInput: the file lacks a column that is required or named, or is no such file at all. JSON Lines
            show that at the end only, so ask `check` then.
    """

    def __init__(self, file: IO[bytes], names: Mapping[str, str]) -> None:
        self.ignored: list[str] = []
        self._names = {field: names.get(field, field) for field in FIELDS}
        self._demanded = dict.fromkeys((*REQUIRED, *names))
        self._lines = Lines(file)

    @property
    def bytes_read(self) -> int:
        return self._lines.bytes_read

    def __iter__(self) -> Iterator[Row]:
        raise NotImplementedError

    def check(self) -> None:
        """Nothing, if every column that has to be there was there."""

    def _demand(self, columns: Collection[str]) -> None:
        missing = {
            field: f"there is no column {shown(self._names[field])}"
            for field in self._demanded
            if self._names[field] not in columns
        }
        if missing:
            raise InvalidInput(missing)


class CsvRows(Rows):
    """Rows of CSV (RFC 4180) below a header; an empty cell is not given."""

    def __init__(self, file: IO[bytes], names: Mapping[str, str]) -> None:
        super().__init__(file, names)
        header, self._delimiter = self._header()
        self._demand(header)
        for field, name in self._names.items():
            if header.count(name) > 1:
                raise InvalidInput({field: f"there are {header.count(name)} columns {shown(name)}"})
        self._width = len(header)
        self._places = [(field, header.index(name)) for field, name in self._names.items() if name in header]
        known = DERIVED.union(self._names.values())
        others = [name or f"column {place}" for place, name in enumerate(header, 1) if name not in known]
        self.ignored = others[:NAMED]

    def __iter__(self) -> Iterator[Row]:
        lines = self._lines
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            lines.begin_row()
            begin = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, TooLong) as error:
                yield Row(begin, None, self._unreadable(error))
                continue
            if len(cells) > self._width:
                yield Row(begin, None, {ROW: f"has {len(cells)} cells; the header has {self._width}"})
            elif cells:
                values = {
                    field: cell[1:] if cell[0] == "'" and _GUARDED.match(cell) else cell
                    for field, place in self._places
                    if place < len(cells) and (cell := cells[place])
                }
                yield Row(begin, values, _broken(values) if lines.is_broken else {})

    def _header(self) -> tuple[list[str], str]:
        """The names of the columns, and the delimiter that makes the most of them ones we know."""
        lines = self._lines
        try:
            for _ in lines:
                if not lines.row.strip():
                    lines.begin_row()
                elif not lines.is_in_quotes:
                    break
        except TooLong:
            raise InvalidInput({"file": "does not begin with a header"}) from None
        if lines.is_broken or "\x00" in lines.row:
            raise InvalidInput({"file": "is not text in UTF-8"})
        if not lines.row:
            raise InvalidInput({"file": "is empty"})
        known = DERIVED.union(self._names.values())
        read: list[tuple[list[str], str]] = []
        for delimiter in DELIMITERS:
            try:
                cells = next(csv.reader([lines.row], delimiter=delimiter, strict=True))
            except csv.Error as error:
                fault = _fault(error) or "has a name that is too long"
            else:
                read.append(([cell.strip() for cell in cells], delimiter))
        if not read:
            raise InvalidInput({"file": f"its header {fault}"})
        return max(read, key=lambda header: (len(known.intersection(header[0])), len(header[0])))

    def _unreadable(self, error: Exception) -> dict[str, str]:
        """What is wrong with the row that was given up; what is read next begins another one."""
        if fault := _fault(error):
            return {ROW: fault}
        longest = _longest_cell(self._lines.row, self._delimiter)
        self._lines.skip_quoted()
        field = next((field for field, place in self._places if place == longest), ROW)
        return {field: "is far too long; perhaps a quote is not closed"}


class JsonRows(Rows):
    """Rows of JSON Lines, an object each; null is not given."""

    def __init__(self, file: IO[bytes], names: Mapping[str, str]) -> None:
        super().__init__(file, names)
        self._known = DERIVED.union(self._names.values())
        self._seen: set[str] = set()
        self._has_objects = False

    def __iter__(self) -> Iterator[Row]:
        lines = self._lines
        while True:
            lines.begin_row()
            try:
                text = next(lines)
                found = json.loads(text) if text.strip() else None
            except StopIteration:
                return
            except TooLong:
                yield Row(lines.number, None, {ROW: f"is longer than {LONGEST:,} bytes"})
            except (ValueError, RecursionError):  # ValueError for a number with thousands of digits as well
                yield Row(lines.number, None, {ROW: NOT_UTF_8 if lines.is_broken else "is not valid JSON"})
            else:
                if isinstance(found, dict):
                    yield self._row(found)
                elif text.strip():
                    yield Row(lines.number, None, {ROW: "is not a JSON object"})

    def check(self) -> None:
        if not self._lines.bytes_read:
            raise InvalidInput({"file": "is empty"})
        if self._has_objects:
            self._demand(self._seen)

    def _row(self, found: dict[str, Any]) -> Row:
        self._has_objects = True
        self._seen.update(self._known.intersection(found))
        for name in found:
            if name not in self._known and len(self.ignored) < NAMED and shown(name) not in self.ignored:
                self.ignored.append(shown(name))
        values = {field: value for field, name in self._names.items() if (value := found.get(name)) is not None}
        return Row(self._lines.number, values, _broken(values) if self._lines.is_broken else {})


def shown(name: str) -> str:
    """A name from a file as it can be written into an answer."""
    return name.encode(errors="replace").decode()


def _fault(error: Exception) -> str:
    return next((fault for known, fault in _FAULTS.items() if known in str(error)), "")


def _longest_cell(row: str, delimiter: str) -> int:
    """The place of the longest cell of a row that `csv` gave up."""
    lengths, begin, is_quoted = [], 0, False
    for mark in re.finditer(f'["{delimiter}]', row):
        if mark[0] == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            lengths.append(mark.start() - begin)
            begin = mark.end()
    lengths.append(len(row) - begin)
    return lengths.index(max(lengths))


def _broken(values: Mapping[str, object]) -> dict[str, str]:
    """The fields with something that is not UTF-8; the whole row, if none of ours has it."""
    fields = [field for field, text in values.items() if re.search("[\ud800-\udfff]", str(text))]
    return dict.fromkeys(fields or [ROW], NOT_UTF_8)
