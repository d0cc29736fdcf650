"""What PostgreSQL's COPY sends, row by row, while it is still sending: results that are too large to hold.

Each copy has a thread and a connection of its own, outside the pool. Whoever stops reading ends both, and the query.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Generator
from typing import Any

import psycopg2
import psycopg2.errors
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import psycopg2 as psycopg2_dialect

from ticketcore import courtesy
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

BATCH = 256 * 1024
"""Bytes in a batch of rows."""

AHEAD = 2
"""Batches that may wait for the reader: until so many do, the query goes on when the reader pauses."""

PAUSE = 0.5
"""Seconds for which a copy waits at most, at a time, for those who wait for a page."""

STALL = 120.0
"""Seconds without a look from the reader, after which it counts as gone."""


class CopyOut:
    """The rows of a query in a text format of COPY, each with its line break, in batches.

    One transaction sees the whole: `scalar` before it and the copy itself read the same state of the desk.
    """

    def __init__(self, db: Database) -> None:
        """Raises DatabaseUnavailable if there is no connection."""
        self._connection = db.apart()
        self._batches: queue.Queue[list[bytes] | BaseException | None] = queue.Queue(AHEAD)
        self._rows: list[bytes] = []
        self._size = 0
        self._began = time.monotonic()
        self._left = threading.Event()
        self._thread: threading.Thread | None = None

    def scalar(self, query: sa.Select[Any]) -> Any:
        """The one value of a query in the same transaction, before the copy.

        Raises:
            DatabaseUnavailable: the database went away, or took too long; nothing is left open.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(_literal(query, cursor))
                return cursor.fetchone()[0]
        except psycopg2.Error as error:
            self.close()
            raise DatabaseUnavailable from error

    def batches(self, query: sa.Select[Any], options: str) -> Generator[list[bytes]]:
        """The rows, from when the first of them are there; ends the copy when it is closed.

        Raises:
            DatabaseUnavailable: the connection was lost or closed on the way, so the rows are not complete.
        """
        self._thread = threading.Thread(target=self._copy, args=(query, options), name="copy", daemon=True)
        self._thread.start()
        try:
            while batch := self._batches.get():
                if isinstance(batch, BaseException):
                    raise DatabaseUnavailable from batch
                yield batch
            if self._left.is_set():  # closed by another thread while this one waited: no end that can be trusted
                raise DatabaseUnavailable
        finally:
            self.close()

    def close(self) -> None:
        """Ends the query, the connection and the thread, however far they are; may be called more than once."""
        self._left.set()
        if self._thread is None:
            self._connection.close()
            return
        while self._thread.is_alive():
            with contextlib.suppress(psycopg2.Error):
                self._connection.cancel()
            with contextlib.suppress(queue.Empty):
                self._batches.get(timeout=0.02)  # room for what the thread still wants to put
            self._thread.join(0.02)
        with contextlib.suppress(queue.Empty):
            while True:
                self._batches.get_nowait()  # nobody wants them any more, and an export is remembered for its progress
        self._rows = []
        with contextlib.suppress(queue.Full):
            self._batches.put_nowait(None)  # whoever still waits for a batch waits in vain

    def cancel(self) -> None:
        """Ends the query alone, from wherever this is called: for a process that is about to end."""
        with contextlib.suppress(psycopg2.Error):
            self._connection.cancel()

    def write(self, row: bytes) -> None:
        """Takes the next row from the driver: while somebody waits for a page, later, and the query waits as well."""
        if courtesy.is_waited_for(courtesy.LONG):
            self._make_room()
        self._rows.append(row)
        self._size += len(row)
        if self._size >= BATCH:
            self._hand_over()

    def _make_room(self) -> None:
        """No longer than was worked since the last time: the copy gets on in any case."""
        courtesy.after_others(min(time.monotonic() - self._began, PAUSE), self._left)
        self._began = time.monotonic()

    def _hand_over(self) -> None:
        if self._left.is_set():
            raise ConnectionAbortedError
        if self._rows:
            before = time.monotonic()
            self._batches.put(self._rows, timeout=STALL)
            self._began += time.monotonic() - before  # to wait for the reader is no work
            self._rows, self._size = [], 0

    def _copy(self, query: sa.Select[Any], options: str) -> None:
        end: BaseException | None = None
        try:
            with contextlib.closing(self._connection) as connection, connection.cursor() as cursor:
                cursor.execute("set local statement_timeout = 0")  # it takes as long as its reader
                cursor.copy_expert(f"copy ({_literal(query, cursor)}) to stdout with ({options})", self)
                self._hand_over()
        except queue.Full:
            log.warning("an export was given up: nobody took it for %g s", STALL)
            self._batches.get_nowait()  # the file is not complete any longer, so the reader had better know soon
            end = TimeoutError()
        except ConnectionAbortedError:
            return
        except Exception as error:  # noqa: BLE001 - handed to whoever reads
            if not self._left.is_set():
                log.warning("an export broke off: %s", type(error).__name__)
            end = error
        with contextlib.suppress(queue.Full):
            self._batches.put(end, timeout=STALL)


def _literal(query: sa.Select[Any], cursor: Any) -> str:
    """The query with its values in place, quoted by the driver: COPY takes no parameters."""
    state = query.compile(dialect=_DIALECT).construct_expanded_state()
    text: bytes = cursor.mogrify(state.statement, state.parameters)
    return text.decode()


_DIALECT: sa.Dialect = psycopg2_dialect.dialect()  # type: ignore[no-untyped-call]
