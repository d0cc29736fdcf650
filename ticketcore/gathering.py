"""What figures of a period are counted from: the moments of all the tickets that they are about, as arrays.

They come from the mirror, where they lie in the order in which they are counted. Where the filter asks for what that
does not have, such as a common text, the database reads each index once, from one snapshot, and packs the moments of
all tickets that have something in common into one value; they are put in the same order here. In it the tickets of a
span of time are a slice and a bucket is the distance of two places, and one reading serves every figure.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa

from ticketcore import clock
from ticketcore.cells import Cell, Kinds, cut, in_line, line, merged, reopened
from ticketcore.database import Database, Readable
from ticketcore.errors import Overloaded
from ticketcore.filters import TicketFilter
from ticketcore.masks import Selection
from ticketcore.models import UNSETTLED
from ticketcore.orders import Moments
from ticketcore.period import Period
from ticketcore.rows import SPANS, moment, span, unpacked
from ticketcore.schema import IS_REOPENING, ticket_events, tickets

T = TypeVar("T")
_AT_ONCE = threading.BoundedSemaphore(4)
"""Each gathering holds five connections of forty; and more of them at once would only wait for processors."""

_IN_MEMORY = threading.BoundedSemaphore(1)
"""From memory one at a time, and on one thread: the more threads compute, the longer everybody else waits for each turn
of the interpreter, and it would be no quicker."""

READINGS, FIGURES = 4, 3
"""How many readings are under way at once, each with a connection of its own, and how many figures are counted."""

PATIENCE = 30.0
"""Seconds after which one that waits for others gives up."""

_t, _e = tickets.c, ticket_events.c


Readings = Mapping[str, Callable[[], list[Any]]]
"""For each property of `Gathered` how to get it."""


class Gathered:
    """The tickets of a filter, and what happened to them since a time, all as of one moment.

    The tickets of each cell are in the order of the first of its moments, and two cells may have the same in common.
    From the database each reading is under way until it is asked for, and what is counted from one goes on beside the
    others; from memory it is made when it is asked for.
    """

    def __init__(self, db: Readable, readings: Readings, pool: Executor | None) -> None:
        self._db, self._pool = db, pool
        self._readings = {name: _once(reading) for name, reading in readings.items()}

    def hours(self, zone: str, first: datetime, last: datetime) -> tuple[Moments, Moments]:
        """As `clock.hours`."""
        return clock.hours(self._db, zone, first, last)

    def beside(self, figure: Callable[["Gathered", Period], T], period: Period) -> Callable[[], T]:
        """A figure of the period: counted as soon as its readings are there, while others are read and counted."""
        if self._pool is None:
            return functools.partial(figure, self, period)
        return self._pool.submit(figure, self, period).result

    @property
    def created(self) -> list[Cell]:
        """Those created since, and in the margin before. Common: category, priority. Moments: created_at, response,
        resolution."""
        return self._readings["created"]()

    @property
    def arrived(self) -> list[Kinds]:
        """The same by created_at, in parts. Common: suggestion_source, suggested_category, category, priority_kept."""
        return self._readings["arrived"]()

    @property
    def resolved(self) -> list[Cell]:
        """Those that last became settled since. Common: category, priority. Moments: resolved_at, resolution."""
        return self._readings["resolved"]()

    @property
    def done(self) -> list[Cell]:
        """The same. Common: assignee. Moments: resolved_at, resolution."""
        return self._readings["done"]()

    @property
    def unsettled(self) -> list[Cell]:
        """Those that are unsettled. Common: priority and more. Moments: created_at, in no order."""
        return self._readings["unsettled"]()

    @property
    def held(self) -> list[Cell]:
        """The same. Common: assignee. Moments: created_at, in no order."""
        return self._readings["held"]()

    @property
    def reopened(self) -> Cell:
        """When tickets were reopened since, `at`, and when these had become settled, `settled_at`; in no order."""
        found: Cell = self._readings["reopened"]()[0]
        return found


def _once(reading: Callable[[], list[T]]) -> Callable[[], list[T]]:
    """Read by the first who asks; others wait for it. Python 3.11's `cached_property` waits for strangers' as well."""
    lock, found = threading.Lock(), list[list[T]]()

    def get() -> list[T]:
        with lock:
            if not found:
                found.append(reading())
            return found[0]

    return get


_FACETS = ("category", "priority")
_SUGGESTED = ("suggestion_source", "suggested_category", "category", "priority_kept")
_CREATED = (*_FACETS, "suggestion_source", "suggested_category", "priority_kept")
_RESOLVED = (*_FACETS, "assignee")
_UNSETTLED = ("priority", "assignee")
_SETTLED, _WAITING = ("resolved_at", "resolution"), ("resolved_at", "created_at")


def _mirrored(selected: Selection, matching: TicketFilter, since: datetime, margin: timedelta) -> Readings:
    """The readings from memory."""
    whenever = selected.of(matching.behind_figure())
    settled = selected.of(matching.behind_figure(resolved_from=None)) if matching.resolved_from else whenever
    created, ended = moment(since - margin), moment(since)
    return {
        "created": lambda: cut(whenever, _FACETS, ("created_at", "response", "resolution"), since=created),
        "arrived": lambda: line(whenever, _SUGGESTED, "created_at", since=created),
        "resolved": lambda: cut(settled, _FACETS, _SETTLED, since=ended),
        "done": lambda: cut(settled, ("assignee",), _SETTLED, since=ended),
        "unsettled": lambda: cut(whenever, _FACETS, _WAITING, since=None),
        "held": lambda: cut(whenever, ("assignee",), _WAITING, since=None),
        "reopened": lambda: [reopened(whenever, since)],
    }


def _read(
    db: Readable, matching: TicketFilter, since: datetime, margin: timedelta, pool: Executor
) -> Readings:  # fmt: skip
    """The same, from the database, each on a connection of its own, all at once."""
    whenever = matching.behind_figure().where()
    kept = (_t.suggested_priority == _t.priority).label("priority_kept")
    common = [kept if name == kept.name else _t[name] for name in _CREATED]
    events = ticket_events.join(tickets, _t.id == _e.ticket_id) if whenever else ticket_events
    readings = (
        (
            tickets, common, (_t.created_at, _t.first_response_at, _t.resolved_at),
            matching.behind_figure(created_from=since - margin).where(),
        ),
        (
            tickets, [_t[name] for name in _RESOLVED], (_t.resolved_at, _t.created_at),
            matching.behind_figure(resolved_from=since).where(),
        ),
        (tickets, [_t[name] for name in _UNSETTLED], (_t.created_at,), [_t.status.in_(UNSETTLED), *whenever]),
        (events, (), (_e.at, _e.settled_at), [IS_REOPENING, _e.at >= since, *whenever]),
    )  # fmt: skip
    created, resolved, unsettled, again = (pool.submit(_cells, db, *reading).result for reading in readings)
    return {
        "created": lambda: merged(created(), _FACETS),
        "arrived": lambda: [in_line(created(), _SUGGESTED, "created_at")],
        "resolved": lambda: merged(resolved(), _FACETS),
        "done": lambda: merged(resolved(), ("assignee",)),
        "unsettled": lambda: merged(unsettled(), ("priority",)),
        "held": lambda: merged(unsettled(), ("assignee",)),
        "reopened": again,
    }


def _cells(
    db: Readable,
    source: sa.FromClause,
    common: Sequence[sa.ColumnElement[Any]],
    moments: Sequence[sa.Column[datetime]],
    conditions: Iterable[sa.ColumnElement[bool] | sa.TextClause],
) -> list[Cell]:
    query = sa.select(_packed(moments), *common).select_from(source).where(*conditions).group_by(*common)
    names = [moment.name for moment in moments]
    with db.read() as connection:
        rows = connection.execute(query).all()
    cells = []
    for row in rows:
        columns = dict(zip(names, _unpacked(row[0], len(names)), strict=True))
        spans = {
            name: span(columns["created_at"], columns[until])
            for name, until in SPANS.items()
            if {"created_at", until} <= columns.keys()
        }
        cells.append(Cell(row, columns | spans))
    return cells


@contextlib.contextmanager
def gathered(
    db: Database,
    matching: TicketFilter,
    since: datetime,
    *,
    selected: Selection | None,
    margin: timedelta = timedelta(),
) -> Iterator[Gathered]:  # fmt: skip
    """What happened since a time; of created tickets also those of a margin before it.

    From memory, if the filter's tickets are `selected` there, or else from the database.

    Raises:
        DatabaseUnavailable: the database is away, or a query ran over its time; here, or when a reading is asked for.
    """
    turn = _IN_MEMORY if selected else _AT_ONCE
    if not turn.acquire(timeout=PATIENCE):
        raise Overloaded
    try:
        if selected:
            yield Gathered(db, _mirrored(selected, matching, since, margin), None)
        else:
            with db.frozen() as frozen, ThreadPoolExecutor(READINGS + FIGURES, "gather") as pool:
                yield Gathered(frozen, _read(frozen, matching, since, margin, pool), pool)
    finally:
        turn.release()


def _packed(moments: Sequence[sa.Column[datetime]]) -> sa.ColumnElement[bytes]:
    """The moments of a group, ticket after ticket, eight bytes each; null for a group without rows."""
    known = (sa.func.coalesce(one, sa.literal_column("'infinity'")) if one.nullable else one for one in moments)
    sent: sa.ColumnElement[bytes] = functools.reduce(
        lambda left, right: left.op("||")(right), map(sa.func.timestamptz_send, known)
    )
    return sa.func.string_agg(sent, sa.literal_column("''::bytea"))


def _unpacked(value: bytes | None, width: int) -> Moments:
    """What PostgreSQL packed; an array for each of `width` columns."""
    return np.ascontiguousarray(unpacked(value).reshape(-1, width).T)


def edges(bounds: Iterable[datetime]) -> Moments:
    """Times as moments."""
    return np.array([moment(bound) for bound in bounds], dtype=np.int64)


def counted(moments: Iterable[Moments], edges: Moments) -> Moments:
    """How many lie between each edge and the next, and from the last on; an edge belongs to what follows.

    The edges ascend, and so does each of the arrays; `NEVER` is none of them.
    """
    numbers = np.zeros(len(edges) + 1, dtype=np.int64)
    for ascending in moments:
        if len(ascending) < len(edges):
            numbers += np.bincount(np.searchsorted(edges, ascending, side="right"), minlength=len(numbers))
        else:
            places = np.searchsorted(ascending, edges)
            numbers[1:-1] += places[1:] - places[:-1]
            numbers[-1] += len(ascending) - places[-1]
    return numbers[1:]
