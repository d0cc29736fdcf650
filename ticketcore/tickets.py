"""Filing, reading and changing one ticket.

Queries are nouns that return a `Select`; verbs execute them.
"""

import uuid
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from ticketcore.database import Database
from ticketcore.errors import Conflict, InvalidInput, NotFound
from ticketcore.models import Event, NewNote, NewTicket, Source, Ticket, TicketChanges
from ticketcore.schema import LARGEST_ID, ticket_events, tickets, whole
from ticketcore.suggestion import Suggestion

# Made once: to build a statement takes longer than to run it.
_insertion = insert(tickets).on_conflict_do_nothing(index_elements=["request_key"]).returning(*whole)
_insertions = sa.insert(tickets).returning(*whole, sort_by_parameter_order=True)
_earlier = sa.select(*whole, tickets.c.request_digest).where(tickets.c.request_key == sa.bindparam("key"))
_noting = (
    insert(ticket_events)
    .from_select(
        ["ticket_id", "at", "actor", "source", "kind", "field", "new_value"],
        sa.select(
            tickets.c.id, sa.func.clock_timestamp(), sa.func.desk_actor(), sa.func.desk_source(),
            sa.literal("noted"), sa.literal("note"), sa.bindparam("text", type_=sa.Text),
        ).where(tickets.c.id == sa.bindparam("number")),
    )
    .returning(*ticket_events.c)
)  # fmt: skip
_marked = (
    sa.select(tickets.c.id).where(tickets.c.duplicate_of == sa.bindparam("number")).order_by(tickets.c.id).limit(100)
)
_numbered = sa.select(*whole).where(tickets.c.id == sa.bindparam("number"))


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
    shadow = suggestion and suggestion.shadow
    values: dict[str, Any] = {
        **new.model_dump(),
        "request_key": request_key,
        "request_digest": request_digest,
        "suggested_category": suggestion and suggestion.category,
        "suggested_priority": suggestion and suggestion.priority,
        "suggestion_source": suggestion and suggestion.source,
        "shadow_category": shadow and shadow.category,
        "shadow_priority": shadow and shadow.priority,
        "shadow_source": shadow and shadow.source,
    }
    row = db.change(_insertion, values, source, actor)
    if row is not None:
        return Ticket.model_validate(row)
    with db.read() as connection:
        earlier = connection.execute(_earlier, {"key": request_key}).one()
    found = Ticket.model_validate(earlier)
    texts = (found.title, found.description) == (new.title, new.description)
    if not (texts if request_digest is None else request_digest == earlier.request_digest):
        raise Conflict(f"This submission was already filed as ticket #{found.id}, with other content.", found)
    return found


def create_all(db: Database, new: Sequence[NewTicket], *, source: Source, actor: str | None = None) -> list[Ticket]:
    """The tickets in the order given, at most 1,000; all of them are stored when this returns, or none if it raises.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    rows = db.add(_insertions, [one.model_dump() for one in new], source, actor)
    return [Ticket.model_validate(row) for row in rows]


def get(db: Database, ticket_id: int) -> Ticket:
    """The ticket with this id.

    Raises:
        NotFound: there is none.
    """
    if not 1 <= ticket_id <= LARGEST_ID:
        raise NotFound(ticket_id)
    with db.read() as connection:
        row = connection.execute(_numbered, {"number": ticket_id}).one_or_none()
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
    check_duplicate(db, [ticket_id], changes)
    if values and 1 <= ticket_id <= LARGEST_ID:
        statement = sa.update(tickets).where(tickets.c.id == ticket_id).values(values).returning(*whole)
        if expected_version is not None:
            statement = statement.where(tickets.c.version == expected_version)
        row = db.change(statement, {}, source, actor)
        if row is not None:
            return Ticket.model_validate(row)
    current = get(db, ticket_id)
    if expected_version not in (None, current.version):
        raise Conflict(f"Ticket #{ticket_id} was changed in the meantime; nothing of yours was stored.", current)
    return current


def note(db: Database, ticket_id: int, new: NewNote, *, source: Source, actor: str | None = None) -> Event:
    """The internal note, stored in the ticket's history when this returns; the ticket's version stays.

    Raises:
        NotFound: there is no such ticket.
    """
    if 1 <= ticket_id <= LARGEST_ID:
        row = db.change(_noting, {"number": ticket_id, "text": new.text}, source, actor)
        if row is not None:
            return Event.model_validate(row)
    raise NotFound(ticket_id)


def duplicates(db: Database, ticket_id: int) -> list[int]:
    """The numbers of the tickets that were marked as duplicates of this one, at most 100, oldest first."""
    with db.read() as connection:
        return list(connection.scalars(_marked, {"number": ticket_id}))


def check_duplicate(db: Database, ids: Collection[int], changes: TicketChanges) -> None:
    """Nothing, if these tickets can be duplicates of the one that `changes` names.

    Raises:
        InvalidInput: there is no such ticket, or it is one of them, or a duplicate of one of them.
    """
    if changes.duplicate_of is None:
        return
    number: int | None = changes.duplicate_of
    while number is not None:
        if number in ids:
            message = "must be another ticket" if number == changes.duplicate_of else f"is a duplicate of #{number}"
            raise InvalidInput({"duplicate_of": message})
        try:
            number = get(db, number).duplicate_of
        except NotFound:
            raise InvalidInput({"duplicate_of": f"there is no ticket #{number}"}) from None


def history(db: Database, ticket_id: int) -> list[Event]:
    """What happened to the ticket, oldest first.

    Raises:
        NotFound: there is no such ticket.
    """
    get(db, ticket_id)
    rows = sa.select(ticket_events).where(ticket_events.c.ticket_id == ticket_id).order_by(ticket_events.c.id)
    with db.read() as connection:
        return [Event.model_validate(row) for row in connection.execute(rows)]
