"""Changing many tickets at once, and taking it back: all of them in one transaction, by one statement, or none."""

import enum
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, Field
from sqlalchemy.dialects.postgresql import ARRAY

from ticketcore import listing
from ticketcore.access import Role
from ticketcore.database import Database
from ticketcore.errors import InvalidInput
from ticketcore.filters import TicketFilter
from ticketcore.models import Source, TicketChanges
from ticketcore.schema import LARGEST_ID, tickets
from ticketcore.tickets import check_duplicate

MOST = 1_000
"""Tickets that can be changed at once."""


class Outcome(enum.StrEnum):
    """What became of a ticket: `unchanged` is one that was like this already, `stale` one that has moved on since."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    STALE = "stale"


class Result(BaseModel):
    """What became of one ticket."""

    id: int = Field(description="The ticket's number", examples=[42])
    outcome: Outcome = Field(description="Whether it was changed", examples=["changed"])
    version: int | None = Field(description="The ticket's version now; null if there is no such ticket", examples=[3])
    before: dict[str, str | int | None] | None = Field(
        None, description="What the changed fields were; null if nothing was changed", examples=[{"status": "open"}]
    )


@dataclass(frozen=True)
class Preview:
    """What a change would do: how many tickets are meant, how many would change, and from what."""

    chosen: int
    changing: int
    values: dict[str, Counter[str | None]]
    """For each field that is named, the values that would be replaced, and in how many tickets."""


def update(
    db: Database,
    chosen: Sequence[int] | TicketFilter,
    changes: TicketChanges,
    *,
    source: Source,
    actor: str | None = None,
) -> list[Result]:
    """What became of each ticket: in the order of the ids, each once, or newest first for a filter.

    The rows are locked in the order of their ids first, so two that overlap wait for each other and never in a ring.

    Raises:
        Forbidden: a lead changes many tickets at once.
        InvalidInput: `ids` are, or `filter` matches, more than 1,000 tickets, or they cannot be duplicates of what
            they should be; nothing was changed.
    """
    db.demand(Role.LEAD)
    values = changes.named()
    rows = _rows(chosen, values)
    with db.write(source, actor) as connection:
        locked = connection.execute(rows.order_by(tickets.c.id).with_for_update(of=tickets)).all()
        too_many = bool(locked) and locked[0].found > MOST
        is_idle = too_many or not values
        if not is_idle:
            check_duplicate(db, [row.id for row in locked], changes)
        changed = [] if is_idle else connection.execute(_change(values, [row.id for row in locked])).all()
    before = {row.id: row for row in locked}
    now = {row.id: row.version for row in changed}
    if not isinstance(chosen, TicketFilter):
        return [_result(number, before.get(number), now.get(number), values) for number in dict.fromkeys(chosen)]
    if too_many:
        raise _too_many(db, chosen)
    newest = sorted(locked, key=lambda row: (row.created_at, row.id), reverse=True)
    return [_result(row.id, row, now.get(row.id), values) for row in newest]


def preview(db: Database, chosen: Sequence[int] | TicketFilter, changes: TicketChanges) -> Preview:
    """What `update` would do now; changes nothing.

    Raises:
        InvalidInput: as `update` does.
    """
    db.demand(Role.LEAD)
    values = changes.named()
    with db.read() as connection:
        rows = connection.execute(_rows(chosen, values)).all()
    if isinstance(chosen, TicketFilter) and rows and rows[0].found > MOST:
        raise _too_many(db, chosen)
    check_duplicate(db, [row.id for row in rows], changes)
    replaced = {
        name: Counter(getattr(row, name) for row in rows if getattr(row, name) != values[name]) for name in values
    }
    changing = sum(any(getattr(row, name) != value for name, value in values.items()) for row in rows)
    return Preview(len(rows), changing, replaced)


def undo(db: Database, results: Sequence[Result], *, source: Source, actor: str | None = None) -> list[Result]:
    """What became of each ticket that `results` tells as changed: as it was before, unless it was changed since.

    Raises:
        DatabaseUnavailable: the database is away; nothing was changed.
    """
    db.demand(Role.LEAD)
    undone = [result for result in results if result.before]
    if not undone:
        return []
    names = list(undone[0].before or {})
    columns = {"id": [result.id for result in undone], "version": [result.version for result in undone]}
    columns |= {name: [(result.before or {})[name] for result in undone] for name in names}
    given = (
        sa.func.unnest(*(sa.literal(values, ARRAY(tickets.c[name].type)) for name, values in columns.items()))
        .table_valued(*(sa.column(name, tickets.c[name].type) for name in columns))
        .render_derived("given")
    )
    is_meant = (tickets.c.id == given.c.id) & (tickets.c.version == given.c.version)
    statement = sa.update(tickets).where(is_meant).values({name: given.c[name] for name in names})
    with db.write(source, actor) as connection:
        # Locked in the order of their ids, as in `update`.
        connection.execute(
            sa.select(1)
            .where(tickets.c.id == _any([result.id for result in undone]))
            .order_by(tickets.c.id)
            .with_for_update()
        )
        changed = {
            row.id: row.version for row in connection.execute(statement.returning(tickets.c.id, tickets.c.version))
        }
    return [
        Result(id=result.id, outcome=Outcome.CHANGED if result.id in changed else Outcome.STALE,
               version=changed.get(result.id, result.version))
        for result in undone
    ]  # fmt: skip


_places = sa.select(tickets.c.id, tickets.c.created_at, tickets.c.version)


def _rows(chosen: Sequence[int] | TicketFilter, values: dict[str, object]) -> sa.Select[Any]:
    rows = _matching(chosen) if isinstance(chosen, TicketFilter) else _numbered(chosen)
    return rows.add_columns(*(tickets.c[name] for name in values))


def _too_many(db: Database, matching: TicketFilter) -> InvalidInput:
    found = listing.count(db, matching)
    return InvalidInput({"filter": f"matches {found} tickets; at most {MOST:,} can be changed at once"})


def _numbered(ids: Sequence[int]) -> sa.Select[Any]:
    chosen = set(ids)
    if len(chosen) > MOST:
        raise InvalidInput({"ids": f"are {len(chosen):,} tickets; at most {MOST:,} can be changed at once"})
    possible = [number for number in chosen if 1 <= number <= LARGEST_ID]
    return _places.add_columns(sa.literal(0).label("found")).where(tickets.c.id == _any(possible))


def _matching(matching: TicketFilter) -> sa.Select[Any]:
    """The tickets that match, as far as they may be changed, each beside how many there are, counted to one more.

    They are found first, by whatever index fits the filter, and looked at again: one that was changed while its lock
    was waited for may match no longer.
    """
    found = sa.select(tickets.c.id).where(*matching.where()).limit(MOST + 1).cte("found")
    number = sa.select(sa.func.count()).select_from(found).scalar_subquery()
    is_found = tickets.c.id.in_(sa.select(found.c.id))
    return _places.add_columns(number.label("found")).where(is_found, *matching.where())


def _change(values: dict[str, object], ids: list[int]) -> sa.Update:
    """The one statement: it passes over tickets that are like this already."""
    differs = sa.or_(*(tickets.c[name].is_distinct_from(value) for name, value in values.items()))
    statement = sa.update(tickets).where(tickets.c.id == _any(ids), differs)
    return statement.values(values).returning(tickets.c.id, tickets.c.version)


def _any(ids: list[int]) -> Any:
    return sa.any_(sa.literal(ids, ARRAY(sa.BigInteger)))


def _result(number: int, before: sa.Row[Any] | None, after: int | None, values: Iterable[str]) -> Result:
    if before is None:
        return Result(id=number, outcome=Outcome.NOT_FOUND, version=None)
    if after is None:
        return Result(id=number, outcome=Outcome.UNCHANGED, version=before.version)
    was = {name: getattr(before, name) for name in values}
    return Result(id=number, outcome=Outcome.CHANGED, version=after, before=was)
