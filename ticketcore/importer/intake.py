"""The way of rows into the table: each is checked, and the good ones are handed to COPY while it asks for them.

The triggers stay on, so the history says where the tickets came from and tells the past that they bring.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ticketcore.errors import InvalidInput
from ticketcore.importer.rows import FIELDS, Row, Rows
from ticketcore.models import ImportedTicket
from ticketcore.validation import parse

CHUNK = 1 << 18
"""Characters that are handed over at a time."""

COPY = f"copy tickets ({', '.join(FIELDS)}, request_key) from stdin"

CANCELED = "57014"
"""PostgreSQL's code for a statement that was given up."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot become a ticket: the line in which it begins, and what is wrong with which field."""

    line: int
    errors: dict[str, str]


class Refused(Exception):
    """A row is not valid, so none is to be stored."""


class Intake:
    """A file for COPY to read, made of rows; notes the bad ones and counts the good ones."""

    def __init__(
        self, rows: Rows, file_key: uuid.UUID, *, skip_invalid: bool, on_progress: Callable[[int], None]
    ) -> None:
        self.good = 0
        self.faults: list[Fault] = []
        self._rows, self._left = rows, iter(rows)
        self._file_key = file_key
        self._skip_invalid = skip_invalid
        self._on_progress = on_progress
        self._failure: BaseException | None = None

    def copy_into(self, connection: sa.Connection) -> None:
        """Stores the good rows.

        Raises:
            Refused: a row is not valid and must not be skipped; `check_rest` goes on where it left off.
        """
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - it is open
        dbapi = connection.dialect.loaded_dbapi
        try:
            with driver.cursor() as cursor:
                cursor.copy_expert(COPY, self, CHUNK)
        except dbapi.Error as error:
            if error.pgcode == CANCELED and ".read() call" in str(error):
                # The driver's own words for whatever `read` raised; before its first line that is an interruption.
                raise self._failure or KeyboardInterrupt() from None
            raise DBAPIError.instance(COPY, None, error, dbapi.Error) from None  # as it does itself elsewhere

    def read(self, size: int) -> str:
        """The next rows as COPY takes them, about `size` characters; nothing after the last."""
        try:
            return self._next_lines(size)
        except BaseException as failure:
            self._failure = failure
            raise

    def check_rest(self) -> None:
        """Notes what is bad among the rows that are left."""
        for number, row in enumerate(self._left):
            self._checked(row)
            if number % 500 == 0:
                self._on_progress(self._rows.bytes_read)
        self._on_progress(self._rows.bytes_read)

    def _next_lines(self, size: int) -> str:
        lines: list[str] = []
        length = 0
        while length < size and (row := next(self._left, None)):
            if ticket := self._checked(row):
                lines.append(self._line(row.line, ticket))
                length += len(lines[-1])
            elif not self._skip_invalid:
                raise Refused
        self._on_progress(self._rows.bytes_read)
        return "".join(lines)

    def _checked(self, row: Row) -> ImportedTicket | None:
        errors = row.errors
        if row.values is not None:
            try:
                ticket = parse(ImportedTicket, row.values)
            except InvalidInput as invalid:
                errors = {**invalid.errors, **errors}
            else:
                if not errors:
                    self.good += 1
                    return ticket
        self.faults.append(Fault(row.line, errors))
        return None

    def _line(self, number: int, ticket: ImportedTicket) -> str:
        values: dict[str, Any] = dict(ticket)
        values["created_at"] = ticket.created_at or datetime.now(UTC)
        key = uuid.uuid5(self._file_key, str(number))
        return "\t".join(["\\N" if value is None else _escaped(str(value)) for value in (*values.values(), key)]) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
