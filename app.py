"""The process: the dashboard at `/` and the HTTP API at `/api`, on one port.

Run by `streamlit run app.py`. Starting waits for the database and migrates it, so what listens is ready.
"""

import logging
import os
import re
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import altair  # noqa: F401 - imported here once, or the first visitor waits 0.7 s for it
import anyio
import pandas  # noqa: F401 - as altair
import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketcore import api, desk, journal
from ticketcore.api.middleware import BrokenOffError
from ticketcore.errors import StartUpError

handler = logging.StreamHandler()
handler.setFormatter(journal.Logfmt())
logging.basicConfig(level=logging.INFO, handlers=[handler])
# What broke in the middle of an answer was logged by the API already, in one line; the server would add a page to it.
logging.getLogger("uvicorn.error").addFilter(
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], BrokenOffError))
)
for talkative in ("alembic", "httpx", "httpx2", "openai"):
    logging.getLogger(talkative).setLevel(logging.WARNING)

# A session takes four file descriptors: at the usual soft limit of 1,024 the 253rd visitor would be refused.
FILES = 65_536
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if soft != resource.RLIM_INFINITY and soft < FILES:
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """The desk, open before the first request and closed after the last."""
    try:
        await anyio.to_thread.run_sync(desk.current)
    except StartUpError as error:
        sys.stderr.write(f"The ticket desk cannot start: {error}\n")
        sys.stderr.flush()
        os._exit(1)  # raising would bury the line under the server's stack trace
    yield
    await anyio.to_thread.run_sync(desk.stop)


class WholeText:
    """Lets a form with half a surrogate pair, as a cut emoji leaves it, reach the desk: its place is taken by U+FFFD.

    Otherwise protobuf refuses the whole message, the page reconnects and sends it again, for ever.
    """

    HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
    WHOLE = "\ufffd".encode()  # three bytes as well, so the lengths in the message still fit

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def mended() -> Message:
            message = await receive()
            if sent := message.get("bytes"):
                message = {**message, "bytes": self.HALF.sub(self.WHOLE, sent)}
            return message

        await self.app(scope, mended if scope["type"] == "websocket" else receive, send)


class AsItIs:
    """Sends exports without compression: at a million tickets it would take longer than everything else together.

    Streamlit compresses whatever is asked for with `Accept-Encoding`, so for exports nobody asks.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/tickets/export"):
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
        await self.app(scope, receive, send)


def apologise(error: BaseException) -> bool:
    """Says kindly that a page failed, and logs why; nothing else is shown."""
    logging.getLogger(__name__).error("a page failed", exc_info=error)
    st.error(
        "The desk failed to show this; the failure was logged. Reload the page to try again.", icon=":material/error:"
    )
    return True


app = st.App(
    "pages/main.py",
    lifespan=lifespan,
    routes=[Mount("/api", api.build(desk.current))],
    middleware=[Middleware(WholeText), Middleware(AsItIs)],
    on_script_error=apologise,
)
