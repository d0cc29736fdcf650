"""The HTTP API, mounted at `/api`: thin routes over `ticketcore`.

Every path is answered with and without its trailing slash. Errors are `application/problem+json` (RFC 9457).
"""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline

from ticketcore.api import bulk, exports, health, imports, metrics, problems, suggestions, tickets
from ticketcore.api.callers import Rates
from ticketcore.api.keeping import Kept
from ticketcore.api.middleware import Bounded, Envelope, HeadAsGet, TrailingSlash
from ticketcore.desk import Desk


def build(current: Callable[[], Desk]) -> FastAPI:
    """The API of the desk that `current` returns."""
    api = FastAPIOffline(  # its documentation page loads nothing from the internet
        redoc_url=None,
        title="Ticket desk",
        version="1",
        description="File, find and change tickets; follow their changes; read the figures; ask for a suggestion. "
        "Every answer carries `X-Request-ID`, by which the desk's log names it: the one of the request, if that is 1 "
        "to 100 letters, digits, `.`, `_` and `-`, or a new one.",
        responses=problems.ALWAYS,
        redirect_slashes=False,
    )
    api.state.current = current
    api.state.kept = Kept()
    api.state.rates = Rates()
    for layer in (Bounded, TrailingSlash, HeadAsGet, Envelope):  # the last one is the outermost
        api.add_middleware(layer)
    problems.install(api)
    for routes in (
        suggestions,
        exports,
        imports,
        bulk,
        tickets,
        health,
        metrics,
    ):  # fixed paths before `/tickets/{ticket_id}/`
        api.include_router(routes.router)

    @api.get("/", include_in_schema=False)
    async def start(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")

    return api
