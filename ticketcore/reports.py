"""What happened in a period: figures of what was gathered from tickets and their history.

The filter names tickets as they are now; its own range of creation times is not looked at, the period is. A ticket is
settled while it is resolved or closed. Hours are hours of the clock. Percentiles are interpolated
linearly, as by PostgreSQL's `percentile_cont`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ticketcore.behind import due_at, written_hours
from ticketcore.database import Readable
from ticketcore.filters import TicketFilter
from ticketcore.gathering import Gathered, counted
from ticketcore.masks import Cell
from ticketcore.models import UNSETTLED, Category, Priority
from ticketcore.period import Period, midnight
from ticketcore.rows import NEVER, Moments, moment
from ticketcore.schema import tickets

AGES = (1, 3, 7, 30, 90)
"""Days of the calendar at which the age groups of open tickets end; today is the first. The last group has no end."""


@dataclass(frozen=True)
class Spread:
    """How long something took: the median and the ninth decile in hours, and how many tickets stand behind them."""

    number: int
    p50: float | None
    p90: float | None


@dataclass(frozen=True)
class Promise:
    """Tickets whose target time ended in the period, and how many of them were settled by then."""

    due: int
    met: int


@dataclass(frozen=True)
class Work:
    """What somebody has: unsettled tickets now, those resolved in the period, and their median hours."""

    assignee: str
    unsettled: int
    resolved: int
    p50: float | None


class Suggested(NamedTuple):
    """What tickets with a suggestion have in common."""

    place: int
    """The bucket in which they were created."""
    source: str
    suggested: Category
    category: Category
    """What it is now."""
    is_priority_kept: bool


_HOUR = timedelta(hours=1) // timedelta(microseconds=1)
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)

_t = tickets.c


def created_in(matching: TicketFilter, period: Period, **conditions: Any) -> TicketFilter:
    """The tickets of a filter that were created in the period."""
    return matching.behind_figure(created_from=period.start, created_to=period.end, **conditions)


def resolved_in(matching: TicketFilter, period: Period, **conditions: Any) -> TicketFilter:
    """The tickets of a filter that last became settled in the period."""
    return matching.behind_figure(resolved_from=period.start, resolved_to=period.end, **conditions)


def due_in(
    matching: TicketFilter, period: Period, targets: Mapping[Priority, timedelta], **conditions: Any
) -> TicketFilter:
    """The tickets of a filter whose target time lies in the period."""
    return matching.behind_figure(
        due_from=period.start, due_to=period.end, target_hours=_written(targets), **conditions
    )


def _written(targets: Mapping[Priority, timedelta]) -> str:
    return written_hours({priority: target / timedelta(hours=1) for priority, target in targets.items()})


def happened(cells: list[Cell], what: str, period: Period) -> int:
    """To how many tickets of the cells this happened in the period."""
    return sum(int(np.count_nonzero(_within(cell[what], period))) for cell in cells)


def resolution(gathered: Gathered, period: Period) -> dict[Priority | Category | None, Spread]:
    """From creation to the last time a ticket became settled, of those for which that lies in the period.

    For all of them under None, by priority and by category.
    """
    return _spreads(gathered.resolved, "resolved_at", "resolved_at", period)


def first_response(gathered: Gathered, period: Period) -> dict[Priority | Category | None, Spread]:
    """From creation to the first note or change of status by an agent, of tickets created in the period.

    An agent is who works on the dashboard, or is named by what comes over the API. Tickets without a response count
    for nothing. For all of them under None, by priority and by category.
    """
    return _spreads(gathered.created, "created_at", "first_response_at", period)


def _spreads(cells: list[Cell], when: str, until: str, period: Period) -> dict[Priority | Category | None, Spread]:
    took = [(cell.common, _took(cell, until, _within(cell[when], period) & (cell[until] != NEVER))) for cell in cells]
    return {
        value: _spread([some for common, some in took if value is None or value in (common.priority, common.category)])
        for value in (None, *Priority, *Category)
    }


def _within(moments: Moments, period: Period) -> npt.NDArray[np.bool_]:
    return (moments >= moment(period.start)) & (moments < moment(period.end))


def _took(cell: Cell, until: str, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """From creation, in hours; 0 where the clock was set back meanwhile."""
    took: npt.NDArray[np.float64] = np.maximum(cell[until][chosen] - cell["created_at"][chosen], 0) / _HOUR
    return took


def _spread(some: list[npt.NDArray[np.float64]]) -> Spread:
    hours = np.sort(np.concatenate([np.empty(0), *some]))
    if not (number := len(hours)):
        return Spread(0, None, None)
    # As `np.percentile`, which takes longer to begin than to sort a thousand.
    p50, p90 = np.interp([0.5 * (number - 1), 0.9 * (number - 1)], np.arange(number), hours).tolist()
    return Spread(number, p50, p90)


def promises(gathered: Gathered, period: Period, targets: Mapping[Priority, timedelta]) -> dict[Priority, Promise]:
    """By priority, the tickets that were due in the period: their target time after creation lies in it.

    One that is not settled when it is due has missed its target, whatever becomes of it later. What was gathered has to
    begin before the period by the longest target.
    """
    due, met = Counter[Priority](), Counter[Priority]()
    for cell in gathered.created:
        if target := targets.get(priority := cell.common.priority):
            due_at = cell["created_at"] + target // timedelta(microseconds=1)
            chosen = _within(due_at, period)
            due[priority] += int(np.count_nonzero(chosen))
            met[priority] += int(np.count_nonzero(cell["resolved_at"][chosen] <= due_at[chosen]))
    return {priority: Promise(due[priority], met[priority]) for priority in targets}


def next_due(
    db: Readable, matching: TicketFilter, targets: Mapping[Priority, timedelta], *, now: datetime, limit: int = 10
) -> list[tuple[int, str, Priority, datetime]]:
    """The unsettled tickets that will miss their target next: id, title, priority and when; the soonest first."""
    due = due_at(targets).label("due_at")
    open_still = matching.behind_figure(due_from=now, target_hours=_written(targets))
    found = (
        sa.select(_t.id, _t.title, _t.priority, due)
        .where(_t.status.in_(UNSETTLED), *open_still.where())
        .order_by(due, _t.id)
        .limit(limit)
    )
    with db.read() as connection:
        return [(row.id, row.title, row.priority, row.due_at) for row in connection.execute(found)]


def ageing(gathered: Gathered, today: date, timezone: ZoneInfo) -> dict[tuple[int, Priority], int]:
    """Unsettled tickets by age group, 0 for the youngest, and priority, as of a day in the desk's time zone.

    Ages are counted in days of the calendar; `ages` has the groups' days.
    """
    begins = [_BEFORE_ALL, *(midnight(first, timezone) for first, _ in reversed(ages(today)) if first)]
    numbers = {
        priority: counted(
            (cell["created_at"] for cell in gathered.unsettled if cell.common.priority == priority), begins
        )
        for priority in Priority
    }
    return {
        (place, priority): int(numbers[priority][-1 - place]) for place in range(len(AGES) + 1) for priority in Priority
    }


def ages(today: date) -> list[tuple[date | None, date]]:
    """The first and the last day on which the tickets of each age group were created; the oldest have no first."""
    firsts = [today - timedelta(days=days - 1) for days in AGES]
    lasts = [today, *(first - timedelta(days=1) for first in firsts)]
    return list(zip([*firsts, None], lasts, strict=True))


def arrivals(gathered: Gathered, period: Period) -> list[list[int]]:
    """Tickets created in the period by weekday, Monday first, and hour of the day in the desk's time zone."""
    moments = np.concatenate([np.empty(0, np.int64), *(cell["created_at"] for cell in gathered.created)])
    chosen = moments[_within(moments, period)]
    local = gathered.on_the_wall(chosen, period.timezone.key, period.start, period.end)
    hours = local // _HOUR + 5 * 24  # moments begin with a Saturday
    return np.bincount(hours % (7 * 24), minlength=7 * 24).reshape(7, 24).tolist()


