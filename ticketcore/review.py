"""Everything about a period and the equally long one before, at once: the figures of `flow` and `reports`.

They are read side by side on several connections, because each is a query that keeps one processor busy.
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from ticketcore import flow, reports
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.models import Category, Priority
from ticketcore.period import Bucket, Period, Unit
from ticketcore.reports import Promise, Spread, Work

AT_ONCE = 4


@dataclass(frozen=True)
class Figures:
    """What is compared between a period and the one before."""

    created: int
    resolved: int
    resolution: dict[Priority | Category | None, Spread]
    response: dict[Priority | Category | None, Spread]
    promises: dict[Priority, Promise]
    suggestions: Counter[reports.Suggested]
    """By the buckets of the period; all in one for the period before."""
    work: list[Work]


@dataclass(frozen=True)
class Review:
    """The figures of a period, of the one before, and of now."""

    flow: flow.Flow
    now: Figures
    before: Figures
    arrivals: list[list[int]]
    ageing: dict[tuple[int, Priority], int]
    next_due: list[tuple[int, str, Priority, datetime]]


def review(
    db: Database, matching: TicketFilter, period: Period, unit: Unit, targets: Mapping[Priority, timedelta]
) -> Review:
    """The review of a period that has begun.

    Raises:
        DatabaseUnavailable: the database is away, or a query ran over its time.
    """
    earlier, now = period.before(), period.now
    # One walk through time: the period before, what lies between the two, and the period's own buckets.
    gap = [
        Bucket(earlier.first, earlier.start, earlier.end, is_whole=False),
        Bucket(earlier.last, earlier.end, period.start, is_whole=False),
    ]
    buckets = period.buckets(unit)
    starts = [bucket.start for bucket in buckets]
    with ThreadPoolExecutor(AT_ONCE, "review") as pool:
        flowed = pool.submit(flow.flow, db, matching, [*gap, *buckets])
        spans = [
            (
                pool.submit(reports.resolution, db, matching, span),
                pool.submit(reports.first_response, db, matching, span),
                pool.submit(reports.promises, db, matching, span, targets),
                pool.submit(reports.suggestions, db, matching, span, starts if span is period else ()),
                # Of the period before, everybody's: whoever is busy now need not have been then.
                pool.submit(reports.work, db, matching, span, limit=50 if span is period else None),
            )
            for span in (period, earlier)
        ]
        arrivals = pool.submit(reports.arrivals, db, matching, period)
        ageing = pool.submit(reports.ageing, db, matching, now.astimezone(period.timezone).date(), period.timezone)
        due = pool.submit(reports.next_due, db, matching, targets, now=now)
        whole = flowed.result()
        own = flow.Flow(
            whole.buckets[2:], whole.created[2:], whole.resolved[2:], whole.backlog[2:], backlog_before=whole.backlog[1]
        )
        current, before = (
            Figures(created, resolved, one.result(), two.result(), three.result(), four.result(), five.result())
            for created, resolved, (one, two, three, four, five) in (
                (sum(own.created), sum(own.resolved), spans[0]),
                (whole.created[0], whole.resolved[0], spans[1]),
            )
        )
        return Review(own, current, before, arrivals.result(), ageing.result(), due.result())
