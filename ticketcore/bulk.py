"""Changing many tickets at once: all of them in one transaction, by one statement, or none."""

import enum
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, Field
from sqlalchemy.dialects.postgresql import ARRAY

from ticketcore import listing
from ticketcore.database import Database
from ticketcore.errors import InvalidInput
from ticketcore.filters import TicketFilter
from ticketcore.models import Source, TicketChanges
from ticketcore.schema import LARGEST_ID, tickets
from ticketcore.tickets import check_duplicate

MOST = 1_000
"""Tickets that can be changed at once."""


class Outcome(enum.StrEnum):
    """What became of a ticket: `unchanged` is one that was like this already."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"


class Result(BaseModel):
    """What became of one ticket."""

    id: int = Field(description="The ticket's number", examples=[42])
    outcome: Outcome = Field(description="Whether it was changed", examples=["changed"])
    version: int | None = Field(description="The ticket's version now; null if there is no such ticket", examples=[3])


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
        InvalidInput: `ids` are, or `filter` matches, more than 1,000 tickets, or they cannot be duplicates of what
            they should be; nothing was changed.
    """
    values = changes.named()
    rows = _matching(chosen) if isinstance(chosen, TicketFilter) else _numbered(chosen)
    with db.write(source, actor) as connection:
        locked = connection.execute(rows.order_by(tickets.c.id).with_for_update(of=tickets)).all()
        too_many = bool(locked) and locked[0].found > MOST
        is_idle = too_many or not values
        if not is_idle:
            check_duplicate(db, [row.id for row in locked], changes)
        changed = [] if is_idle else connection.execute(_change(values, [row.id for row in locked])).all()
    versions = {row.id: row.version for row in locked}
    now = {row.id: row.version for row in changed}
    if not isinstance(chosen, TicketFilter):
        return [_result(number, versions.get(number), now.get(number)) for number in dict.fromkeys(chosen)]
    if too_many:
        message = f"matches {listing.count(db, chosen)} tickets; at most {MOST:,} can be changed at once"
        raise InvalidInput({"filter": message})
    newest = sorted(locked, key=lambda row: (row.created_at, row.id), reverse=True)
    return [_result(row.id, row.version, now.get(row.id)) for row in newest]


_places = sa.select(tickets.c.id, tickets.c.created_at, tickets.c.version)


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


def _result(number: int, before: int | None, after: int | None) -> Result:
    if before is None:
        return Result(id=number, outcome=Outcome.NOT_FOUND, version=None)
    return Result(id=number, outcome=Outcome.CHANGED if after else Outcome.UNCHANGED, version=after or before)
