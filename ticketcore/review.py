"""Everything about a period and the equally long one before, at once: the figures of `flow` and `reports`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ticketcore import reports
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.flow import Flow, flow
from ticketcore.gathering import Gathered, gathered
from ticketcore.models import Category, Priority
from ticketcore.period import Bucket, Period, Unit
from ticketcore.reports import Promise, Spread, Work


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

    flow: Flow
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
    longest = max(targets.values(), default=timedelta())
    with gathered(db, matching, earlier.start, margin=longest) as found:
        resolving, responding = (found.beside(of, period) for of in (reports.resolution, reports.first_response))
        # First what is counted from readings that are over soon.
        ageing = reports.ageing(found, now.astimezone(period.timezone).date(), period.timezone)
        resolution_before = reports.resolution(found, earlier)
        work = reports.work(found, period)
        # Everybody's: whoever is busy now need not have been then.
        work_before = reports.work(found, earlier, limit=None)
        own, (created_before, resolved_before) = _flow(found, period, unit)
        starts = [bucket.start for bucket in own.buckets]
        promises = reports.promises(found, period, targets)
        suggestions = reports.suggestions(found, period, starts)
        return Review(
            own,
            Figures(
                sum(own.created),
                sum(own.resolved),
                resolution=resolving.result(),
                response=responding.result(),
                promises=promises,
                suggestions=suggestions,
                work=work,
            ),
            Figures(
                created_before,
                resolved_before,
                resolution_before,
                reports.first_response(found, earlier),
                reports.promises(found, earlier, targets),
                reports.suggestions(found, earlier),
                work_before,
            ),
            reports.arrivals(found, period),
            ageing,
            reports.next_due(db, matching, targets, now=now),
        )


def _flow(found: Gathered, period: Period, unit: Unit) -> tuple[Flow, tuple[int, int]]:
    """The flow of the period, and how many were created and resolved in the one before.

    One walk through time: the period before, what lies between the two, and the period's own buckets.
    """
    earlier = period.before()
    gap = [
        Bucket(earlier.first, earlier.start, earlier.end, is_whole=False),
        Bucket(earlier.last, earlier.end, period.start, is_whole=False),
    ]
    whole = flow(found, [*gap, *period.buckets(unit)])
    own = Flow(
        whole.buckets[2:], whole.created[2:], whole.resolved[2:], whole.backlog[2:], backlog_before=whole.backlog[1]
    )
    return own, (whole.created[0], whole.resolved[0])