def work(gathered: Gathered, period: Period, *, limit: int | None = 50) -> list[Work]:
    """What each assignee has and got done, the busiest first, at most `limit` of them; None for all."""
    has = Counter[str]()
    for cell in gathered.held:
        has[cell.common.assignee] += len(cell["created_at"])
    took = defaultdict[str, list[npt.NDArray[np.float64]]](list)
    for cell in gathered.done:
        if len(some := _took(cell, "resolved_at", _within(cell["resolved_at"], period))):
            took[cell.common.assignee].append(some)
    spreads = {assignee: _spread(took[assignee]) for assignee in took}
    none = Spread(0, None, None)
    found = [
        Work(assignee, has[assignee], (done := spreads.get(assignee, none)).number, done.p50)
        for assignee in {*has, *took}
        if assignee is not None
    ]
    return sorted(found, key=lambda one: (-one.unsettled, -one.resolved, one.assignee))[:limit]


def suggestions(gathered: Gathered, period: Period, bounds: Sequence[datetime] = ()) -> Counter[Suggested]:
    """How tickets created in the period were suggested and what they are now, by the bucket they were created in.

    `bounds` are where the buckets begin; without any the place of all is 0.
    """
    found = Counter[Suggested]()
    for cell in gathered.suggested:
        common, created = cell.common, cell["created_at"]
        if common.suggestion_source is None:
            continue
        numbers = counted([created[_within(created, period)]], bounds or [period.start])
        for place, number in enumerate(numbers.tolist()):
            if number:
                source, suggested = common.suggestion_source, common.suggested_category
                found[Suggested(place, source, suggested, common.category, common.priority_kept)] += number
    return found
