"""What came, what went and what was there: tickets created and resolved, and the backlog, from the history."""

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
from ticketcore.schema import IS_REOPENING, ticket_events, tickets

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
    settlings, and reopenings, each of which took an earlier settling back.
    """
    bounds = [*(bucket.start for bucket in buckets), buckets[-1].end]
    whenever = matching.behind_figure().where()
    unsettled = sa.select(sa.func.count()).select_from(tickets).where(_t.status.in_(UNSETTLED), *whenever)
    with db.view() as connection:
        created, resolved = (
            _counted(connection, column, bounds, tickets, whenever) for column in (_t.created_at, _t.resolved_at)
        )
        events = ticket_events.join(tickets, _t.id == _e.ticket_id) if whenever else ticket_events
        reopened, taken_back = (
            _counted(connection, column, bounds, events, [IS_REOPENING, *whenever]) for column in (_e.at, _e.settled_at)
        )
        now = connection.scalar(unsettled) or 0
    backlog = [now]
    for came, went, again, undone in reversed(list(zip(created, resolved, reopened, taken_back, strict=True))):
        backlog.append(backlog[-1] - (came - went + again - undone))
    before, *ends = reversed(backlog[1:])
    return Flow(list(buckets), created[:-1], resolved[:-1], ends, before)


def _counted(
    connection: sa.Connection,
    column: sa.Column[Any],
    bounds: Sequence[datetime],
    source: sa.FromClause,
    conditions: Sequence[sa.ColumnElement[bool] | sa.TextClause],
) -> list[int]:
    """How many rows have their time between each bound and the next, and after the last."""
    place = sa.func.width_bucket(column, sa.literal(list(bounds), ARRAY(sa.DateTime(timezone=True)))).label("place")
    counted = sa.select(place, sa.func.count()).select_from(source).where(column >= bounds[0], *conditions)
    numbers: dict[int, int] = dict(connection.execute(counted.group_by("place")).all())
    return [numbers.get(index, 0) for index in range(1, len(bounds) + 1)]
