"""What happens to every request of the API before its route sees it, and to every answer after."""

import logging
import re
import time
import uuid
from functools import cache

import anyio
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketcore import journal, metrics
from ticketcore.api.problems import apology, problem

log = logging.getLogger("ticketcore.api")

MOST, MOST_OF_A_FILE = 1 << 20, 1 << 30
"""Bytes of a body, and of a file to import."""

NUMBER = re.compile(r"/\d+/")
METHODS = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"}
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)


class BrokenOffError(Exception):
    """An answer failed while it was being sent; why was logged."""


class Envelope:
    """Gives every answer its headers and its line in the log, also the one to a request that failed.

    The line names the path and never the query: what is searched for may be anybody's name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex

        async def enveloped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["Cache-Control"] = "no-store"
            await send(message)

        token = journal.request_id.set(request_id)
        try:
            await self.app(scope, receive, enveloped)
        except ClientDisconnect:
            pass  # nobody is left to be answered
        except Exception as error:  # whatever nobody foresaw: logged whole, and told kindly
            log.exception("%s %s failed", scope["method"], scope["path"])
            if status:  # the answer is under way; only breaking off the connection tells the client
                raise BrokenOffError from error
            await apology()(scope, receive, enveloped)
        finally:
            self._note(scope, status, time.perf_counter() - began)
            journal.request_id.reset(token)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method, path = scope["method"], scope["path"]
        fields = {"method": method, "path": path, "status": status, "ms": f"{seconds * 1_000:.1f}"}
        log.info("%s %s %d", method, path, status, extra={"fields": fields})
        where = {"method": method if method in METHODS else "other", "path": _route(scope)}
        metrics.REQUESTS.labels(**where, status=str(status)).inc()
        metrics.DURATIONS.labels(**where).observe(seconds)


def _route(scope: Scope) -> str:
    """The path as the API's document has it; `other` for none of these: whoever scans makes no new names."""
    path = NUMBER.sub("/{ticket_id}/", scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/") + "/")
    return path if path in _paths(scope["app"]) else "other"


@cache
def _paths(app: FastAPI) -> frozenset[str]:
    return frozenset(re.sub(r"{ticket_id[^}]*}", "{ticket_id}", path) for path in app.openapi()["paths"])


class HeadAsGet:
    """Answers HEAD as it would answer GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        with anyio.CancelScope() as reading:

            async def bodiless(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                elif message["type"] == "http.response.body" and not reading.cancel_called:
                    await send({"type": "http.response.body", "body": b""})
                    if message.get("more_body"):
                        reading.cancel()  # nobody wants the rest of a stream

            await self.app({**scope, "method": "GET"}, receive, bodiless)


class Bounded:
    """Refuses a body that is longer than what anybody could mean, as soon as that shows."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = MOST_OF_A_FILE if scope["path"].rstrip("/").endswith("/tickets/import") else MOST
        detail = f"The body may have {most:,} bytes at the most."
        said = Headers(scope=scope).get("content-length", "")
        if said.isascii() and said.isdigit() and int(said[:20]) > most:
            await problem("Content Too Large", 413, detail)(scope, receive, send)
            return
        length = 0

        async def measured() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > most:
                raise HTTPException(413, detail)
            return message

        await self.app(scope, measured, send)


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
