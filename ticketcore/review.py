"""Everything about a period and the equally long one before, at once: the figures of `flow` and `reports`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ticketcore import masks, reports
from ticketcore.database import Database
from ticketcore.due import Due, next_due
from ticketcore.filters import TicketFilter
from ticketcore.flow import Flow, flow
from ticketcore.gathering import Gathered, gathered
from ticketcore.kept import Suggestions, suggestions
from ticketcore.models import Category, Priority
from ticketcore.period import Period, Unit
from ticketcore.reports import Promise, Spread, Work


@dataclass(frozen=True)
class Figures:
    """What is compared between a period and the one before."""

    created: int
    resolved: int
    resolution: dict[Priority | Category | None, Spread]
    response: dict[Priority | Category | None, Spread]
    promises: dict[Priority, Promise]
    suggestions: Suggestions
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
    next_due: list[Due]


def review(
    db: Database, matching: TicketFilter, period: Period, unit: Unit, targets: Mapping[Priority, timedelta]
) -> Review:
    """The review of a period that has begun.

    Raises:
        DatabaseUnavailable: the database is away, or a query ran over its time.
    """
    if selected := masks.selection(db, matching):
        return _review(db, matching, selected, period, unit, targets)
    return db.aside(lambda there: _review(there, matching, None, period, unit, targets))


def _review(
    db: Database,
    matching: TicketFilter,
    selected: masks.Selection | None,
    period: Period,
    unit: Unit,
    targets: Mapping[Priority, timedelta],
) -> Review:
    earlier, now = period.before(), period.now
    longest = max(targets.values(), default=timedelta())
    buckets = period.buckets(unit)
    with gathered(db, matching, earlier.start, selected=selected, margin=longest) as found:
        current = _figures(found, period, targets, [bucket.start for bucket in buckets], limit=50)
        # Of the period before, everybody's work: whoever is busy now need not have been then.
        before = _figures(found, earlier, targets, limit=None)
        return Review(
            flow(found, buckets),
            current,
            before,
            reports.arrivals(found, period),
            reports.ageing(found, now.astimezone(period.timezone).date(), period.timezone),
            db.aside(lambda there: next_due(there, matching, selected, targets, now=now)),
        )


def _figures(
    found: Gathered,
    span: Period,
    targets: Mapping[Priority, timedelta],
    bounds: Sequence[datetime] = (),
    *,
    limit: int | None,
) -> Figures:
    # What takes longest is counted beside the others; work first of these, because its reading is over soon.
    resolution, response = (found.beside(figure, span) for figure in (reports.resolution, reports.first_response))
    work = reports.work(found, span, limit=limit)
    return Figures(
        created=reports.happened(found.created, "created_at", span),
        resolved=reports.happened(found.resolved, "resolved_at", span),
        promises=reports.promises(found, span, targets),
        suggestions=suggestions(found, span, bounds),
        work=work,
        resolution=resolution(),
        response=response(),
    )
