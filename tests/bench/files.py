"""Exports beside the bare COPY of the same columns, in one run: ratio, time to the first piece, growth of memory."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psutil

from ticketcore.columns import chosen
from ticketcore.database import Database
from ticketcore.export import Format
from ticketcore.exports import Exports
from ticketcore.filters import TicketFilter

BY_HAND = """
    copy (
        select id, title, description, category, priority, status, assignee, reporter, created_at, updated_at,
               resolved_at,
               round(extract(epoch from resolved_at - created_at) / 3600, 2) as resolution_hours,
               case when resolved_at is null
                    then round(extract(epoch from now() - created_at) / 3600, 2) end as age_hours,
               exists (select from ticket_events e where e.ticket_id = tickets.id and field = 'status'
                       and old_value in ('resolved', 'closed') and new_value in ('open', 'in_progress')) as reopened,
               version, suggested_category, suggested_priority, suggestion_source,
               duplicate_of
        from tickets order by created_at desc, id desc
    ) to stdout with (format csv, header)"""
ROUNDS = 3


class Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        return len(content)


@contextmanager
def growth() -> Iterator[Callable[[], float]]:
    """By how many MB the process was larger than at the beginning, at its largest."""
    process, stop = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    largest = [before]

    def look() -> None:
        while not stop.wait(0.02):
            largest[0] = max(largest[0], process.memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield lambda: (largest[0] - before) / 1e6
    finally:
        stop.set()
        watcher.join()


def report(db: Database, sql: Any) -> Iterator[str]:
    """The lines of the table; `sql` is a driver connection to the same database."""
    exports = Exports(db)

    def by_hand() -> None:
        with sql.cursor() as cursor:
            cursor.copy_expert(BY_HAND, io.BufferedWriter(Nowhere(), 1 << 20))

    def ours(format: Format) -> float:
        begin = time.perf_counter()
        first = 0.0
        made = exports.begin(TicketFilter(), chosen([]), format, zone=ZoneInfo("UTC"), now=datetime.now(UTC))
        for piece in made.chunks():
            if piece and not first:
                first = time.perf_counter() - begin
        return first

    yield "| export | seconds | COPY by hand | ratio | first piece, ms | growth, MB |"
    yield "| --- | --- | --- | --- | --- | --- |"
    by_hand()
    for format in Format:
        taken, copied, firsts = [], [], []
        with growth() as grown:
            for _ in range(1 if format is Format.XLSX else ROUNDS):
                begin = time.perf_counter()
                by_hand()
                middle = time.perf_counter()
                firsts.append(ours(format) * 1000)
                copied.append(middle - begin)
                taken.append(time.perf_counter() - middle)
            best, bare = min(taken), min(copied)
            yield f"| {format} | {best:.2f} | {bare:.2f} | {best / bare:.2f} | {max(firsts):.0f} | {grown():.0f} |"
