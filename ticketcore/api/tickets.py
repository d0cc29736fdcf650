"""Routes for tickets: list, follow, file, read and change them, their history, and the figures."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, ValidationInfo, field_validator

from ticketcore import feed, listing, stats, tickets
from ticketcore.api.callers import Here, at_most
from ticketcore.api.conditions import ETAG, NOT_MODIFIED, STALE, IfMatch, IfNoneMatch, etag, names, stale
from ticketcore.api.keeping import answered
from ticketcore.api.problems import MISSING, OFTEN, Problem, Responses
from ticketcore.api.repetition import IdempotencyKey, identity
from ticketcore.api.sharing import ONE, TicketId
from ticketcore.errors import Conflict
from ticketcore.filters import TicketFilter
from ticketcore.models import Event, NewNote, NewTicket, Source, Ticket, TicketChanges

router = APIRouter(prefix="/tickets")

FIELDS = tuple(Ticket.model_fields)
LINK: dict[str, Any] = {
    "Link": {
        "description": 'Where to go on: `<…>; rel="next"`. Not there on the last page, but always with `updated_since`',
        "schema": {"type": "string", "examples": ['</api/tickets/?limit=100&after=42>; rel="next"']},
    }
}
LOCATION: dict[str, Any] = {
    "Location": {"description": "The ticket", "schema": {"type": "string", "examples": ["/api/tickets/42/"]}}
}
LISTED: Responses = {200: {"headers": LINK}}
FILED: Responses = {
    201: {"headers": LOCATION | ETAG},
    409: {"model": Problem, "description": "The `Idempotency-Key` stands for another ticket"},
}
SHOWN: Responses = {200: {"headers": ETAG}}
MERGE: dict[str, Any] = {
    "requestBody": {
        "content": {"application/merge-patch+json": {"schema": {"$ref": "#/components/schemas/TicketChanges"}}}
    }
}


class ListQuery(TicketFilter):
    """The filter, how many tickets at the most, and where to go on."""

    limit: int = Field(100, ge=1, le=1_000, description="At most this many tickets", examples=[50])
    updated_since: str | None = Field(
        None,
        description="Tell what changed, oldest change first: since this time with its offset, or since the cursor in "
        "the `Link` of the answer before. The filter applies to tickets as they are now",
        examples=["2026-05-01T08:00:00Z", "6b05642676c2f286-1234-56"],
    )
    after: int | None = Field(
        None,
        description="Go on after the ticket with this id, as the `Link` header says; not with `updated_since`",
        examples=[42],
    )

    @field_validator("after")
    @classmethod
    def _one_order(cls, after: int | None, others: ValidationInfo) -> int | None:
        if after is not None and others.data.get("updated_since") is not None:
            raise ValueError("cannot be combined with updated_since")
        return after

    def filter(self) -> TicketFilter:
        return TicketFilter.model_validate(self.model_dump(exclude={"limit", "after", "updated_since"}))


@router.get(
    "/", response_model=list[Ticket], responses=LISTED, summary="List tickets, newest first, or follow their changes"
)
def list_tickets(desk: Here, query: Annotated[ListQuery, Query()], request: Request) -> Response:
    def lead_on(**place: object) -> dict[str, str]:
        following = urlencode([*query.params(), *place.items(), ("limit", query.limit)])
        return {"Link": f'<{request.url.path}?{following}>; rel="next"'}

    def listed() -> tuple[bytes, dict[str, str]]:
        found = listing.newest(desk.db, query.filter(), limit=query.limit + 1, after=query.after)
        shown = found[: query.limit]
        return _as_json(shown), lead_on(after=shown[-1].id) if len(found) > query.limit else {}

    if query.updated_since is None:
        return answered(desk, request, listed)
    changes = feed.since(desk.db, query.updated_since, query.filter(), limit=query.limit)
    headers = lead_on(updated_since=changes.cursor)
    return Response(_as_json(changes.tickets), headers=headers, media_type="application/json")


@router.post(
    "/",
    status_code=201,
    response_model=Ticket,
    responses=FILED | OFTEN,
    dependencies=[Depends(at_most("create", lambda settings: settings.rate_create))],
    summary="File a ticket",
)
async def create_ticket(
    desk: Here, new: NewTicket, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    if idempotency_key is None:
        ticket = await asyncio.wrap_future(desk.filing.file(new, desk.person.name))
    else:
        create = partial(
            tickets.create, desk.db, new, source=Source.API, actor=desk.person.name, **identity(idempotency_key, new)
        )
        ticket = await to_thread.run_sync(create)
    return _shown(ticket, 201, Location=f"{request.url.path}{ticket.id}/")


@router.get("/stats/", response_model=stats.Overview, summary="The figures")
def read_stats(desk: Here, matching: Annotated[TicketFilter, Query()], request: Request) -> Response:
    zone, now = desk.settings.timezone, datetime.now(UTC)

    def figures() -> tuple[bytes, dict[str, str]]:
        return stats.overview(desk.db, matching, timezone=zone, now=now).model_dump_json().encode(), {}

    return answered(desk, request, figures, depends_on=now.astimezone(zone).date())


@router.get(ONE + "/", response_model=Ticket, responses=MISSING | SHOWN | NOT_MODIFIED, summary="Read a ticket")
def read_ticket(desk: Here, ticket_id: TicketId, if_none_match: IfNoneMatch) -> Response:
    ticket = tickets.get(desk.db, ticket_id)
    if if_none_match and names(if_none_match, ticket, header="If-None-Match"):
        return Response(status_code=304, headers={"ETag": etag(ticket)})
    return _shown(ticket)


@router.patch(
    ONE + "/",
    response_model=Ticket,
    responses=MISSING | SHOWN | STALE,
    openapi_extra=MERGE,
    summary="Change a ticket",
)
def change_ticket(desk: Here, ticket_id: TicketId, changes: TicketChanges, if_match: IfMatch) -> Response:
    """A JSON merge patch (RFC 7396) of the fields that can be changed; null clears a person or a link, nothing else."""
    actor = desk.person.name
    if not if_match:
        return _shown(tickets.update(desk.db, ticket_id, changes, source=Source.API, actor=actor))
    current = tickets.get(desk.db, ticket_id)
    while names(if_match, current, header="If-Match"):
        try:
            ticket = tickets.update(
                desk.db, ticket_id, changes, source=Source.API, actor=actor, expected_version=current.version
            )
            return _shown(ticket)
        except Conflict as conflict:
            current = Ticket.model_validate(conflict.current)
    return stale(current)


@router.get(ONE + "/events/", responses=MISSING, summary="Read a ticket's history, oldest entry first")
def read_events(desk: Here, ticket_id: TicketId) -> list[Event]:
    return tickets.history(desk.db, ticket_id)


@router.post(ONE + "/notes/", status_code=201, responses=MISSING, summary="Add an internal note to a ticket")
def create_note(desk: Here, ticket_id: TicketId, new: NewNote) -> Event:
    return tickets.note(desk.db, ticket_id, new, source=Source.API, actor=desk.person.name)


def _shown(ticket: Ticket, status: int = 200, **headers: str) -> Response:
    content = ticket.model_dump_json()  # a ticket is a model already; FastAPI would check it once more
    return Response(content, status, headers={"ETag": etag(ticket), **headers}, media_type="application/json")


def _as_json(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows that begin with a ticket's fields, as they are: to make models of them would take longer than the query."""
    return orjson.dumps([dict(zip(FIELDS, row, strict=False)) for row in rows], option=orjson.OPT_UTC_Z)
