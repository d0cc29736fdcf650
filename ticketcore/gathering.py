"""What figures of a period are counted from: the moments of all the tickets that they are about, as arrays.

The database reads each index once, from one snapshot, and packs the moments of all tickets that have something in
common into one value. To count an array by buckets, or to find its percentiles, takes numpy a fraction of the time in
which the database groups or sorts as many rows, and one reading serves every figure.

A moment is a number of microseconds, as PostgreSQL keeps and sends it; `NEVER` comes after all that happen.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ticketcore import clock
from ticketcore.database import Database, Readable
from ticketcore.errors import Overloaded
from ticketcore.filters import TicketFilter
from ticketcore.models import UNSETTLED
from ticketcore.period import Period
from ticketcore.schema import IS_REOPENING, ticket_events, tickets

T = TypeVar("T")
Moments = npt.NDArray[np.int64]

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
NEVER = np.iinfo(np.int64).max

_AT_ONCE = threading.BoundedSemaphore(4)
"""Each gathering holds five connections of forty; and more of them at once would only wait for processors."""

READINGS, FIGURES = 4, 3
"""How many readings are under way at once, each with a connection of its own, and how many figures are counted."""

PATIENCE = 30.0
"""Seconds after which one that waits for others gives up."""

_t, _e = tickets.c, ticket_events.c


@dataclass(frozen=True)
class Cell:
    """Tickets that have in common what `common` names, with the moments of each at the same place of every array."""

    common: Any
    moments: dict[str, Moments]

    def __getitem__(self, name: str) -> Moments:
        return self.moments[name]


class Gathered:
    """The tickets of a filter, and what happened to them since a time, all as of one moment.

    Each reading is under way until it is asked for: what is counted from one goes on beside the others.
    """

    def __init__(
        self, db: Readable, matching: TicketFilter, since: datetime, margin: timedelta, pool: Executor
    ) -> None:
        self._db, self._pool = db, pool
        whenever = matching.behind_figure().where()
        kept = (_t.suggested_priority == _t.priority).label("priority_kept")
        self._created = self._read(
            tickets,
            (_t.category, _t.priority, _t.suggestion_source, _t.suggested_category, kept),
            (_t.created_at, _t.first_response_at, _t.resolved_at),
            matching.behind_figure(created_from=since - margin).where(),
        )
        self._resolved = self._read(
            tickets,
            (_t.category, _t.priority, _t.assignee),
            (_t.created_at, _t.resolved_at),
            matching.behind_figure(resolved_from=since).where(),
        )
        self._unsettled = self._read(
            tickets, (_t.priority, _t.assignee), (_t.created_at,), [_t.status.in_(UNSETTLED), *whenever]
        )
        events = ticket_events.join(tickets, _t.id == _e.ticket_id) if whenever else ticket_events
        self._reopened = self._read(events, (), (_e.at, _e.settled_at), [IS_REOPENING, _e.at >= since, *whenever])

    def _read(
        self,
        source: sa.FromClause,
        common: Sequence[sa.ColumnElement[Any]],
        moments: Sequence[sa.Column[datetime]],
        conditions: Iterable[sa.ColumnElement[bool] | sa.TextClause],
    ) -> Future[list[Cell]]:
        query = sa.select(_packed(moments), *common).select_from(source).where(*conditions).group_by(*common)
        names = [moment.name for moment in moments]

        def cells() -> list[Cell]:
            with self._db.read() as connection:
                rows = connection.execute(query).all()
            return [Cell(row, dict(zip(names, _unpacked(row[0], len(names)), strict=True))) for row in rows]

        return self._pool.submit(cells)

    def on_the_wall(self, moments: Moments, zone: str, first: datetime, last: datetime) -> Moments:
        """The moments, which lie between `first` and `last`, as a clock in the zone shows them."""
        since, ahead = clock.changes(self._db, zone, first, last)
        places = np.searchsorted([moment(one) for one in since], moments, side="right") - 1
        return moments + ahead.astype(np.int64)[places]

    def beside(self, figure: Callable[["Gathered", Period], T], period: Period) -> Future[T]:
        """A figure of the period, counted as soon as its readings are there, while others are read and counted."""
        return self._pool.submit(figure, self, period)

    @property
    def created(self) -> list[Cell]:
        """Those created since, and in the margin before. Common: category, priority, suggestion_source,
        suggested_category, priority_kept. Moments: created_at, first_response_at, resolved_at."""
        return self._created.result()

    @property
    def resolved(self) -> list[Cell]:
        """Those that last became settled since. Common: category, priority, assignee. Moments: created_at,
        resolved_at."""
        return self._resolved.result()

    @property
    def unsettled(self) -> list[Cell]:
        """Those that are unsettled. Common: priority, assignee. Moments: created_at."""
        return self._unsettled.result()

    @property
    def reopened(self) -> Cell:
        """When tickets were reopened since, `at`, and when these had become settled, `settled_at`."""
        return self._reopened.result()[0]


@contextlib.contextmanager
def gathered(
    db: Database, matching: TicketFilter, since: datetime, *, margin: timedelta = timedelta()
) -> Iterator[Gathered]:
    """What happened since a time; of created tickets also those of a margin before it.

    Raises:
        DatabaseUnavailable: the database is away, or a query ran over its time; here, or when a reading is asked for.
    """
    if not _AT_ONCE.acquire(timeout=PATIENCE):
        raise Overloaded
    try:
        with db.frozen() as frozen, ThreadPoolExecutor(READINGS + FIGURES, "gather") as pool:
            yield Gathered(frozen, matching, since, margin, pool)
    finally:
        _AT_ONCE.release()


def _packed(moments: Sequence[sa.Column[datetime]]) -> sa.ColumnElement[bytes]:
    """The moments of a group, ticket after ticket, eight bytes each; null for a group without rows."""
    known = (sa.func.coalesce(one, sa.literal_column("'infinity'")) if one.nullable else one for one in moments)
    sent: sa.ColumnElement[bytes] = functools.reduce(
        lambda left, right: left.op("||")(right), map(sa.func.timestamptz_send, known)
    )
    return sa.func.string_agg(sent, sa.literal_column("''::bytea"))


def _unpacked(value: bytes | None, width: int) -> Moments:
    """What PostgreSQL packed, which is in network order; an array for each of `width` columns."""
    return np.ascontiguousarray(np.frombuffer(value or b"", dtype=">i8").reshape(-1, width).T, dtype=np.int64)


def moment(time: datetime) -> int:
    """A time as a moment."""
    return (time - _BEGINNING) // timedelta(microseconds=1)


def counted(moments: Iterable[Moments], bounds: Sequence[datetime]) -> npt.NDArray[np.int64]:
    """How many of them lie between each bound and the next, and from the last on; a bound belongs to what follows."""
    edges = np.array([moment(bound) for bound in bounds])
    numbers = np.zeros(len(edges) + 1, dtype=np.int64)
    for some in moments:
        places = np.searchsorted(edges, some[some != NEVER], side="right")
        numbers += np.bincount(places, minlength=len(numbers))
    return numbers[1:]
