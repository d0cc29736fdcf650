"""What happened in a period: figures from tickets and their history, all computed by the database.

The filter names tickets as they are now; its own range of creation times is not looked at, the period is. A ticket is
settled while it is resolved or closed. Hours are hours of the clock. Percentiles are interpolated (`percentile_cont`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from ticketcore.behind import due_at, written_hours
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.models import UNSETTLED, Category, Priority
from ticketcore.period import Period, midnight
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


def _hours(until: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """From creation; `date_part` is a float, while `extract` would be a numeric and take twice as long."""
    return sa.func.date_part("epoch", until - _t.created_at, type_=sa.Float) / 3600


def resolution(db: Database, matching: TicketFilter, period: Period) -> dict[Priority | Category | None, Spread]:
    """From creation to the last time a ticket became settled, of those for which that lies in the period.

    For all of them under None, by priority and by category.
    """
    return _spreads(db, _t.resolved_at, resolved_in(matching, period))


def first_response(db: Database, matching: TicketFilter, period: Period) -> dict[Priority | Category | None, Spread]:
    """From creation to the first note or change of status by an agent, of tickets created in the period.

    An agent is who works on the dashboard, or is named by what comes over the API. Tickets without a response count
    for nothing. For all of them under None, by priority and by category.
    """
    return _spreads(db, _t.first_response_at, created_in(matching, period, responded=True))


def _spreads(db: Database, until: sa.Column[Any], behind: TicketFilter) -> dict[Priority | Category | None, Spread]:
    deciles = sa.func.percentile_cont(sa.literal([0.5, 0.9], ARRAY(sa.Float))).within_group(_hours(until))
    found = (
        sa.select(_t.priority, _t.category, sa.func.count().label("number"), deciles.label("deciles"))
        .where(*behind.where())
        .group_by(sa.func.grouping_sets(sa.tuple_(), sa.tuple_(_t.priority), sa.tuple_(_t.category)))
    )
    with db.read() as connection:
        rows = connection.execute(found).all()
    spreads = {row.priority or row.category: Spread(row.number, *(row.deciles or (None, None))) for row in rows}
    return {value: spreads.get(value, Spread(0, None, None)) for value in (None, *Priority, *Category)}


def promises(
    db: Database, matching: TicketFilter, period: Period, targets: Mapping[Priority, timedelta]
) -> dict[Priority, Promise]:
    """By priority, the tickets that were due in the period: their target time after creation lies in it.

    One that is not settled when it is due has missed its target, whatever becomes of it later.
    """
    met = sa.func.count().filter(_t.resolved_at <= due_at(targets))
    found = (
        sa.select(_t.priority, sa.func.count().label("due"), met.label("met"))
        .where(*due_in(matching, period, targets).where())
        .group_by(_t.priority)
    )
    with db.read() as connection:
        rows = {row.priority: Promise(row.due, row.met) for row in connection.execute(found)}
    return {priority: rows.get(priority, Promise(0, 0)) for priority in targets}


def next_due(
    db: Database, matching: TicketFilter, targets: Mapping[Priority, timedelta], *, now: datetime, limit: int = 10
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


def ageing(db: Database, matching: TicketFilter, today: date, timezone: ZoneInfo) -> dict[tuple[int, Priority], int]:
    """Unsettled tickets by age group, 0 for the youngest, and priority, as of a day in the desk's time zone.

    Ages are counted in days of the calendar; `ages` has the groups' days.
    """
    begins = [midnight(first, timezone) for first, _ in reversed(ages(today)) if first]
    group = len(AGES) - sa.func.width_bucket(_t.created_at, sa.literal(begins, ARRAY(sa.DateTime(timezone=True))))
    unsettled = [_t.status.in_(UNSETTLED), *matching.behind_figure().where()]
    counted = sa.select(group, _t.priority, sa.func.count()).where(*unsettled)
    with db.read() as connection:
        rows = connection.execute(counted.group_by(group, _t.priority)).all()
    numbers = {(place, priority): number for place, priority, number in rows}
    return {
        (place, priority): numbers.get((place, priority), 0) for place in range(len(AGES) + 1) for priority in Priority
    }


def ages(today: date) -> list[tuple[date | None, date]]:
    """The first and the last day on which the tickets of each age group were created; the oldest have no first."""
    firsts = [today - timedelta(days=days - 1) for days in AGES]
    lasts = [today, *(first - timedelta(days=1) for first in firsts)]
    return list(zip([*firsts, None], lasts, strict=True))


def arrivals(db: Database, matching: TicketFilter, period: Period) -> list[list[int]]:
    """Tickets created in the period by weekday, Monday first, and hour of the day in the desk's time zone.

    They are counted by quarters of an hour before these are put into the zone, whose offset is a number of quarters.
    """
    quarter = sa.func.date_bin(timedelta(minutes=15), _t.created_at, period.start).label("quarter")
    counted = (
        sa.select(quarter, sa.func.count().label("number"))
        .select_from(tickets)
        .where(*created_in(matching, period).where())
        .group_by(quarter)
        .subquery()
    )
    local = sa.func.timezone(period.timezone.key, counted.c.quarter)
    weekday, hour = (sa.cast(sa.extract(part, local), sa.Integer) for part in ("isodow", "hour"))
    summed = sa.select(weekday, hour, sa.cast(sa.func.sum(counted.c.number), sa.Integer)).group_by(weekday, hour)
    with db.read() as connection:
        numbers = {(day, at): number for day, at, number in connection.execute(summed)}
    return [[numbers.get((day, at), 0) for at in range(24)] for day in range(1, 8)]


def work(db: Database, matching: TicketFilter, period: Period, *, limit: int | None = 50) -> list[Work]:
    """What each assignee has and got done, the busiest first, at most `limit` of them; None for all."""
    has = (
        sa.select(_t.assignee, sa.func.count().label("unsettled"))
        .where(_t.assignee.is_not(None), _t.status.in_(UNSETTLED), *matching.behind_figure().where())
        .group_by(_t.assignee)
        .subquery("has")
    )
    # Hours are gathered by hashing and sorted after: to sort the tickets by name would take five times as long.
    took = (
        sa.select(_t.assignee, sa.func.array_agg(_hours(_t.resolved_at)).label("hours"))
        .where(_t.assignee.is_not(None), *resolved_in(matching, period).where())
        .group_by(_t.assignee)
        .subquery("took")
    )
    hour = sa.func.unnest(took.c.hours).column_valued("hour")
    median = sa.select(sa.func.percentile_cont(0.5).within_group(hour)).correlate(took).scalar_subquery()
    did = sa.select(
        took.c.assignee, sa.func.cardinality(took.c.hours).label("resolved"), median.label("p50")
    ).subquery()
    assignee = sa.func.coalesce(has.c.assignee, did.c.assignee).label("assignee")
    unsettled, resolved = (
        sa.func.coalesce(number, 0).label(number.name) for number in (has.c.unsettled, did.c.resolved)
    )
    found = (
        sa.select(assignee, unsettled, resolved, did.c.p50)
        .select_from(has.outerjoin(did, has.c.assignee == did.c.assignee, full=True))
        .order_by(unsettled.desc(), resolved.desc(), assignee)
        .limit(limit)
    )
    with db.read() as connection:
        return [Work(**row) for row in connection.execute(found).mappings()]


def suggestions(
    db: Database, matching: TicketFilter, period: Period, bounds: Sequence[datetime] = ()
) -> Counter[Suggested]:
    """How tickets created in the period were suggested and what they are now, by the bucket they were created in.

    `bounds` are where the buckets begin; without any the place of all is 0.
    """
    place = (
        sa.func.width_bucket(_t.created_at, sa.literal(list(bounds), ARRAY(sa.DateTime(timezone=True)))) - 1
        if bounds
        else sa.literal(0)
    )
    kept = _t.suggested_priority == _t.priority
    cell = (place.label("place"), _t.suggestion_source, _t.suggested_category, _t.category, kept.label("kept"))
    suggested = [_t.suggestion_source.is_not(None), *created_in(matching, period).where()]
    counted = sa.select(*cell, sa.func.count()).where(*suggested).group_by(*(sa.text(str(n + 1)) for n in range(5)))
    with db.read() as connection:
        return Counter({Suggested(*row[:-1]): row[-1] for row in connection.execute(counted)})
