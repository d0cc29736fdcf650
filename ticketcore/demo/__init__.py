"""Realistic tickets for a desk that has none yet: `python -m ticketcore.demo [--tickets 2000] [--seed 7]`.

A year of invented support work, with a history for every ticket. It adds to what the desk already holds and
changes none of it, so running it again files as many once more, with the same seed too. Numbers rise with time
only within one fill. The words are plain text, in `words/`.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ticketcore import schema
from ticketcore.database import Database
from ticketcore.demo import store
from ticketcore.demo.command import main
from ticketcore.demo.history import AGENTS, History, histories
from ticketcore.models import Source

__all__ = ["AGENTS", "History", "fill", "histories", "main"]

CHUNK = 5_000
"""Tickets that are held in memory at a time."""

LARGE = 20_000
"""From so many tickets on, building the search index anew is faster than keeping it up to date row by row."""


def fill(db: Database, count: int, *, seed: int, now: datetime, timezone: ZoneInfo) -> int:
    """How many tickets were filed: all of `histories`, with their events, in one transaction.

    Nobody else can write until it ends; from `LARGE` tickets on, nobody can read either.
    """
    if count < 1:
        return 0
    with db.write(Source.IMPORT, unlimited=True) as connection:
        if count >= LARGE:
            schema.trigrams.drop(connection)
        # The triggers stamp the present, so the past goes in without them; every constraint stays on. The lock
        # that this takes keeps other writers out until the commit, so that nobody's change misses its history.
        connection.execute(sa.text("alter table tickets disable trigger user"))
        first = store.reserve(connection, count)
        store.copy(connection.connection.driver_connection, first, histories(count, seed, now, timezone), CHUNK)
        connection.execute(sa.text("alter table tickets enable trigger user"))
        if count >= LARGE:
            connection.execute(sa.text("set local maintenance_work_mem = '256MB'"))
            schema.trigrams.create(connection)
        connection.execute(sa.text("analyze tickets, ticket_events"))
    return count
