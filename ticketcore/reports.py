"""What happened in a period: figures from tickets and their history, all computed by the database.

The filter names tickets as they are now; its own range of creation times is not looked at, the period is. A ticket is
settled while it is resolved or closed. Hours are hours of the clock. Percentiles are interpolated (`percentile_cont`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.models import UNSETTLED, Category, Priority
from ticketcore.period import Period
from ticketcore.schema import tickets

AGES = (1, 3, 7, 30, 90)
"""Days at which the age groups of open tickets end; the last group has no end."""


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


Suggested = dict[str, dict[tuple[Category, Category, bool], int]]
"""By source, how many tickets there are of (suggested category, category now, whether the priority was kept)."""

_t = tickets.c


def _hours(until: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """From creation; `date_part` is a float, while `extract` would be a numeric and take twice as long."""
    return sa.func.date_part("epoch", until - _t.created_at, type_=sa.Float) / 3600


def resolution(
    db: Database, matching: TicketFilter, period: Period, *, in_parts: bool = True
) -> dict[Priority | Category | None, Spread]:
    """From creation to the last time a ticket became settled, of those for which that lies in the period.

    For all of them under None; `in_parts`, by priority and by category as well.
    """
    facets = (_t.priority, _t.category) if in_parts else ()
    found = (
        sa.select(*facets, *_spread(_hours(_t.resolved_at)))
        .select_from(tickets)
        .where(_within(_t.resolved_at, period), *matching.whenever())
        .group_by(sa.func.grouping_sets(sa.tuple_(), *(sa.tuple_(facet) for facet in facets)))
    )
    with db.read() as connection:
        rows = connection.execute(found).all()
    spreads = {(row.priority or row.category) if in_parts else None: _read(row) for row in rows}
    parts = (*Priority, *Category) if in_parts else ()
    return {value: spreads.get(value, Spread(0, None, None)) for value in (None, *parts)}


def first_response(
    db: Database, matching: TicketFilter, period: Period, *, in_parts: bool = True
) -> dict[Priority | None, Spread]:
    """From creation to the first note or change of status by an agent, of tickets created in the period.

    An agent is who works on the dashboard, or is named by what comes over the API. Tickets without a response count
    for nothing. For all of them under None; `in_parts`, by priority as well.
    """
    facets = (_t.priority,) if in_parts else ()
    found = (
        sa.select(*facets, *_spread(_hours(_t.first_response_at)))
        .select_from(tickets)
        .where(_within(_t.created_at, period), _t.first_response_at.is_not(None), *matching.whenever())
        .group_by(sa.func.grouping_sets(sa.tuple_(), *(sa.tuple_(facet) for facet in facets)))
    )
    with db.read() as connection:
        spreads = {row.priority if in_parts else None: _read(row) for row in connection.execute(found)}
    return {value: spreads.get(value, Spread(0, None, None)) for value in (None, *(Priority if in_parts else ()))}


def promises(
    db: Database, matching: TicketFilter, period: Period, targets: Mapping[Priority, timedelta]
) -> dict[Priority, Promise]:
    """By priority, the tickets that were due in the period: their target time after creation lies in it.

    One that is not settled when it is due has missed its target, whatever becomes of it later.
    """
    due_at = _due_at(targets)
    met = sa.func.count().filter(_t.resolved_at <= due_at)
    longest = max(targets.values(), default=timedelta())
    found = (
        sa.select(_t.priority, sa.func.count().label("due"), met.label("met"))
        .where(
            _t.created_at >= period.start - longest,
            _t.created_at < period.end,
            due_at >= period.start,
            due_at < period.end,
            *matching.whenever(),
        )
        .group_by(_t.priority)
    )
    with db.read() as connection:
        rows = {row.priority: Promise(row.due, row.met) for row in connection.execute(found)}
    return {priority: rows.get(priority, Promise(0, 0)) for priority in targets}


def next_due(
    db: Database, matching: TicketFilter, targets: Mapping[Priority, timedelta], *, now: datetime, limit: int = 10
) -> list[tuple[int, str, Priority, datetime]]:
    """The unsettled tickets that will miss their target next: id, title, priority and when; the soonest first."""
    due_at = _due_at(targets).label("due_at")
    longest = max(targets.values(), default=timedelta())  # none that is older can still be within its target
    found = (
        sa.select(_t.id, _t.title, _t.priority, due_at)
        .where(_t.status.in_(UNSETTLED), _t.created_at >= now - longest, due_at >= now, *matching.whenever())
        .order_by(due_at, _t.id)
        .limit(limit)
    )
    with db.read() as connection:
        return [(row.id, row.title, row.priority, row.due_at) for row in connection.execute(found)]


def _due_at(targets: Mapping[Priority, timedelta]) -> sa.ColumnElement[datetime]:
    hours = sa.case(
        *((_t.priority == priority, sa.literal(target, sa.Interval)) for priority, target in targets.items())
    )
    return _t.created_at + hours


def ageing(db: Database, matching: TicketFilter, *, now: datetime) -> dict[tuple[int, Priority], int]:
    """Unsettled tickets by age group, 0 for the youngest, and priority; the groups end at `AGES` days."""
    ends = [now - timedelta(days=days) for days in AGES]
    group = len(AGES) - sa.func.width_bucket(_t.created_at, sa.literal(ends[::-1], ARRAY(sa.DateTime(timezone=True))))
    counted = sa.select(group, _t.priority, sa.func.count()).where(_t.status.in_(UNSETTLED), *matching.whenever())
    with db.read() as connection:
        rows = connection.execute(counted.group_by(group, _t.priority)).all()
    numbers = {(place, priority): number for place, priority, number in rows}
    return {
        (place, priority): numbers.get((place, priority), 0) for place in range(len(AGES) + 1) for priority in Priority
    }


def arrivals(db: Database, matching: TicketFilter, period: Period) -> list[list[int]]:
    """Tickets created in the period by weekday, Monday first, and hour of the day in the desk's time zone."""
    local = sa.func.timezone(period.timezone.key, _t.created_at)
    weekday, hour = (sa.cast(sa.extract(part, local), sa.Integer) for part in ("isodow", "hour"))
    counted = sa.select(weekday, hour, sa.func.count()).where(_within(_t.created_at, period), *matching.whenever())
    with db.read() as connection:
        numbers = {(day, at): number for day, at, number in connection.execute(counted.group_by(weekday, hour))}
    return [[numbers.get((day, at), 0) for at in range(24)] for day in range(1, 8)]


