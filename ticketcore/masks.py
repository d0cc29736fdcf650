"""A `TicketFilter` as a choice among the rows of a mirror: the same tickets as its SQL condition names."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ticketcore import finds
from ticketcore.database import Database
from ticketcore.filters import Sort, TicketFilter
from ticketcore.mirror import view
from ticketcore.models import Category, Priority, Status
from ticketcore.orders import NEVER, Moments, picking
from ticketcore.rows import NOBODY, SHAPE, Cube, Rows, View, moment

Mask = npt.NDArray[np.bool_]

_CODED = ("assignee", "suggestion_source", "suggested_category")


@dataclass(frozen=True)
class Selection:
    """The tickets of a view that a filter names; `texts` are the ids of those with the text it asks for."""

    view: View
    matching: TicketFilter
    texts: Moments | None = None

    def of(self, matching: TicketFilter) -> "Selection":
        """Those that another filter names, with the same text."""
        return self if matching == self.matching else replace(self, matching=matching)

    @cached_property
    def parts(self) -> tuple[tuple[Rows, Mask | None], ...]:
        """Rows of tickets, and which of them the filter names; all of them where that is None."""
        return tuple(self._parts())

    @cached_property
    def cube(self) -> Cube:
        """How many there are of each category, priority and status."""
        if self.texts is None and self.matching.is_of_facets_alone:
            admitted, every = self.view.admitted(dict(self.matching.facets())), self.view.cube
            return Cube(np.where(admitted, every.numbers, 0), np.where(admitted, every.first, NEVER))
        base, beside = (rows.cube if found is None else rows.cube_of(picking(found)) for rows, found in self.parts)
        return Cube(base.numbers + beside.numbers, np.minimum(base.first, beside.first))

    def _parts(self) -> Iterator[tuple[Rows, Mask | None]]:
        for rows, current in ((self.view.base, self.view.is_current), (self.view.beside, None)):
            found = current
            for condition in _conditions(self.view, rows, self.matching):
                found = condition if found is None else condition & found
            if self.texts is not None:
                has = np.zeros(len(rows), dtype=np.bool_)
                has[rows.places(self.texts)] = True
                found = has if found is None else has & found
            yield rows, found


def selection(db: Database, matching: TicketFilter) -> Selection | None:
    """Those that the filter names now; None if it asks for what is not in memory: the clock on the wall, a common text.

    Raises:
        DatabaseUnavailable: the database is away, or took too long.
    """
    if matching.weekday or matching.hour:
        return None
    now = view(db)
    if not matching.search:
        return Selection(now, matching)
    texts = finds.ids(db, matching.search)
    return None if texts is None else Selection(now, matching, texts)


def _conditions(view: View, rows: Rows, matching: TicketFilter) -> Iterator[Mask]:
    if matching.has_facets:
        yield view.admitted(dict(matching.facets()))[rows.cell]
    for name in _CODED:
        if chosen := getattr(matching, name):
            yield view.codes[name].known(chosen)[rows[name]]
    for name in ("created", "resolved"):
        begin, end = (getattr(matching, f"{name}_{edge}") for edge in ("from", "to"))
        moments = rows[f"{name}_at"]
        if begin:
            yield (moments >= moment(begin)) & (moments != NEVER)
        if end:
            yield moments < moment(end)
    if matching.responded is not None:
        yield (rows["first_response_at"] != NEVER) == matching.responded
    for name in ("category", "priority"):
        if (kept := getattr(matching, f"{name}_kept")) is not None:
            suggested = rows[f"suggested_{name}"]
            yield (suggested != NOBODY) & ((suggested == rows[name]) == kept)
    if matching.due_from or matching.due_to or matching.target_met is not None:
        yield _due(view, rows, matching)
    if matching.unsettled_at:
        at = moment(matching.unsettled_at)
        taken_back = (rows.reopened.at >= at) & (rows.reopened.settled_at < at)
        unsettled = (rows["created_at"] < at) & (rows["resolved_at"] >= at)
        unsettled[rows.reopened_places[taken_back]] = False
        yield unsettled


def _due(view: View, rows: Rows, matching: TicketFilter) -> Mask:
    """Whether the target time is in the range, and was met or not; it is neither where there is no target."""
    spans = np.full(len(view.codes["priority"].values), -1, dtype=np.int64)
    for priority, target in matching.targets().items():
        spans[view.codes["priority"].code(priority.value)] = target // timedelta(microseconds=1)
    span = spans[rows["priority"]]
    due, found = rows["created_at"] + span, span >= 0
    if matching.due_from:
        found &= due >= moment(matching.due_from)
    if matching.due_to:
        found &= due < moment(matching.due_to)
    if matching.target_met is not None:
        found &= (rows["resolved_at"] <= due) == matching.target_met
    return found


def count(selected: Selection) -> int:
    """How many tickets there are."""
    if selected.texts is None and selected.matching.is_of_facets_alone:
        return int(selected.cube.numbers.sum())
    return sum(len(rows) if found is None else int(np.count_nonzero(found)) for rows, found in selected.parts)


def page(selected: Selection, sort: Sort, *, limit: int, offset: int) -> list[int]:
    """The ids of at most `limit` tickets after the first `offset` in that order; as `listing.order` has it."""
    parts = [(rows, slice(None) if found is None else np.flatnonzero(found)) for rows, found in selected.parts]
    ids, created, priority = (
        np.concatenate([rows[name][places] for rows, places in parts]).astype(np.int64)
        for name in ("id", "created_at", "priority")
    )
    keys = {
        Sort.NEWEST: (-ids, -created),
        Sort.OLDEST: (ids, created),
        Sort.SEVEREST: (-ids, -created, -priority),
    }
    order = np.lexsort(keys[sort])[offset : offset + limit]
    found: list[int] = ids[order].tolist()
    return found


def facets(selected: Selection) -> tuple[dict[tuple[Category, Priority, Status], int], int]:
    """How many tickets there are of each combination, and the moment of the first; `NEVER` for none."""
    numbers, first = selected.cube.numbers.reshape(SHAPE)[1:, 1:, 1:], selected.cube.first
    each = zip(itertools.product(Category, Priority, Status), numbers.ravel().tolist(), strict=True)
    return dict(each), int(first.min())
