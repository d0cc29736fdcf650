"""The process: the dashboard at `/` and the HTTP API at `/api`, on one port.

Run by `streamlit run app.py`. Starting waits for the database and migrates it, so what listens is ready.
"""

import logging
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import altair  # noqa: F401 - imported here once, or the first visitor waits 0.7 s for it
import anyio
import pandas  # noqa: F401 - as altair
import streamlit as st
from starlette.routing import Mount

from ticketcore import api, desk
from ticketcore.errors import StartUpError

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
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


app = st.App("pages/main.py", lifespan=lifespan, routes=[Mount("/api", api.build(desk.current))])
