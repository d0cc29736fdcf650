"""Lists of tickets: a page of them, whole or in short, and how many there are.

Every list is bounded, and none reads a whole description unless the caller asks for whole tickets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.util import ClauseAdapter
from sqlalchemy.sql.visitors import iterate

from ticketcore import masks
from ticketcore import tickets as single
from ticketcore.database import Database
from ticketcore.errors import InvalidInput, NotFound
from ticketcore.filters import Sort, TicketFilter
from ticketcore.mirror import view
from ticketcore.models import FACETS, Category, Priority, Status
from ticketcore.schema import tickets, whole

EXCERPT_LENGTH = 160
COUNT_CAP = 10_000
PROBE_DEPTH = 1_000
"""How deep a page may lie for one probe per cell to be cheaper than one walk: 64 cells × 1,000 entries at the most."""

WALK = 1_000
"""How many tickets are looked at one by one before the probes: enough for a page of what is not rare."""


@dataclass(frozen=True)
class Summary:
    """A ticket as a list shows it; `excerpt` is the beginning of the description."""

    id: int
    title: str
    excerpt: str
    category: Category
    priority: Priority
    status: Status
    created_at: datetime


@dataclass(frozen=True)
class Count:
    """How many tickets a filter matches; with `capped`, at least that many."""

    number: int
    capped: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.capped else ''}"


Columns = tuple[sa.ColumnElement[Any], ...]

# As texts: to make a member of an enum of each value takes longer than to fetch it.
_whole = tuple(
    sa.type_coerce(column, sa.Text).label(column.name) if isinstance(column.type, sa.Enum) else column
    for column in whole
)
_brief = (
    tickets.c.id,
    tickets.c.title,
    sa.func.left(tickets.c.description, EXCERPT_LENGTH + 1).label("excerpt"),
    tickets.c.category,
    tickets.c.priority,
    tickets.c.status,
    tickets.c.created_at,
)
KEYS = (tickets.c.id, tickets.c.created_at, tickets.c.priority)
"""Where a ticket stands in any of the orders."""

_limit, _offset = (sa.bindparam(name, type_=sa.BigInteger) for name in ("limit", "offset"))


def newest(db: Database, matching: TicketFilter, *, limit: int, after: int | None = None) -> Sequence[sa.Row[Any]]:
    """Whole tickets as rows that begin with the fields of `Ticket`, newest first, at most `limit`.

    With `after`, those that follow that ticket in the order.

    Raises:
        InvalidInput: there is no ticket `after`.
    """
    behind = None
    if after is not None:
        try:
            ticket = single.get(db, after)
        except NotFound:
            raise InvalidInput({"after": f"there is no ticket #{after} to continue after"}) from None
        behind = (ticket.created_at, ticket.id)
    return page(db, _whole, matching, Sort.NEWEST, limit=limit, behind=behind)


def summaries(
    db: Database, matching: TicketFilter, *, sort: Sort = Sort.NEWEST, limit: int, offset: int = 0,
    selected: masks.Selection | None = None,
) -> list[Summary]:  # fmt: skip
    """One page of the list: at most `limit` tickets after the first `offset`; `selected` as in `count`."""
    rows = _found(db, selected or masks.selection(db, matching), sort, limit, offset) if matching.search else None
    if rows is None:
        rows = page(db, _brief, matching, sort, limit=limit, offset=offset)
    return [Summary(*row[: len(_brief)]) for row in rows]


def _found(
    db: Database, selected: masks.Selection | None, sort: Sort, limit: int, offset: int
) -> Sequence[sa.Row[Any]] | None:
    """A page of what a text was found in, by the order that is in memory; None if that is not there."""
    if selected is None:
        return None
    ids = masks.page(selected, sort, limit=limit, offset=offset)
    if not ids:
        return []
    with db.read() as connection:
        rows: dict[int, Any] = {
            row.id: row for row in connection.execute(sa.select(*_brief).where(tickets.c.id.in_(ids)))
        }
    return [rows[number] for number in ids if number in rows]


def assignees(db: Database, *, limit: int = 200) -> list[str]:
    """Everybody who works on a ticket or did, by name, at most `limit` of them.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    return sorted(view(db).assignees(), key=lambda name: (name.casefold(), name))[:limit]


def count(db: Database, matching: TicketFilter, selected: masks.Selection | None = None) -> Count:
    """How many tickets match: exact, but under a search at most 10,000, and then marked as capped.

    Of those that were `selected`, or else as of now.
    """
    if selected := selected or masks.selection(db, matching):
        number = masks.count(selected)
        is_capped = bool(matching.search) and number > COUNT_CAP
        return Count(COUNT_CAP if is_capped else number, is_capped)
    if not matching.search:
        with db.read() as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(tickets).where(*matching.where()))
        return Count(total or 0)
    some = sa.select(sa.literal(1)).select_from(tickets).where(*matching.where()).limit(COUNT_CAP + 1).subquery()
    with db.read() as connection:
        number = connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0
    return Count(min(number, COUNT_CAP), capped=number > COUNT_CAP)


def order(sort: Sort, of: sa.FromClause = tickets) -> list[sa.ColumnElement[Any]]:
    """What the tickets, or the rows of another source with the same columns, are sorted by."""
    match sort:
        case Sort.NEWEST:
            return [of.c.created_at.desc(), of.c.id.desc()]
        case Sort.OLDEST:
            return [of.c.created_at.asc(), of.c.id.asc()]
        case Sort.SEVEREST:
            return [of.c.priority.desc(), of.c.created_at.desc(), of.c.id.desc()]


