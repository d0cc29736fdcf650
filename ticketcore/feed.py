"""What changed since: every ticket once, in the order of the transactions that changed it last.

A follower asks, keeps the cursor of the answer, and asks again with it, for ever. No change is missed, though
writers do not commit in the order in which they began. `changed_in` is the number of the transaction that changed
the ticket last; numbers are given out in increasing order. A ticket is shown once that number lies below
`pg_snapshot_xmin` of the query's own snapshot: then that transaction and all those before it have ended, and what is
written from now on has a number at or above it. So nothing can appear behind a cursor any more, and a ticket that is
changed again appears again, further on. The price: one long transaction, such as an import, holds back what was
changed after it began until it ends. The pattern is known from transactional outboxes: Oskar Dudycz, "How Postgres
sequences issues can impact your messaging guarantees" (event-driven.io), and the functions' chapter "Transaction ID
and Snapshot Information" of PostgreSQL's manual.

The cursor always names a ticket that was there. A cursor that ran ahead to the snapshot itself would not survive a
crash of the server, which may give out again the numbers of transactions that left nothing behind.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from ticketcore.database import Database
from ticketcore.errors import InvalidInput
from ticketcore.filters import TicketFilter
from ticketcore.models import Source
from ticketcore.schema import LARGEST_ID, tickets, whole
from ticketcore.validation import WrittenMoment, parse

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CURSOR = re.compile(r"([0-9a-f]{1,16})-(\d{1,19})-(\d{1,19})(?:-(\d{1,19})-(-?\d{1,18}))?", re.ASCII)


@dataclass(frozen=True)
class Beginning:
    """Of the tickets that were last changed in `until` or before, only those changed at or after `moment`."""

    until: int
    moment: datetime


@dataclass(frozen=True)
class Cursor:
    """A place in the order of changes: behind this ticket, as this transaction left it."""

    cluster: str
    """The database cluster whose transactions are counted: its `system_identifier` in hexadecimal digits."""
    changed_in: int
    id: int
    beginning: Beginning | None = None
    """There until the follower is through with what lay before its first question."""

    def __str__(self) -> str:
        place = f"{self.cluster}-{self.changed_in}-{self.id}"
        if self.beginning is None:
            return place
        return f"{place}-{self.beginning.until}-{(self.beginning.moment - EPOCH) // timedelta(microseconds=1)}"


@dataclass(frozen=True)
class Changes:
    """Rows that begin with the fields of `Ticket`, the one that was changed first at the head, and where to go on."""

    tickets: list[sa.Row[Any]]
    cursor: Cursor


def since(db: Database, place: str, matching: TicketFilter, *, limit: int) -> Changes:
    """At most `limit` tickets that were changed since `place`: a time with its offset, or the text of a cursor.

    A time is where to begin: with tickets whose `updated_at` is not before it. The filter applies to tickets as
    they are now; a ticket that leaves it is not told.

    Raises:
        InvalidInput: `updated_since` is neither a time nor a cursor, or is one of another database cluster.
    """
    start = _cursor(place) or _begin(place)
    with db.read() as connection:
        rows = connection.execute(_changes(start, matching, limit)).all()
    first = rows[0]
    if isinstance(start, datetime):
        start = Cursor(first.cluster, 0, 0, Beginning(first.last_changed_in, start))
    elif start.cluster != first.cluster or start.changed_in >= first.xid:
        message = "is a cursor of another database, as after a move or a restored backup; start again from a time"
        raise InvalidInput({"updated_since": message})
    found = [row for row in rows if row.id is not None]
    return Changes(found, _next(start, found, first, limit))


def _next(start: Cursor, found: list[Any], first: Any, limit: int) -> Cursor:
    if len(found) == limit:
        changed_in, number = found[-1].changed_in, found[-1].id
    else:  # all there was: the next question need not look through it again
        changed_in, number = max((start.changed_in, start.id), (first.last_changed_in, first.last_id))
    beginning = start.beginning if start.beginning and changed_in <= start.beginning.until else None
    if len(found) < limit:
        beginning = None
    return Cursor(start.cluster, changed_in, number, beginning)


def _changes(start: Cursor | datetime, matching: TicketFilter, limit: int) -> sa.Select[Any]:
    """The tickets, each beside the cluster and the last place that is shown; one row without a ticket if there is none.

    One statement, so one snapshot: were the bound read before the rows, nothing would be lost, but were it read
    after them, a transaction that ended in between would be taken for seen.
    """
    snapshot = sa.func.pg_current_snapshot()
    bound = (
        sa.select(
            _number(sa.func.pg_snapshot_xmin(snapshot)).label("xid"),
            sa.func.to_hex(sa.column("system_identifier", sa.BigInteger)).label("cluster"),
        )
        .select_from(sa.func.pg_control_system())
        .cte("bound")
    )
    settled = tickets.c.changed_in < bound.c.xid
    last = (
        sa.select(tickets.c.changed_in, tickets.c.id)
        .where(settled)
        .order_by(tickets.c.changed_in.desc(), tickets.c.id.desc())
        .limit(1)
        .correlate(bound)
        .lateral("last")
    )
    follows: sa.ColumnElement[bool]
    if isinstance(start, datetime):
        follows = tickets.c.updated_at >= start
    else:
        follows = sa.tuple_(tickets.c.changed_in, tickets.c.id) > sa.tuple_(start.changed_in, start.id)
        if start.beginning:
            follows &= (tickets.c.changed_in > start.beginning.until) | (tickets.c.updated_at >= start.beginning.moment)
    page = (
        sa.select(*whole, tickets.c.changed_in)
        .where(settled, follows, *matching.where())
        .order_by(tickets.c.changed_in, tickets.c.id)
        .limit(limit)
        .correlate(bound)
        .lateral("page")
    )
    return (
        sa.select(
            *page.c,
            bound,
            sa.func.coalesce(last.c.changed_in, 0).label("last_changed_in"),
            sa.func.coalesce(last.c.id, 0).label("last_id"),
        )
        .select_from(bound.outerjoin(last, sa.true()).outerjoin(page, sa.true()))
        .order_by(page.c.changed_in, page.c.id)
    )


def _number(xid: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.cast(sa.cast(xid, sa.Text), sa.BigInteger)


def rebase(db: Database) -> int:
    """How many tickets were put at the beginning of the order of changes: those changed "in the future".

    A dump carries the transaction numbers of the cluster it was made in; in a younger cluster, such tickets would
    be held back until its own numbers get there. Nothing else about the tickets changes, and nothing is recorded.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    is_ahead = tickets.c.changed_in >= _number(sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot()))
    with db.read() as connection:
        if not connection.scalar(sa.select(sa.exists().where(is_ahead))):
            return 0
    with db.write(Source.IMPORT, unlimited=True) as connection:
        # Whoever writes meanwhile would have a number above that of this snapshot, and lose it.
        connection.execute(sa.text("lock table tickets in share row exclusive mode"))
        return connection.execute(sa.update(tickets).where(is_ahead).values(changed_in=0)).rowcount


def _cursor(text: str) -> Cursor | None:
    found = CURSOR.fullmatch(text)
    if not found:
        return None
    changed_in, number, until, moment = map(int, found.group(2, 3, 4, 5) if found[4] else (*found.group(2, 3), 0, 0))
    if max(changed_in, number, until) > LARGEST_ID:
        return None
    try:
        beginning = Beginning(until, EPOCH + timedelta(microseconds=moment)) if found[4] else None
    except OverflowError:
        return None
    return Cursor(found[1], changed_in, number, beginning)


class _Start(BaseModel):
    updated_since: WrittenMoment


def _begin(text: str) -> datetime:
    try:
        return parse(_Start, {"updated_since": text}).updated_since
    except InvalidInput:
        message = "must be a time with its offset, such as 2026-05-01T08:00:00Z, or the cursor of an earlier answer"
        raise InvalidInput({"updated_since": message}) from None
