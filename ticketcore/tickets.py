"""Filing, reading and changing tickets.

Queries are nouns that return a `Select`; verbs execute them. Every list is bounded, and no list
reads a whole description unless the caller asks for whole tickets.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from ticketcore.database import Database
from ticketcore.errors import Conflict, InvalidInput, NotFound
from ticketcore.filters import Sort, TicketFilter
from ticketcore.models import Category, Event, NewTicket, Priority, Source, Status, Suggestion, Ticket, TicketChanges
from ticketcore.schema import ticket_events, tickets

EXCERPT_LENGTH = 160
COUNT_CAP = 10_000
PROBE_DEPTH = 1_000
"""How deep a page may lie for one probe per cell to be cheaper than one walk: 64 cells × 1,000 entries at the most."""

_columns = [column for column in tickets.c if column.name in Ticket.model_fields]
_largest_id = 2**63 - 1


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


def create(
    db: Database,
    new: NewTicket,
    *,
    source: Source,
    actor: str | None = None,
    request_key: uuid.UUID | None = None,
    request_digest: str | None = None,
    suggestion: Suggestion | None = None,
) -> Ticket:
    """The ticket, stored when this returns.

    A `request_key` stands for one submission: the same key with the same text, or the same `request_digest` where
    one is given, returns the ticket that is there already, as it is now.

    Raises:
        Conflict: the request key stands for a ticket with another text, or a request with another digest.
        DatabaseUnavailable: the database is away; with a request key it is safe to try again.
    """
    values: dict[str, Any] = {**new.model_dump(), "request_key": request_key, "request_digest": request_digest}
    if suggestion:
        values |= {
            "suggested_category": suggestion.category,
            "suggested_priority": suggestion.priority,
            "suggestion_source": suggestion.source,
        }
    statement = insert(tickets).values(values).on_conflict_do_nothing(index_elements=["request_key"])
    with db.write(source, actor) as connection:
        row = connection.execute(statement.returning(*_columns)).one_or_none()
        if row is not None:
            return Ticket.model_validate(row)
        earlier = sa.select(*_columns, tickets.c.request_digest).where(tickets.c.request_key == request_key)
        row = connection.execute(earlier).one()
    found = Ticket.model_validate(row)
    texts = (found.title, found.description) == (new.title, new.description)
    if not (texts if request_digest is None else request_digest == row.request_digest):
        raise Conflict(f"This submission was already filed as ticket #{found.id}, with other content.", found)
    return found


def get(db: Database, ticket_id: int) -> Ticket:
    """The ticket with this id.

    Raises:
        NotFound: there is none.
    """
    if not 1 <= ticket_id <= _largest_id:
        raise NotFound(ticket_id)
    with db.read() as connection:
        row = connection.execute(sa.select(*_columns).where(tickets.c.id == ticket_id)).one_or_none()
    if row is None:
        raise NotFound(ticket_id)
    return Ticket.model_validate(row)


def update(
    db: Database,
    ticket_id: int,
    changes: TicketChanges,
    *,
    source: Source,
    actor: str | None = None,
    expected_version: int | None = None,
) -> Ticket:
    """The ticket after the change; what `changes` does not name stays as it was.

    Raises:
        NotFound: there is no such ticket.
        Conflict: the ticket is no longer at `expected_version`; carries the ticket as it is now.
    """
    values = changes.named()
    if values and 1 <= ticket_id <= _largest_id:
        statement = sa.update(tickets).where(tickets.c.id == ticket_id).values(values).returning(*_columns)
        if expected_version is not None:
            statement = statement.where(tickets.c.version == expected_version)
        with db.write(source, actor) as connection:
            row = connection.execute(statement).one_or_none()
        if row is not None:
            return Ticket.model_validate(row)
    current = get(db, ticket_id)
    if expected_version not in (None, current.version):
        raise Conflict(f"Ticket #{ticket_id} was changed in the meantime; nothing of yours was stored.", current)
    return current


def newest(db: Database, matching: TicketFilter, *, limit: int, after: int | None = None) -> list[Ticket]:
    """Whole tickets, newest first, at most `limit`; with `after`, those that follow that ticket in the order.

    Raises:
        InvalidInput: there is no ticket `after`.
    """
    key = None
    if after is not None:
        try:
            ticket = get(db, after)
        except NotFound:
            raise InvalidInput({"after": f"there is no ticket #{after} to continue after"}) from None
        key = (ticket.created_at, ticket.id)
    places = _places(matching, Sort.NEWEST, limit=limit, after=key).subquery("place")
    rows = sa.select(*_columns).join(places, places.c.id == tickets.c.id).order_by(*order(Sort.NEWEST, places))
    with db.read() as connection:
        return [Ticket.model_validate(row) for row in connection.execute(rows)]


def summaries(
    db: Database, matching: TicketFilter, *, sort: Sort = Sort.NEWEST, limit: int, offset: int = 0
) -> list[Summary]:
    """One page of the list: at most `limit` tickets after the first `offset`."""
    places = _places(matching, sort, limit=limit, offset=offset).subquery("place")
    rows = (
        sa.select(
            tickets.c.id,
            tickets.c.title,
            sa.func.left(tickets.c.description, EXCERPT_LENGTH + 1).label("excerpt"),
            tickets.c.category,
            tickets.c.priority,
            tickets.c.status,
            tickets.c.created_at,
        )
        .join(places, places.c.id == tickets.c.id)
        .order_by(*order(sort, places))
    )
    with db.read() as connection:
        return [Summary(**row) for row in connection.execute(rows).mappings()]


def count(db: Database, matching: TicketFilter) -> Count:
    """How many tickets match: exact, but under a search at most 10,000, and then marked as capped."""
    if not matching.search:
        with db.read() as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(tickets).where(*matching.where()))
        return Count(total or 0)
    some = sa.select(sa.literal(1)).select_from(tickets).where(*matching.where()).limit(COUNT_CAP + 1).subquery()
    with db.read() as connection:
        number = connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0
    return Count(min(number, COUNT_CAP), capped=number > COUNT_CAP)


def history(db: Database, ticket_id: int) -> list[Event]:
    """What happened to the ticket, oldest first.

    Raises:
        NotFound: there is no such ticket.
    """
    get(db, ticket_id)
    rows = sa.select(ticket_events).where(ticket_events.c.ticket_id == ticket_id).order_by(ticket_events.c.id)
    with db.read() as connection:
        return [Event.model_validate(row) for row in connection.execute(rows)]


def order(sort: Sort, of: sa.FromClause = tickets) -> list[sa.ColumnElement[Any]]:
    """What the tickets, or the rows of another source with the same columns, are sorted by."""
    match sort:
        case Sort.NEWEST:
            return [of.c.created_at.desc(), of.c.id.desc()]
        case Sort.OLDEST:
            return [of.c.created_at.asc(), of.c.id.asc()]
        case Sort.SEVEREST:
            return [of.c.priority.desc(), of.c.created_at.desc(), of.c.id.desc()]


def _places(
    matching: TicketFilter, sort: Sort, *, limit: int, offset: int = 0, after: tuple[datetime, int] | None = None
) -> sa.Select[Any]:
    """The id, creation time and priority of the tickets on one page.

    With facets, each cell of (category, priority, status) is probed for its first entries through the
    facet index and the probes are merged: 2–6 ms among a million tickets where a plain query takes 80 ms.
    Under a search, or far down the list, the planner does better with the plain query.
    """
    keys = (tickets.c.id, tickets.c.created_at, tickets.c.priority)
    follows = [] if after is None else [sa.tuple_(tickets.c.created_at, tickets.c.id) < after]
    by_cell = matching.has_facets or sort is Sort.SEVEREST
    if matching.search or not by_cell or offset + limit > PROBE_DEPTH:
        plain = sa.select(*keys).where(*matching.where(), *follows)
        return plain.order_by(*order(sort, tickets)).limit(limit).offset(offset)
    cell = matching.cells()
    within = Sort.OLDEST if sort is Sort.OLDEST else Sort.NEWEST
    probe = (
        sa.select(*keys)
        .where(
            tickets.c.category == cell.c.category,
            tickets.c.priority == cell.c.priority,
            tickets.c.status == cell.c.status,
            *matching.where_within_cell(),
            *follows,
        )
        .order_by(*order(within, tickets))
        .limit(limit + offset)
        .correlate(cell)
        .lateral("probe")
    )
    merged = sa.select(probe.c.id, probe.c.created_at, probe.c.priority).select_from(cell.join(probe, sa.true()))
    return merged.order_by(*order(sort, probe)).limit(limit).offset(offset)
