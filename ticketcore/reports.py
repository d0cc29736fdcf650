"""What happened in a period: figures of what was gathered from tickets and their history.

The filter names tickets as they are now; its own range of creation times is not looked at, the period is. A ticket is
settled while it is resolved or closed. Hours are hours of the clock. Percentiles are interpolated
linearly, as by PostgreSQL's `percentile_cont`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ticketcore.cells import Cell
from ticketcore.filters import TicketFilter
from ticketcore.gathering import Gathered, counted, edges
from ticketcore.models import Category, Priority
from ticketcore.orders import NEVER, Moments, picking
from ticketcore.period import Period, midnight
from ticketcore.rows import HOUR

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


Chosen = tuple[Cell, slice]
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def created_in(matching: TicketFilter, period: Period, **conditions: Any) -> TicketFilter:
    """The tickets of a filter that were created in the period."""
    return matching.behind_figure(created_from=period.start, created_to=period.end, **conditions)


def resolved_in(matching: TicketFilter, period: Period, **conditions: Any) -> TicketFilter:
    """The tickets of a filter that last became settled in the period."""
    return matching.behind_figure(resolved_from=period.start, resolved_to=period.end, **conditions)


def happened(cells: list[Cell], what: str, period: Period) -> int:
    """To how many tickets of the cells this happened in the period."""
    return sum(chosen.stop - chosen.start for _, chosen in _within(cells, what, period))


def resolution(gathered: Gathered, period: Period) -> dict[Priority | Category | None, Spread]:
    """From creation to the last time a ticket became settled, of those for which that lies in the period.

    For all of them under None, by priority and by category.
    """
    return _spreads(gathered.resolved, "resolved_at", "resolution", period)


def first_response(gathered: Gathered, period: Period) -> dict[Priority | Category | None, Spread]:
    """From creation to the first note or change of status by an agent, of tickets created in the period.

    An agent is who works on the dashboard, or is named by what comes over the API. Tickets without a response count
    for nothing. For all of them under None, by priority and by category.
    """
    return _spreads(gathered.created, "created_at", "response", period)


def _spreads(cells: list[Cell], when: str, span: str, period: Period) -> dict[Priority | Category | None, Spread]:
    took = [(cell.common, _over(cell[span][chosen])) for cell, chosen in _within(cells, when, period)]
    return {
        value: _spread([some for common, some in took if value is None or value in (common.priority, common.category)])
        for value in (None, *Priority, *Category)
    }


def _within(cells: list[Cell], when: str, period: Period, earlier: timedelta = timedelta()) -> Iterator[Chosen]:
    """The cells, and where in each those are to which it happened in the period; in their order.

    Or so much earlier than in the period.
    """
    bounds = edges([period.start - earlier, period.end - earlier])
    for cell in cells:
        yield cell, slice(*cell[when].searchsorted(bounds).tolist())


def _over(spans: Moments) -> Moments:
    """Those that have come to an end."""
    is_over = spans != NEVER
    return spans if is_over.all() else spans[picking(is_over)]


def _spread(some: list[Moments]) -> Spread:
    took = np.concatenate([np.empty(0, np.int64), *some])
    return Spread(len(took), *_percentiles(took, 0.5, 0.9)) if len(took) else Spread(0, None, None)


def _percentiles(values: Moments, *ascending: float) -> Iterator[float]:
    """In hours, of microseconds, which are put into another order: to find one place takes a fifth of sorting."""
    before = 0
    for share in ascending:
        place = share * (len(values) - 1)
        rest, low = values[before:], int(place) - before
        rest.partition(low)
        lower, higher = int(rest[low]), int(rest[low + 1 :].min(initial=NEVER))
        yield (lower + (higher - lower) * (place % 1) if place % 1 else lower) / HOUR
        before += low


def promises(gathered: Gathered, period: Period, targets: Mapping[Priority, timedelta]) -> dict[Priority, Promise]:
    """By priority, the tickets that were due in the period: their target time after creation lies in it.

    One that is not settled when it is due has missed its target, whatever becomes of it later. What was gathered has to
    begin before the period by the longest target.
    """
    due, met = Counter[Priority](), Counter[Priority]()
    for cell in gathered.created:
        if target := targets.get(priority := cell.common.priority):
            chosen = next(_within([cell], "created_at", period, target))[1]
            took = cell["resolution"][chosen]
            due[priority] += len(took)
            met[priority] += int(np.count_nonzero(took <= target // timedelta(microseconds=1)))
    return {priority: Promise(due[priority], met[priority]) for priority in targets}


def ageing(gathered: Gathered, today: date, timezone: ZoneInfo) -> dict[tuple[int, Priority], int]:
    """Unsettled tickets by age group, 0 for the youngest, and priority, as of a day in the desk's time zone.

    Ages are counted in days of the calendar; `ages` has the groups' days.
    """
    begins = edges([_BEFORE_ALL, *(midnight(first, timezone) for first, _ in reversed(ages(today)) if first)])
    numbers = {
        priority: counted(
            (np.sort(cell["created_at"]) for cell in gathered.unsettled if cell.common.priority == priority), begins
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
    begins, hours = gathered.hours(period.timezone.key, period.start, period.end)
    until = edges([period.end])
    created = (part.at[: int(part.at.searchsorted(until)[0])] for part in gathered.arrived)
    found = np.zeros(7 * 24, dtype=np.int64)
    np.add.at(found, hours, counted(created, begins))
    return found.reshape(7, 24).tolist()


def work(gathered: Gathered, period: Period, *, limit: int | None = 50) -> list[Work]:
    """What each assignee has and got done, the busiest first, at most `limit` of them; None for all."""
    has = Counter[str]()
    for cell in gathered.held:
        has[cell.common.assignee] += len(cell["created_at"])
    took = defaultdict[str, list[Moments]](list)
    for cell, chosen in _within(gathered.done, "resolved_at", period):
        if len(some := cell["resolution"][chosen]):
            took[cell.common.assignee].append(some)
    numbers = {assignee: sum(map(len, some)) for assignee, some in took.items()}
    medians = {assignee: next(_percentiles(np.concatenate(some), 0.5)) for assignee, some in took.items()}
    found = [
        Work(assignee, has[assignee], numbers.get(assignee, 0), medians.get(assignee))
        for assignee in {*has, *took}
        if assignee is not None
    ]
    return sorted(found, key=lambda one: (-one.unsettled, -one.resolved, one.assignee))[:limit]
