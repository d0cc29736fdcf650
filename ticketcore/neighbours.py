"""The way from one ticket to the next in the order of a list."""

from collections.abc import Iterable
from itertools import dropwhile

from ticketcore.database import Database
from ticketcore.filters import Sort, TicketFilter
from ticketcore.listing import KEYS, page
from ticketcore.models import Priority, Ticket


def neighbours(db: Database, matching: TicketFilter, sort: Sort, ticket: Ticket) -> tuple[int | None, int | None]:
    """The ids of the tickets before and after this one in a list of what matches; None at either end.

    The ticket itself need not match: then they are those between which it would stand.
    """
    up, down = (Sort.NEWEST, Sort.OLDEST) if sort is Sort.OLDEST else (Sort.OLDEST, Sort.NEWEST)
    if sort is not Sort.SEVEREST:
        return _next(db, matching, up, ticket), _next(db, matching, down, ticket)
    severer = dropwhile(lambda priority: priority is not ticket.priority, Priority)
    milder = dropwhile(lambda priority: priority is not ticket.priority, reversed(Priority))
    return _first(db, matching, up, ticket, severer), _first(db, matching, down, ticket, milder)


def _first(
    db: Database, matching: TicketFilter, way: Sort, ticket: Ticket, priorities: Iterable[Priority]
) -> int | None:
    """The next ticket of the same priority, or else the first of the other priorities, in their order."""
    for priority in priorities:
        if priority not in (matching.priority or Priority):
            continue
        within = matching.model_copy(update={"priority": (priority,)})
        if found := _next(db, within, way, ticket if priority is ticket.priority else None):
            return found
    return None


def _next(db: Database, matching: TicketFilter, way: Sort, ticket: Ticket | None) -> int | None:
    behind = (ticket.created_at, ticket.id) if ticket else None
    rows = page(db, KEYS, matching, way, limit=1, behind=behind)
    return rows[0].id if rows else None
