"""`make bench`: each operation of ticketcore beside the hand-written SQL through psycopg2, in one run.

Prints p50 and p95 in milliseconds and the ratio of the medians, then calls over HTTP beside an empty route, the exports
beside COPY, the pages after a change and without one, and writes beside those without triggers; the same stands in
`docs/benchmarks.md` then. TICKETS=10000,100000,1000000 for other sizes than 100,000.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from tests.bench import calls, files, screens
from tests.bench.ground import ZONE, filled, machine
from ticketcore import database, listing, stats, tickets
from ticketcore.filters import Sort, TicketFilter
from ticketcore.models import NewTicket, Source, TicketChanges
from ticketcore.validation import parse

SIZES = os.environ.get("TICKETS", "100000")
WRITTEN = Path(__file__).parents[2] / "docs" / "benchmarks.md"
ROUNDS = 40

LIST = "select id, title, left(description, 161), category, priority, status, created_at from tickets"
NEWEST = "order by created_at desc, id desc limit 50"
NEW = {"title": "The printer is on fire", "description": "It smells, too.", "category": "technical", "priority": "high"}


def milliseconds(*pair: Callable[[], object]) -> list[list[float]]:
    """How long the calls of each took, in order of length; they take turns, so that both see the same machine."""
    taken: list[list[float]] = [[] for _ in pair]
    for _ in range(ROUNDS + 1):
        for work, times in zip(pair, taken, strict=True):
            begin = time.perf_counter()
            work()
            times.append((time.perf_counter() - begin) * 1000)
    return [sorted(times[1:]) for times in taken]


def operations(db: database.Database, sql: Any) -> Iterator[tuple[str, Callable[[], object], Callable[[], object]]]:
    """The name of each operation, the operation, and the same by hand."""

    def by_hand(query: str, *values: object) -> Callable[[], object]:
        def run() -> object:
            with sql.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()

        return run

    new, changes = parse(NewTicket, NEW), parse(TicketChanges, {"status": "in_progress"})
    insert = "insert into tickets (title, description, category, priority) values (%s, %s, %s, %s) returning *"
    change = "update tickets set status = %s where id = %s returning *"
    yield "create", lambda: tickets.create(db, new, source=Source.API), by_hand(insert, *NEW.values())
    yield "get", lambda: tickets.get(db, 42), by_hand("select * from tickets where id = %s", 42)
    yield (
        "change",
        lambda: tickets.update(db, 42, changes, source=Source.API),
        by_hand(change, "in_progress", 43),
    )
    filters = {
        "all": (TicketFilter(), "true"),
        "rare facets": (
            parse(TicketFilter, {"category": ["general"], "priority": ["critical"], "status": ["open", "in_progress"]}),
            "category = 'general' and priority = 'critical' and status in ('open', 'in_progress')",
        ),
        "search": (
            parse(TicketFilter, {"search": "invoice"}),
            "(title ilike '%%invoice%%' or description ilike '%%invoice%%')",
        ),
    }
    for name, (matching, where) in filters.items():
        yield (
            f"newest 50, {name}",
            lambda matching=matching: listing.summaries(db, matching, sort=Sort.NEWEST, limit=50),
            by_hand(f"{LIST} where {where} {NEWEST}"),
        )
        cap = " limit 10001" if matching.search else ""
        yield (
            f"count, {name}",
            lambda matching=matching: listing.count(db, matching),
            by_hand(f"select count(*) from (select 1 from tickets where {where}{cap}) as found"),
        )
    yield (
        "figures",
        lambda: stats.overview(db, TicketFilter(), timezone=ZONE, now=datetime.now(UTC)),
        by_hand("select category, priority, status, count(*), min(created_at) from tickets group by 1, 2, 3"),
    )


def report(size: int) -> Iterator[str]:
    """The lines about a desk of this size."""
    with filled(size) as db:
        raw = psycopg2.connect(db.url.replace("+psycopg2", ""))
        raw.autocommit = True
        yield f"## {size:,} tickets"
        yield ""
        yield "| operation, ms | p50 | p95 | by hand p50 | ratio |"
        yield "| --- | --- | --- | --- | --- |"
        for label, ours, theirs in operations(db, raw):
            mine, plain = milliseconds(ours, theirs)
            middle, base = statistics.median(mine), statistics.median(plain)
            yield f"| {label} | {middle:.2f} | {mine[int(0.95 * ROUNDS)]:.2f} | {base:.2f} | {middle / base:.2f} |"
        url = db.url.replace("+psycopg2", "")
        for lines in (calls.report(url), files.report(db, raw), screens.report(db, raw, size)):
            yield ""
            yield from lines
        yield ""
        raw.close()


if __name__ == "__main__":
    told = [
        "# Benchmarks",
        "",
        "Written by `make bench`. What matters are the ratios and how they grow: each is of one run, beside "
        "hand-written SQL through psycopg2, an empty route or COPY; absolute times are those of the machine.",
        "",
        machine(),
        "",
    ]
    print("\n".join(told))
    for size in map(int, SIZES.split(",")):
        for line in report(size):
            print(line, flush=True)
            told.append(line)
    WRITTEN.write_text("\n".join(told).rstrip() + "\n")
