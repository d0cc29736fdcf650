"""Who calls: by a token, by a signed address, or, where nobody signs in, whoever reaches the desk."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ticketcore import seals, tokens
from ticketcore.access import Person, Role
from ticketcore.desk import Desk, Seat
from ticketcore.errors import NotSignedIn, TooMany
from ticketcore.settings import Settings

BEARER = HTTPBearer(auto_error=False, description="A token that a lead of the desk made, where the desk has sign-in")
EVERYBODY = Person(None, Role.LEAD)
"""Whoever reaches a desk without sign-in."""


async def _desk(request: Request) -> Desk:  # not worth a thread: it is there since before the first request
    found: Desk = request.app.state.current()
    return found


async def _person(
    request: Request,
    desk: Annotated[Desk, Depends(_desk)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)] = None,
) -> Person:
    if "authorization" in request.headers:
        token = bearer.credentials if bearer else ""  # of another scheme, or of none
        person = await to_thread.run_sync(lambda: tokens.person(desk.itself.db, token, now=datetime.now(UTC)))
        if person is None:
            raise NotSignedIn("This token is not valid, or not any more.")
        return person
    if desk.settings.has_sign_in:
        raise NotSignedIn
    return EVERYBODY


async def _seat(person: Annotated[Person, Depends(_person)], desk: Annotated[Desk, Depends(_desk)]) -> Seat:
    return desk.seat(person)


async def _seat_for_download(
    request: Request,
    desk: Annotated[Desk, Depends(_desk)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)] = None,
) -> Seat:
    if seals.KEY in request.query_params:
        return desk.seat(seals.opened(desk.settings, request.query_params.multi_items()))
    return desk.seat(await _person(request, desk, bearer))


Anybody = Annotated[Desk, Depends(_desk)]
"""The desk that the API was built for, whoever asks: for what tells nobody anything."""

Here = Annotated[Seat, Depends(_seat)]
"""The desk as the caller may use it."""

HereOrBySeal = Annotated[Seat, Depends(_seat_for_download)]
"""The same, also for a browser that a page sent here with a signed address."""


class Rates:
    """How often each caller may do what costs the desk something; counted in this process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, what: str, caller: str, per_minute: int) -> None:
        """Counts one call.

        Raises:
            TooMany: the caller had as many within the last minute.
        """
        if per_minute == 0:
            return
        limit = RateLimitItemPerMinute(per_minute)
        if not self._limiter.hit(limit, what, caller):
            again = self._limiter.get_window_stats(limit, what, caller).reset_time - datetime.now(UTC).timestamp()
            raise TooMany(max(1, int(again) + 1))


def at_most(what: str, limit: Callable[[Settings], int]) -> Callable[[Request, Seat], Coroutine[Any, Any, None]]:
    """A dependency that counts calls of this kind, of which a caller has so many a minute."""

    async def counted(request: Request, seat: Annotated[Seat, Depends(_seat)]) -> None:
        client = request.client.host if request.client else ""
        seat.db.demand(Role.AGENT)  # whoever may not do it at all uses nothing up
        caller = f"token {seat.person.token}" if seat.person.token else client
        request.app.state.rates.count(what, caller, limit(seat.settings))

    return counted
