"""How tickets with a past get into the database: as they are, by COPY, under numbers of their own."""

import heapq
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import count as numbers
from itertools import islice
from typing import Any

import sqlalchemy as sa

from ticketcore.demo.history import Change, History

_RESERVE = sa.text(
    "select setval(ids, nextval(ids) + :count - 1) - :count + 1"
    " from cast(pg_get_serial_sequence('tickets', 'id') as regclass) as ids"
)
_TICKET = ("id", *History._fields[:-1])
_EVENT = ("ticket_id", "kind", *Change._fields)
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def reserve(connection: sa.Connection, count: int) -> int:
    """The first of `count` consecutive ticket numbers that nobody else gets."""
    return connection.scalar(_RESERVE, {"count": count}) or 0


def copy(driver: Any, first: int, tickets: Iterator[History], chunk_size: int) -> None:
    """Copies tickets, numbered from `first`, and their events by time; holds one chunk and what is to come."""
    ids, serial = numbers(first), numbers()
    to_come: list[tuple[datetime, int, str]] = []
    cursor = driver.cursor()
    while chunk := list(islice(tickets, chunk_size)):
        rows = []
        for ticket in chunk:
            number = next(ids)
            rows.append(_line((number, *ticket[:-1])))
            for place, change in enumerate(ticket.changes):
                kind = "changed" if place else "created"
                heapq.heappush(to_come, (change.at, next(serial), _line((number, kind, *change))))
        _copy(cursor, "tickets", _TICKET, rows)
        _copy(cursor, "ticket_events", _EVENT, _until(to_come, chunk[-1].created_at))
    _copy(cursor, "ticket_events", _EVENT, _until(to_come, datetime.max.replace(tzinfo=UTC)))


def _until(to_come: list[tuple[datetime, int, str]], end: datetime) -> Iterator[str]:
    while to_come and to_come[0][0] <= end:
        yield heapq.heappop(to_come)[2]


def _line(values: Iterable[object]) -> str:
    return "\t".join("\\N" if value is None else str(value).translate(_ESCAPED) for value in values) + "\n"


def _copy(cursor: Any, table: str, columns: tuple[str, ...], lines: Iterable[str]) -> None:
    cursor.copy_expert(f"copy {table} ({', '.join(columns)}) from stdin", io.StringIO("".join(lines)))