def work(db: Database, matching: TicketFilter, period: Period, *, limit: int = 50) -> list[Work]:
    """What each assignee has and got done, the busiest first, at most `limit` of them."""
    is_done = _within(_t.resolved_at, period)
    unsettled = sa.func.count().filter(_t.status.in_(UNSETTLED))
    resolved = sa.func.count().filter(is_done)
    median = sa.func.percentile_cont(0.5).within_group(_hours(_t.resolved_at)).filter(is_done)
    found = (
        sa.select(_t.assignee, unsettled.label("unsettled"), resolved.label("resolved"), median.label("p50"))
        .where(_t.assignee.is_not(None), _t.status.in_(UNSETTLED) | is_done, *matching.whenever())
        .group_by(_t.assignee)
        .order_by(unsettled.desc(), resolved.desc(), _t.assignee)
        .limit(limit)
    )
    with db.read() as connection:
        return [Work(**row) for row in connection.execute(found).mappings()]


def suggestions(db: Database, matching: TicketFilter, period: Period) -> Suggested:
    """How tickets created in the period were suggested and what they are now."""
    kept = _t.suggested_priority == _t.priority
    cell = (_t.suggestion_source, _t.suggested_category, _t.category, kept)
    counted = sa.select(*cell, sa.func.count()).where(
        _within(_t.created_at, period), _t.suggestion_source.is_not(None), *matching.whenever()
    )
    found: Suggested = {}
    with db.read() as connection:
        for source, suggested, category, is_kept, number in connection.execute(counted.group_by(*cell)):
            found.setdefault(source, {})[suggested, category, is_kept] = number
    return found


def _within(column: sa.ColumnElement[Any], period: Period) -> sa.ColumnElement[bool]:
    return (column >= period.start) & (column < period.end)


def _spread(hours: sa.ColumnElement[float]) -> list[sa.ColumnElement[Any]]:
    deciles = sa.func.percentile_cont(sa.literal([0.5, 0.9], ARRAY(sa.Float))).within_group(hours)
    return [sa.func.count().label("number"), deciles.label("deciles")]


def _read(row: sa.Row[Any]) -> Spread:
    p50, p90 = row.deciles or (None, None)
    return Spread(row.number, p50, p90)