def page(
    db: Database,
    columns: Columns,
    matching: TicketFilter,
    sort: Sort,
    *,
    limit: int,
    offset: int = 0,
    behind: tuple[datetime, int] | None = None,
) -> Sequence[sa.Row[Any]]:
    """The rows of one page.

    Without facets, within one cell, under a search, for an assignee and far down the list the planner finds the best
    way by itself. With facets, the first tickets of all are looked through, which fill a page with what is not rare;
    where they do not suffice, each cell is probed: 2–6 ms among a million tickets where a plain query takes 80 ms.
    Under a search the most severe of all come first by themselves, if there are enough: 4 ms where to sort all that is
    found by severity takes 230.
    """
    if sort is Sort.SEVEREST and matching.search and len(matching.priority) != 1 and offset + limit <= PROBE_DEPTH:
        severest = [priority for priority in Priority if priority in (matching.priority or Priority)][-1]
        alone = matching.model_copy(update={"priority": (severest,)})
        rows = page(db, columns, alone, Sort.NEWEST, limit=limit, offset=offset)
        if len(rows) == limit:
            return rows
    by_cell = matching.has_facets or sort is Sort.SEVEREST
    is_plain = bool(matching.search or matching.assignee) or not by_cell or offset + limit > PROBE_DEPTH
    place: dict[str, Any] = {"limit": limit, "offset": offset}
    if behind:
        place |= {"at": behind[0], "id": behind[1]}
    shape = (columns, matching, sort, offset > 0, behind is not None)
    with db.read() as connection:
        if is_plain or matching.is_one_cell:
            return connection.execute(_plain(*shape), place).all()
        if sort is not Sort.SEVEREST:
            walked = connection.execute(_walk(*shape), place).all()
            if walked[-1].nth < WALK if walked else not offset:
                return walked
        return connection.execute(_probes(*shape), place).all()


# The queries are kept: to build one takes longer than to run it.


@lru_cache(maxsize=128)
def _plain(columns: Columns, matching: TicketFilter, sort: Sort, is_later: bool, is_behind: bool) -> sa.Select[Any]:
    """One query. What is skipped is skipped in the index, without a look at the tickets."""
    conditions = [*matching.where(), *_follows(sort, is_behind)]
    if is_later:
        places = sa.select(*KEYS).where(*conditions).order_by(*order(sort)).limit(_limit).offset(_offset)
        return _at(places, columns, sort)
    return sa.select(*columns).where(*conditions).order_by(*order(sort)).limit(_limit)


@lru_cache(maxsize=128)
def _walk(columns: Columns, matching: TicketFilter, sort: Sort, _is_later: bool, is_behind: bool) -> sa.Select[Any]:
    """Those that match among the first tickets in the range of time, and the very last of these if the page has room.

    So the page is whole unless it ends with that one, whose `nth` says which it is.
    """
    query, walked = _walked(columns, matching.model_copy(update=dict.fromkeys(FACETS, ())), sort, is_behind)
    facets = sa.and_(*(walked.c[name].in_(values) for name, values in matching.facets()))
    return query.where(facets | (walked.c.nth == WALK)).order_by(*order(sort, walked)).limit(_limit).offset(_offset)


# Apart, because it is most of the query, in time and in memory, and the same for all facets.
@lru_cache(maxsize=64)
def _walked(
    columns: Columns, within_cell: TicketFilter, sort: Sort, is_behind: bool
) -> tuple[sa.Select[Any], sa.FromClause]:  # fmt: skip
    """The columns of the first tickets in the range of time and which one each is; and the tickets themselves."""
    facets = [tickets.c[name] for name in FACETS]
    read = {one: None for column in (*columns, *KEYS, *facets) for one in iterate(column) if isinstance(one, sa.Column)}
    first = sa.select(*read).where(*within_cell.where_within_cell(), *_follows(sort, is_behind))
    first_in_order = first.order_by(*order(sort)).limit(WALK).subquery()
    walked = sa.select(first_in_order, sa.func.row_number().over().label("nth")).subquery("tickets")
    return sa.select(*(ClauseAdapter(walked).traverse(column) for column in columns), walked.c.nth), walked


@lru_cache(maxsize=128)
def _probes(columns: Columns, matching: TicketFilter, sort: Sort, _is_later: bool, is_behind: bool) -> sa.Select[Any]:
    """The first entries of each cell of (category, priority, status) in the facet index, merged."""
    cell = matching.cells()
    within = Sort.OLDEST if sort is Sort.OLDEST else Sort.NEWEST
    probe = (
        sa.select(*KEYS)
        .where(
            tickets.c.category == cell.c.category,
            tickets.c.priority == cell.c.priority,
            tickets.c.status == cell.c.status,
            *matching.where_within_cell(),
            *_follows(sort, is_behind),
        )
        .order_by(*order(within))
        .limit(_limit + _offset)
        .correlate(cell)
        .lateral("probe")
    )
    merged = sa.select(probe.c.id, probe.c.created_at, probe.c.priority).select_from(cell.join(probe, sa.true()))
    return _at(merged.order_by(*order(sort, probe)).limit(_limit).offset(_offset), columns, sort)


def _at(places: sa.Select[Any], columns: Columns, sort: Sort) -> sa.Select[Any]:
    """The tickets at these places, which are rows of `KEYS`."""
    place = places.subquery("place")
    return sa.select(*columns).join(place, place.c.id == tickets.c.id).order_by(*order(sort, place))


def _follows(sort: Sort, is_behind: bool) -> list[sa.ColumnElement[bool]]:
    """That a ticket comes behind the place that is given, by time alone; none where none is given."""
    place = sa.tuple_(sa.bindparam("at", type_=sa.DateTime(timezone=True)), sa.bindparam("id", type_=sa.BigInteger))
    own = sa.tuple_(tickets.c.created_at, tickets.c.id)
    return [own > place if sort is Sort.OLDEST else own < place] if is_behind else []
