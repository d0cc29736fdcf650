"""What the stats page draws of a period: a table for each figure, in which every number has a link to its tickets.

Pure functions of a review. The page draws them and the workbook holds them, so screen and file cannot differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa

from ticketcore import reports
from ticketcore.behind import WEEKDAYS
from ticketcore.database import Database
from ticketcore.due import due_in
from ticketcore.filters import TicketFilter
from ticketcore.kept import Kept
from ticketcore.models import UNSETTLED, Category, Priority
from ticketcore.period import Period, Unit, midnight
from ticketcore.reports import Spread, created_in, resolved_in
from ticketcore.review import Review, review
from ticketcore.ui import links
from ticketcore.ui.links import narrowed
from ticketcore.ui.words import label

FEW = 20
"""Below so many tickets a median or a share says little, and is marked."""


@dataclass(frozen=True)
class Shown:
    """A review, and what it is of."""

    review: Review
    matching: TicketFilter
    period: Period
    targets: dict[Priority, timedelta]

    def tables(self) -> dict[str, pa.Table]:
        """Every table, by name; each is made once."""
        return {name: getattr(self, name) for name, what in vars(Shown).items() if isinstance(what, cached_property)}

    def link(self, behind: TicketFilter, number: int, **conditions: Any) -> str | None:
        """Where that number of tickets, which are those of the filter with these conditions, is listed; None for none.

        A page has hundreds of links: to write one takes half as long as to make its filter.
        """
        return links.address(behind, self.period.timezone, **conditions) if number else None

    @cached_property
    def flow(self) -> pa.Table:
        """first day, whole, what (Created or Resolved), number, link: two rows for each bucket."""
        rows = []
        flowed, behind = self.review.flow, self.matching.behind_figure()
        for bucket, created, resolved in zip(flowed.buckets, flowed.created, flowed.resolved, strict=True):
            for what, number in (("created", created), ("resolved", resolved)):
                link = self.link(behind, number, **{f"{what}_from": bucket.start, f"{what}_to": bucket.end})
                rows.append((bucket.first, bucket.is_whole, label(what), number, link))
        return _table(rows, "first", "whole", "what", "number", "link")

    @cached_property
    def backlog(self) -> pa.Table:
        """first day of the bucket, whole, number of tickets at its end, link."""
        behind = self.matching.behind_figure()
        rows = [
            (bucket.first, bucket.is_whole, number, self.link(behind, number, unsettled_at=bucket.end))
            for bucket, number in zip(self.review.flow.buckets, self.review.flow.backlog, strict=True)
        ]
        return _table(rows, "first", "whole", "number", "link")

    @cached_property
    def resolution(self) -> pa.Table:
        """by (Priority or Category), value, p50, p90 in hours, number, link, p50 before, whole (not few)."""
        return self._spreads("resolution", resolved_in(self.matching, self.period))

    @cached_property
    def response(self) -> pa.Table:
        """by (Priority or Category), value, p50, p90 in hours, number, link, p50 before, whole (not few)."""
        return self._spreads("response", created_in(self.matching, self.period, responded=True))

    def _spreads(self, of: str, behind: TicketFilter) -> pa.Table:
        now, before = getattr(self.review.now, of), getattr(self.review.before, of)
        rows = []
        for kind, values in (("priority", reversed(Priority)), ("category", Category)):
            for value in values:
                one: Spread = now[value]
                link = self.link(narrowed(behind, **{kind: value}), one.number)
                row = (label(kind), label(value), one.p50, one.p90, one.number, link, before[value].p50)
                rows.append((*row, one.number >= FEW))
        return _table(rows, "by", "value", "p50", "p90", "number", "link", "before", "whole")

    @cached_property
    def promises(self) -> pa.Table:
        """priority, hours, due, met, missed, share, that before, a link for each of the three: most severe first."""
        rows = []
        for priority, one in reversed(self.review.now.promises.items()):
            behind = narrowed(due_in(self.matching, self.period, self.targets), priority=priority)
            met, missed = (behind.model_copy(update={"target_met": answer}) for answer in (True, False))
            earlier = self.review.before.promises[priority]
            rows.append({
                "priority": label(priority), "hours": self.targets[priority] / timedelta(hours=1), "due": one.due,
                "met": one.met, "missed": one.due - one.met, "share": share(one.met, one.due),
                "before": share(earlier.met, earlier.due),
                "due_link": self.link(behind, one.due), "met_link": self.link(met, one.met),
                "missed_link": self.link(missed, one.due - one.met),
            })  # fmt: skip
        return pa.Table.from_pylist(rows)

    @cached_property
    def ages(self) -> pa.Table:
        """age, priority, number, link: the oldest first."""
        today = self.period.now.astimezone(self.period.timezone).date()
        rows = []
        for place, (first, last) in reversed(list(enumerate(reports.ages(today)))):
            days = {"created_from": self._midnight(first) if first else None}
            days |= {"created_to": self._midnight(last + timedelta(days=1)) if place else None}
            for priority in reversed(Priority):
                behind = narrowed(self.unsettled(), priority=priority).model_copy(update=days)
                number = self.review.ageing[place, priority]
                rows.append((_age(place), label(priority), number, self.link(behind, number)))
        return _table(rows, "age", "priority", "number", "link")

    def _midnight(self, day: date) -> datetime:
        return midnight(day, self.period.timezone)

    def unsettled(self) -> TicketFilter:
        """The tickets of the filter on which there is work to do, whenever they were created."""
        return narrowed(self.matching.behind_figure(), status=UNSETTLED)

    @cached_property
    def arrivals(self) -> pa.Table:
        """day, hour, number, link: 168 rows."""
        rows = []
        behind = created_in(self.matching, self.period, timezone=self.period.timezone.key)
        for day, numbers in enumerate(self.review.arrivals, start=1):
            for hour, number in enumerate(numbers):
                link = self.link(behind, number, weekday=(day,), hour=(hour,))
                rows.append((WEEKDAYS[day - 1][:3], hour, number, link))
        return _table(rows, "day", "hour", "number", "link")

    @cached_property
    def work(self) -> pa.Table:
        """assignee, unsettled, resolved, p50 in hours, the last two before, a link for each number: busiest first."""
        rows = []
        before = {one.assignee: one for one in self.review.before.work}
        for one in self.review.now.work:
            has = narrowed(self.unsettled(), assignee=one.assignee)
            did = narrowed(resolved_in(self.matching, self.period), assignee=one.assignee)
            earlier = before.get(one.assignee)
            rows.append({
                "assignee": one.assignee, "unsettled": one.unsettled, "resolved": one.resolved, "p50": one.p50,
                "resolved_before": earlier.resolved if earlier else 0, "p50_before": earlier and earlier.p50,
                "unsettled_link": self.link(has, one.unsettled), "resolved_link": self.link(did, one.resolved),
            })  # fmt: skip
        return pa.Table.from_pylist(rows)

    @cached_property
    def suggestions(self) -> pa.Table:
        """source, number, category and priority kept, their shares before, and a link for each of the three numbers."""
        rows = []
        before, behind = self.review.before.suggestions, created_in(self.matching, self.period)
        for source in self.review.now.suggestions.sources:
            found, earlier = self.review.now.suggestions.of(source), before.of(source)
            rows.append({
                "source": source, **_numbers(found), "category_before": share(earlier.category, earlier.number),
                "priority_before": share(earlier.priority, earlier.number),
                **self._kept_links(behind, found, suggestion_source=(source,)),
            })  # fmt: skip
        return pa.Table.from_pylist(rows)

    @cached_property
    def suggestions_over_time(self) -> pa.Table:
        """first day, whole and not few, source, what (Category or Priority), kept, number, share, link."""
        rows = []
        behind = self.matching.behind_figure()
        for place, source, found in self.review.now.suggestions.over_time():
            bucket = self.review.flow.buckets[place]
            span = {"created_from": bucket.start, "created_to": bucket.end}
            leading = self._kept_links(behind, found, suggestion_source=(source,), **span)
            for what, part in (("category", found.category), ("priority", found.priority)):
                row = (label(what), part, found.number, share(part, found.number), leading[f"{what}_kept_link"])
                rows.append((bucket.first, bucket.is_whole and found.number >= FEW, source, *row))
        return _table(rows, "first", "whole", "source", "what", "kept", "number", "share", "link")

    @cached_property
    def confusion(self) -> pa.Table:
        """suggested, became, number, link: the confusion matrix of the categories."""
        rows = []
        behind = created_in(self.matching, self.period)
        for suggested, became, number in self.review.now.suggestions.confusion():
            link = self.link(narrowed(behind, category=became), number, suggested_category=(suggested,))
            rows.append((label(suggested), label(became), number, link))
        return _table(rows, "suggested", "became", "number", "link")

    def _kept_links(self, behind: TicketFilter, found: Kept, **conditions: Any) -> dict[str, str | None]:
        return {
            "number_link": self.link(behind, found.number, **conditions),
            "category_kept_link": self.link(behind, found.category, **conditions, category_kept=True),
            "priority_kept_link": self.link(behind, found.priority, **conditions, priority_kept=True),
        }


def shown(
    db: Database, matching: TicketFilter, period: Period, unit: Unit, targets: dict[Priority, timedelta]
) -> Shown:
    """The review of a period that has begun, with every table.

    Raises:
        DatabaseUnavailable: the database is away, or a query ran over its time.
    """
    found = Shown(review(db, matching, period, unit, targets), matching, period, targets)
    found.tables()
    return found


def share(part: int, whole: int) -> float | None:
    """In percent; None of nothing."""
    return 100 * part / whole if whole else None


def _table(rows: Sequence[Sequence[Any]], *columns: str) -> pa.Table:
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pa.table({name: _column(name, some) for name, some in zip(columns, values, strict=True)})


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    # A day goes to the browser as a moment, which is what charts draw days from.
    return pa.array(values, pa.date32()).cast(pa.timestamp("us")) if name == "first" else pa.array(values)


def _numbers(found: Kept) -> dict[str, int]:
    return {"number": found.number, "category_kept": found.category, "priority_kept": found.priority}


def _age(place: int) -> str:
    if place == 0:
        return "Today"
    first = reports.AGES[place - 1]
    return f"{first} days and more" if place == len(reports.AGES) else f"{first}–{reports.AGES[place] - 1} days"
