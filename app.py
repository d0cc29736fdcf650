"""The process: the dashboard at `/` and the HTTP API at `/api`, on one port.

Run by `streamlit run app.py`. Starting waits for the database and migrates it, so what listens is ready.
"""

import logging
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import altair  # noqa: F401 - imported here once, or the first visitor waits 0.7 s for it
import anyio
import pandas  # noqa: F401 - as altair
import streamlit as st
import streamlit.emojis  # as altair: 0.2 s
from starlette.middleware import Middleware
from starlette.routing import Mount
from streamlit import config

from ticketcore import api, desk, journal, settings
from ticketcore.api.middleware import BrokenOffError
from ticketcore.doors import AsItIs, Gate, Inside, SameOrigin, Shield, WholeText
from ticketcore.errors import StartUpError
from ticketcore.settings import Settings
from ticketcore.ui import me, tuning

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


def fail(error: StartUpError) -> NoReturn:
    """Ends the process with one line; raising would bury it under the server's stack trace."""
    sys.stderr.write(f"The ticket desk cannot start: {error}\n")
    sys.stderr.flush()
    os._exit(1)


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """The desk, open before the first request and closed after the last."""
    try:
        await anyio.to_thread.run_sync(desk.current)
    except StartUpError as error:
        fail(error)
    tuning.settle()
    yield
    await anyio.to_thread.run_sync(desk.stop)


def reading() -> Settings:
    """The settings of the desk that runs, or will."""
    return desk.current().settings


def sign_in(settings: Settings) -> dict[str, dict[str, object]] | None:
    """What Streamlit wants to know for `st.login`; None where nobody signs in."""
    if not (settings.oidc_issuer and settings.oidc_client_secret and settings.cookie_secret):
        return None
    secret = settings.cookie_secret.get_secret_value()
    # Streamlit signs the state of a sign-in with this one, so that another process can go on with it.
    config.set_option("server.cookieSecret", secret)
    auth = {
        "redirect_uri": str(settings.oidc_redirect_url),
        "cookie_secret": secret,
        "client_id": settings.oidc_client_id,
        "client_secret": settings.oidc_client_secret.get_secret_value(),
        "server_metadata_url": f"{str(settings.oidc_issuer).rstrip('/')}/.well-known/openid-configuration",
        "client_kwargs": {"scope": settings.oidc_scope},
    }
    return {"auth": auth}


def apologise(error: BaseException) -> bool:
    """Says kindly that a page failed, and logs why; nothing else is shown."""
    logging.getLogger(__name__).error("a page failed", exc_info=error)
    st.error(
        "The desk failed to show this; the failure was logged. Reload the page to try again.", icon=":material/error:"
    )
    return True


try:
    chosen = settings.read()
except StartUpError as error:
    fail(error)

tuning.tune()
app = st.App(
    "pages/main.py",
    lifespan=lifespan,
    routes=[Mount("/api", api.build(desk.current))],
    middleware=[
        Middleware(Shield, reading, [me.KEEP]),
        Middleware(Gate, reading),
        Middleware(SameOrigin, reading),
        Middleware(Inside, reading, me.is_inside),
        Middleware(WholeText),
        Middleware(AsItIs),
    ],
    secrets=sign_in(chosen),
    on_script_error=apologise,
)
