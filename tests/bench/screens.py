"""What a change costs whoever looks on: pages after a change and without one, look-alikes, and writes beside bare ones.

Pages are run as Streamlit runs them, without a browser: `streamlit.testing`. A change is one ticket's.
"""

import contextlib
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.testing.v1 import AppTest

from ticketcore import bulk, desk, lookalikes
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.models import Priority, Source, TicketChanges

MAIN = Path(__file__).parents[2] / "pages" / "main.py"
ROUNDS = 5
WRITES = 300
STATS: dict[str, dict[str, Any]] = {
    "stats, 30 days": {},
    "stats, 90 days": {"period": "90 days"},
    "stats, a year": {"period": "A year"},
    "stats, one category": {"category": "billing"},
    "stats, one assignee": {"assignee": "Ben Hartmann"},
    "stats, a search": {"search": "invoice"},
}
LISTS: dict[str, dict[str, Any]] = {
    "tickets, all": {},
    "tickets, one category": {"category": "billing"},
    "tickets, rare facets": {"category": "general", "priority": "critical", "status": "open"},
    "tickets, one assignee": {"assignee": "Ben Hartmann"},
    "tickets, a search": {"search": "invoice"},
    "tickets, a search in facets": {"search": "invoice", "status": "open"},
    "tickets, most severe first": {"sort": "severest"},
    "tickets, resolved in a week": {"behind": "resolved_from=2026-10-05T00:00:00Z&resolved_to=2026-10-12T00:00:00Z"},
    "tickets, unsettled at a time": {"behind": "unsettled_at=2026-10-05T00:00:00Z"},
}
TITLES = ("Cannot log in since this morning", "Invoice for September is missing", "error 403", "the the the")
SIGN = "select set_config('desk.source', 'api', true), set_config('desk.actor', 'Me', true); "
INSERT = "insert into tickets (title, description, category, priority) values ('A', 'B', 'billing', 'low') returning id"
TURN = "update tickets set status = (case status when 'open' then 'in_progress' else 'open' end)::ticket_status"
BARE = (  # what the trigger sets would not fit the constraints otherwise
    ", resolved_at = null, version = version + 1, updated_at = clock_timestamp(),"
    " changed_in = (pg_current_xact_id()::text)::bigint"
)


def report(db: Database, sql: Any, tickets: int) -> Iterator[str]:
    """The lines of the tables; `sql` is a driver connection to the same database, in autocommit."""
    desk.stop()  # that of another size
    st.cache_data.clear()
    os.environ["DATABASE_URL"] = db.url.replace("+psycopg2", "")
    os.environ["SUGGESTION_LEARN"] = "0"  # it would take a processor from what is measured
    yield "| page, ms | after a change | unchanged |"
    yield "| --- | --- | --- |"
    for script, pages in (("stats.py", STATS), ("browse.py", LISTS)):
        for name, params in pages.items():
            changed, unchanged = page(script, params, sql)
            yield f"| {name} | {changed:.0f} | {unchanged:.0f} |"
    yield ""
    yield "| ms | p50 | longest |"
    yield "| --- | --- | --- |"
    for title in TITLES:
        taken = times(lambda title=title: alike(db, title))
        yield f"| look-alikes of “{title}” | {statistics.median(taken):.0f} | {max(taken):.0f} |"
    ids = list(range(1, 1_001))
    values = iter([Priority.HIGH, Priority.LOW] * ROUNDS)

    def change_and_undo() -> None:
        done = bulk.update(db, ids, TicketChanges(priority=next(values)), source=Source.DASHBOARD)
        bulk.undo(db, done, source=Source.DASHBOARD)

    taken = times(change_and_undo)
    yield f"| 1,000 tickets changed and undone | {statistics.median(taken):.0f} | {max(taken):.0f} |"
    yield ""
    yield "| write, ms | with triggers | without | ratio |"
    yield "| --- | --- | --- | --- |"
    yield from writes(sql, tickets)


def alike(db: Database, title: str) -> None:
    with contextlib.suppress(DatabaseUnavailable):  # given up
        lookalikes.find(db, title, now=datetime.now(UTC))


def times(work: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def page(script: str, params: dict[str, Any], sql: Any) -> tuple[float, float]:
    """The median of a run after a change, and of the next one."""
    at = AppTest.from_file(MAIN, default_timeout=120)
    at.run()
    at.switch_page(script)
    at.query_params = params
    at.run()
    changed, unchanged = [], []
    for _ in range(ROUNDS):
        with sql.cursor() as cursor:
            cursor.execute(f"{TURN} where id = 1")
        changed.append(run(at))
        unchanged.append(run(at))
    assert not at.exception
    assert not at.error, "a page that says that the database is away is fast"
    return statistics.median(changed), statistics.median(unchanged)


def run(at: AppTest) -> float:
    begin = time.perf_counter()
    at.run()
    return (time.perf_counter() - begin) * 1000


def writes(sql: Any, tickets: int) -> Iterator[str]:
    """The two take turns, so that both see the same machine."""
    taken: dict[tuple[str, bool], list[float]] = {}
    numbers = itertools.count(1, 769)  # all over the table
    with sql.cursor() as cursor:
        for turn in range(2 * WRITES // 50):
            has_triggers = turn % 2 == 0
            cursor.execute(f"alter table tickets {'enable' if has_triggers else 'disable'} trigger user")
            for number in itertools.islice(numbers, 50):
                change = f"{TURN}{'' if has_triggers else BARE} where id = {number % tickets + 1}"
                for name, statement in (("file", INSERT), ("change the status", change)):
                    begin = time.perf_counter()
                    cursor.execute(SIGN + statement)
                    taken.setdefault((name, has_triggers), []).append((time.perf_counter() - begin) * 1000)
        cursor.execute("alter table tickets enable trigger user")
    for name in ("file", "change the status"):
        ours, bare = (statistics.median(taken[name, has_triggers]) for has_triggers in (True, False))
        yield f"| {name} | {ours:.2f} | {bare:.2f} | {ours / bare:.2f} |"
