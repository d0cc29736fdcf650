"""Target times: a ticket is due once the time in which its priority is to be resolved has gone by since creation."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any

import numpy as np
import sqlalchemy as sa

from ticketcore.behind import due_at, written_hours
from ticketcore.cells import cut
from ticketcore.database import Readable
from ticketcore.filters import TicketFilter
from ticketcore.masks import Selection
from ticketcore.models import UNSETTLED, Priority
from ticketcore.period import Period
from ticketcore.rows import as_time, moment
from ticketcore.schema import tickets

Due = tuple[int, str, Priority, datetime]
"""A ticket's id, title, priority and when it is due."""

_t = tickets.c


def due_in(
    matching: TicketFilter, period: Period, targets: Mapping[Priority, timedelta], **conditions: Any
) -> TicketFilter:
    """The tickets of a filter whose target time lies in the period."""
    return matching.behind_figure(
        due_from=period.start, due_to=period.end, target_hours=_written(targets), **conditions
    )


def _written(targets: Mapping[Priority, timedelta]) -> str:
    return written_hours({priority: target / timedelta(hours=1) for priority, target in targets.items()})


def next_due(
    db: Readable,
    matching: TicketFilter,
    selected: Selection | None,
    targets: Mapping[Priority, timedelta],
    *,
    now: datetime,
    limit: int = 10,
) -> list[Due]:
    """The unsettled tickets that will miss their target next, the soonest first.

    From memory, if the filter's tickets are `selected` there, or else from the database.
    """
    if selected:
        return _next_due(db, selected.of(matching.behind_figure()), targets, now, limit)
    due = due_at(targets).label("due_at")
    found = (
        sa.select(_t.id, _t.title, _t.priority, due)
        .where(
            _t.status.in_(UNSETTLED), due_at(targets) >= now,
            _t.created_at >= now - max(targets.values(), default=timedelta()),  # which an index knows
            *matching.behind_figure().where(),
        )
        .order_by(due, _t.id)
        .limit(limit)
    )  # fmt: skip
    with db.read() as connection:
        return [(row.id, row.title, row.priority, row.due_at) for row in connection.execute(found)]


def _next_due(
    db: Readable, selected: Selection, targets: Mapping[Priority, timedelta], now: datetime, limit: int
) -> list[Due]:
    coming: list[tuple[int, int, Priority]] = []
    for cell in cut(selected, ("category", "priority"), ("resolved_at", "created_at", "id"), since=None):
        if target := targets.get(cell.common.priority):
            due = cell["created_at"] + target // timedelta(microseconds=1)
            chosen = due >= moment(now)
            due, ids = due[chosen], cell["id"][chosen]
            if len(due) > limit:
                soon = due <= np.partition(due, limit - 1)[limit - 1]
                due, ids = due[soon], ids[soon]
            coming += zip(due.tolist(), ids.tolist(), repeat(cell.common.priority))
    soonest = sorted(coming)[:limit]
    if not soonest:
        return []
    with db.read() as connection:
        found = sa.select(_t.id, _t.title).where(_t.id.in_([number for _, number, _ in soonest]))
        titles = {row.id: row.title for row in connection.execute(found)}
    return [(number, titles[number], priority, as_time(due)) for due, number, priority in soonest if number in titles]
