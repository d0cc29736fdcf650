"""What figures of a period are counted from: the moments of all the tickets that they are about, as arrays.

They come from the mirror. Where the filter asks for what that does not have, such as a text, the database reads each
index once, from one snapshot, and packs the moments of all tickets that have something in common into one value. To
count an array by buckets, or to find its percentiles, takes numpy a fraction of the time in which the database groups
or sorts as many rows, and one reading serves every figure.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ticketcore import clock, masks
from ticketcore.database import Database, Readable
from ticketcore.errors import Overloaded
from ticketcore.filters import TicketFilter
from ticketcore.masks import Cell, Selection
from ticketcore.models import UNSETTLED
from ticketcore.period import Period
from ticketcore.rows import NEVER, Moments, moment, unpacked
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


class Gathered:
    """The tickets of a filter, and what happened to them since a time, all as of one moment.

    Each reading is under way until it is asked for: what is counted from one goes on beside the others.
    """

    def __init__(
        self, db: Readable, matching: TicketFilter, selected: Selection | None, since: datetime, margin: timedelta,
        pool: Executor,
    ) -> None:  # fmt: skip
        self._db, self._pool = db, pool
        readings = _mirrored(selected, matching, since, margin) if selected else _read(db, matching, since, margin)
        self._created, self._resolved, self._unsettled, self._reopened = map(pool.submit, readings)

    def on_the_wall(self, moments: Moments, zone: str, first: datetime, last: datetime) -> Moments:
        """The moments, which lie between `first` and `last`, as a clock in the zone shows them."""
        since, ahead = clock.changes(self._db, zone, first, last)
        places = np.searchsorted([moment(one) for one in since], moments, side="right") - 1
        return moments + ahead.astype(np.int64)[places]

    def beside(self, figure: Callable[["Gathered", Period], T], period: Period) -> Future[T]:
        """A figure of the period, counted as soon as its readings are there, while others are read and counted."""
        return self._pool.submit(figure, self, period)

    @functools.cached_property
    def created(self) -> list[Cell]:
        """Those created since, and in the margin before. Common: category, priority. Moments: created_at,
        first_response_at, resolved_at."""
        return masks.merged(self._created.result(), ("category", "priority"))

    @functools.cached_property
    def suggested(self) -> list[Cell]:
        """The same. Common: suggestion_source, suggested_category, category, priority_kept."""
        return masks.merged(
            self._created.result(), ("suggestion_source", "suggested_category", "category", "priority_kept")
        )

    @functools.cached_property
    def resolved(self) -> list[Cell]:
        """Those that last became settled since. Common: category, priority. Moments: created_at, resolved_at."""
        return masks.merged(self._resolved.result(), ("category", "priority"))

    @functools.cached_property
    def done(self) -> list[Cell]:
        """The same. Common: assignee."""
        return masks.merged(self._resolved.result(), ("assignee",))

    @functools.cached_property
    def unsettled(self) -> list[Cell]:
        """Those that are unsettled. Common: priority. Moments: created_at."""
        return masks.merged(self._unsettled.result(), ("priority",))

    @functools.cached_property
    def held(self) -> list[Cell]:
        """The same. Common: assignee."""
        return masks.merged(self._unsettled.result(), ("assignee",))

    @property
    def reopened(self) -> Cell:
        """When tickets were reopened since, `at`, and when these had become settled, `settled_at`."""
        return self._reopened.result()[0]


_CREATED = ("category", "priority", "suggestion_source", "suggested_category", "priority_kept")
_RESOLVED = ("category", "priority", "assignee")
_UNSETTLED = ("priority", "assignee")

Reading = Callable[[], list[Cell]]


def _mirrored(selected: Selection, matching: TicketFilter, since: datetime, margin: timedelta) -> list[Reading]:
    """The readings of what was created, resolved, is unsettled and was reopened, from memory."""
    selected = replace(selected, view=selected.view.since(moment(since - margin)))
    whenever = selected.of(matching.behind_figure())
    created = selected.of(matching.behind_figure(created_from=since - margin))
    resolved = selected.of(matching.behind_figure(resolved_from=since))
    return [
        lambda: masks.cells(created, _CREATED, ("created_at", "first_response_at", "resolved_at")),
        lambda: masks.cells(resolved, _RESOLVED, ("created_at", "resolved_at")),
        lambda: masks.cells(whenever, _UNSETTLED, ("created_at",), among=UNSETTLED),
        lambda: [masks.reopened(whenever, since)],
    ]


def _read(db: Readable, matching: TicketFilter, since: datetime, margin: timedelta) -> list[Reading]:
    """The same, from the database, each on a connection of its own."""
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
            tickets, [_t[name] for name in _RESOLVED], (_t.created_at, _t.resolved_at),
            matching.behind_figure(resolved_from=since).where(),
        ),
        (tickets, [_t[name] for name in _UNSETTLED], (_t.created_at,), [_t.status.in_(UNSETTLED), *whenever]),
        (events, (), (_e.at, _e.settled_at), [IS_REOPENING, _e.at >= since, *whenever]),
    )  # fmt: skip
    return [functools.partial(_cells, db, *reading) for reading in readings]


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
    return [Cell(row, dict(zip(names, _unpacked(row[0], len(names)), strict=True))) for row in rows]


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
    turn, workers = (_IN_MEMORY, 1) if selected else (_AT_ONCE, READINGS + FIGURES)
    if not turn.acquire(timeout=PATIENCE):
        raise Overloaded
    try:
        with ExitStack() as stack:
            frozen = db if selected else stack.enter_context(db.frozen())
            pool = stack.enter_context(ThreadPoolExecutor(workers, "gather"))
            yield Gathered(frozen, matching, selected, since, margin, pool)
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


def counted(moments: Iterable[Moments], bounds: Sequence[datetime]) -> npt.NDArray[np.int64]:
    """How many of them lie between each bound and the next, and from the last on; a bound belongs to what follows."""
    edges = np.array([moment(bound) for bound in bounds])
    numbers = np.zeros(len(edges) + 1, dtype=np.int64)
    for some in moments:
        places = np.searchsorted(edges, some[some != NEVER], side="right")
        numbers += np.bincount(places, minlength=len(numbers))
    return numbers[1:]
