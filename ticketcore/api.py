"""The HTTP API, mounted at `/api`: thin routes over `ticketcore`.

Every path is answered with and without its trailing slash. Errors are `application/problem+json` (RFC 9457).
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import anyio
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ticketcore import stats, tickets
from ticketcore.desk import Desk
from ticketcore.errors import DatabaseUnavailable, InvalidInput, TicketDeskError
from ticketcore.filters import TicketFilter
from ticketcore.models import (
    Category,
    Description,
    NewTicket,
    Priority,
    Source,
    Ticket,
    TicketChanges,
    faults,
)

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
PATIENCE = 3
"""Seconds after which a database that neither answers nor refuses counts as away."""


class ListQuery(TicketFilter):
    """The filter, how many tickets at the most, and after which one to go on."""

    limit: int = Field(100, ge=1, le=1_000, description="At most this many tickets")
    after: int | None = Field(None, description="Go on after the ticket with this id, as the `Link` header says")

    def filter(self) -> TicketFilter:
        return TicketFilter.model_validate(self.model_dump(exclude={"limit", "after"}))


class Question(BaseModel):
    """What to suggest a category and a priority for."""

    description: Description
    title: str = Field("", max_length=200)


class Answer(BaseModel):
    """A suggestion; `note` is there when it is the default, and says why."""

    suggested_category: Category
    suggested_priority: Priority
    note: str | None = None


class Problem(BaseModel):
    """RFC 9457 problem details; `errors` maps each bad field to what is wrong with it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: dict[str, str] | None = None


def build(current: Callable[[], Desk]) -> FastAPI:
    """The API of the desk that `current` returns."""
    responses: dict[int | str, dict[str, Any]] = {
        422: {"model": Problem, "description": "A field is not valid"},
        503: {"model": Problem, "description": "The database is away"},
    }
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is no such ticket"}}
    api = FastAPIOffline(  # its documentation page loads nothing from the internet
        redoc_url=None,
        title="Ticket desk",
        version="1",
        description="File, find and change tickets; read the figures; ask for a suggestion.",
        responses=responses,
        redirect_slashes=False,
    )
    api.add_middleware(TrailingSlash)
    here = Annotated[Desk, Depends(current)]

    @api.get("/tickets/", summary="List tickets, newest first")
    def list_tickets(
        desk: here, query: Annotated[ListQuery, Query()], request: Request, response: Response
    ) -> list[Ticket]:
        found = tickets.newest(desk.db, query.filter(), limit=query.limit + 1, after=query.after)
        shown = found[: query.limit]
        if len(found) > query.limit:
            following = urlencode([*query.params(), ("limit", query.limit), ("after", shown[-1].id)])
            response.headers["Link"] = f'<{request.url.path}?{following}>; rel="next"'
        return shown

    @api.post("/tickets/", status_code=201, summary="File a ticket")
    def create_ticket(desk: here, new: NewTicket, request: Request, response: Response) -> Ticket:
        ticket = tickets.create(desk.db, new, source=Source.API)
        response.headers["Location"] = f"{request.url.path}{ticket.id}/"
        return ticket

    @api.get("/tickets/stats/", summary="The figures")
    def read_stats(desk: here, matching: Annotated[TicketFilter, Query()]) -> stats.Overview:
        return stats.overview(desk.db, matching, timezone=desk.settings.timezone, now=datetime.now(UTC))

    @api.post("/tickets/classify/", response_model_exclude_none=True, summary="Suggest a category and a priority")
    async def classify(desk: here, question: Question) -> Answer:
        suggestion = await asyncio.wrap_future(desk.classifier.ask(question.description, question.title))
        return Answer(
            suggested_category=suggestion.category, suggested_priority=suggestion.priority, note=suggestion.note
        )

    @api.get("/tickets/{ticket_id}/", responses=missing, summary="Read a ticket")
    def read_ticket(desk: here, ticket_id: int) -> Ticket:
        return tickets.get(desk.db, ticket_id)

    @api.patch("/tickets/{ticket_id}/", responses=missing, summary="Change a ticket")
    def change_ticket(desk: here, ticket_id: int, changes: TicketChanges) -> Ticket:
        return tickets.update(desk.db, ticket_id, changes, source=Source.API)

    @api.get("/health/live/", summary="The process runs")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @api.get("/health/ready/", summary="The database answers")
    async def ready(desk: here) -> dict[str, str]:
        with anyio.move_on_after(PATIENCE):
            if await anyio.to_thread.run_sync(desk.db.is_ready, abandon_on_cancel=True):
                return {"status": "ready"}
        raise DatabaseUnavailable

    @api.get("/", include_in_schema=False)
    async def start(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")

    api.openapi = lambda: _announced(api)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    api.add_exception_handler(TicketDeskError, _explain)
    api.add_exception_handler(RequestValidationError, _explain_request)
    api.add_exception_handler(HTTPException, _explain_http)
    api.add_exception_handler(Exception, _apologise)
    return api


class TrailingSlash:
    """Answers `/tickets` as `/tickets/`, without sending the client elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            last = scope["path"].rpartition("/")[2]
            if last and "." not in last and last not in ("docs", "oauth2-redirect"):
                scope = {**scope, "path": scope["path"] + "/"}
        await self.app(scope, receive, send)


def _announced(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with errors announced as the media type that they have."""
    document = FastAPI.openapi(api)
    for calls in document["paths"].values():
        for call in calls.values():
            for status, answer in call["responses"].items():
                if status >= "400" and "application/json" in answer.get("content", {}):
                    answer["content"][PROBLEM] = answer["content"].pop("application/json")
    return document


def _problem(title: str, status: int, detail: str, errors: dict[str, str] | None = None) -> JSONResponse:
    problem = Problem(title=title, status=status, detail=detail, errors=errors)
    return JSONResponse(problem.model_dump(exclude_none=True), status, media_type=PROBLEM)


def _explain(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TicketDeskError)  # noqa: S101 - what the handler is registered for
    errors = error.errors if isinstance(error, InvalidInput) else None
    response = _problem(error.title, error.status, str(error), errors)
    if isinstance(error, DatabaseUnavailable):
        response.headers["Retry-After"] = "2"
    return response


def _explain_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what the handler is registered for
    return _explain(request, InvalidInput(faults(error.errors(), outer=1)))


def _explain_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is registered for
    response = _problem(error.detail, error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


def _apologise(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _problem("Internal error", 500, "The desk failed to answer this. The failure was logged.")
