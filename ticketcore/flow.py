"""What came, what went and what was there: tickets created and resolved, and the backlog, from the history."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.models import UNSETTLED
from ticketcore.period import Bucket
from ticketcore.schema import IS_REOPENING, IS_SETTLING, ticket_events, tickets

_t, _e = tickets.c, ticket_events.c


@dataclass(frozen=True)
class Flow:
    """How many tickets were created and resolved in each bucket, and how many were unsettled at its end.

    A ticket is resolved when it last became settled; one that was reopened and is open is not. The backlog is a stock
    from the history: the tickets created before, without those that were settled and not reopened by then.
    """

    buckets: list[Bucket]
    created: list[int]
    resolved: list[int]
    backlog: list[int]
    backlog_before: int
    """At the beginning of the first bucket."""


def flow(db: Database, matching: TicketFilter, buckets: Sequence[Bucket]) -> Flow:
    """What came, what went, and what was there, bucket by bucket; there has to be one.

    The backlog is counted back from now, so that only what happened since the first bucket is read: creations, last
    settlings, and for each reopening the settling that it took back.
    """
    bounds = [*(bucket.start for bucket in buckets), buckets[-1].end]
    again = ticket_events.alias("again")
    taken_back = sa.select(sa.func.max(again.c.at)).where(
        again.c.ticket_id == _e.ticket_id, again.c.id < _e.id, IS_SETTLING
    )
    trips = (
        sa.select(_e.at, taken_back.scalar_subquery().label("settled_at"))
        .join(tickets, _t.id == _e.ticket_id)
        .where(IS_REOPENING, _e.at >= bounds[0], *matching.whenever())
    )
    unsettled = sa.select(sa.func.count()).select_from(tickets).where(_t.status.in_(UNSETTLED), *matching.whenever())
    with db.view() as connection:
        created = _counted(connection, _t.created_at, matching, bounds)
        resolved = _counted(connection, _t.resolved_at, matching, bounds)
        now = connection.scalar(unsettled) or 0
        steps = [came - went for came, went in zip(created, resolved, strict=True)]
        for reopened_at, settled_at in connection.execute(trips):
            steps[bisect_right(bounds, reopened_at) - 1] += 1
            if settled_at and settled_at >= bounds[0]:
                steps[bisect_right(bounds, settled_at) - 1] -= 1
    backlog = [now]
    for step in reversed(steps):
        backlog.append(backlog[-1] - step)
    before, *ends = reversed(backlog[1:])
    return Flow(list(buckets), created[:-1], resolved[:-1], ends, before)


def _counted(
    connection: sa.Connection, column: sa.Column[Any], matching: TicketFilter, bounds: Sequence[datetime]
) -> list[int]:
    """How many of the tickets have their time between each bound and the next, and after the last."""
    place = sa.func.width_bucket(column, sa.literal(list(bounds), ARRAY(sa.DateTime(timezone=True))))
    counted = sa.select(place, sa.func.count()).where(column >= bounds[0], *matching.whenever()).group_by(place)
    numbers: dict[int, int] = dict(connection.execute(counted.select_from(tickets)).all())
    return [numbers.get(index, 0) for index in range(1, len(bounds) + 1)]
