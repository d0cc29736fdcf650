"""An export that is written by a process of its own is the same file, and ends as one that is not."""

import contextlib
import io
import itertools
import json
import os
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import pytest
import sqlalchemy as sa

from tests.oracle import put
from ticketcore import clerk, copying, courtesy, processes
from ticketcore import exports as exports_of_process
from ticketcore.clerk import Apart
from ticketcore.columns import chosen
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.export import Export, Format
from ticketcore.exports import Exports
from ticketcore.filters import Sort, TicketFilter
from ticketcore.validation import parse

ZONE, NOW = ZoneInfo("Europe/Berlin"), datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def server(newest_server: str) -> str:
    """One server is enough here: the subject is not the SQL."""
    return newest_server


def begin(
    db: Database, kind: type[Export | Apart] = Apart, format: Format = Format.CSV, **where: object
) -> Export | Apart:
    matching = parse(TicketFilter, where)
    columns = chosen(["title", "id", "description", "created_at"])
    return kind(db, matching, columns, format, Sort.OLDEST, signature=True, zone=ZONE, now=NOW)


def test_whoever_waits_for_a_page_goes_first_for_as_long_as_was_worked_since(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sql, [{"title": f"Ticket {number}", "description": "x" * 20_000} for number in range(100)])
    undisturbed = b"".join(begin(db, Export).chunks())
    pauses: list[tuple[float, float, float]] = []

    def pause(longest: float, given_up: threading.Event) -> None:
        began = time.monotonic()
        given_up.wait(longest)
        pauses.append((began, longest, time.monotonic()))

    monkeypatch.setattr(courtesy, "after_others", pause)
    monkeypatch.setattr(courtesy, "LONG", 0.0)
    with courtesy.first():
        assert b"".join(begin(db, Export).chunks()) == undisturbed
    assert len(pauses) == 100, "with every row"
    assert all(0 <= longest <= copying.PAUSE for _, longest, _ in pauses)
    assert all(longest <= began - ended for (*_, ended), (began, longest, _) in itertools.pairwise(pauses))


def test_the_process_sees_who_waits_here(db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    put(sql, [{}])
    told: list[dict[str, object]] = []
    start = processes.start

    def starting(*module: str, **options: Any) -> subprocess.Popen[bytes]:
        told.append(options)
        return start(*module, **options)

    monkeypatch.setattr(processes, "start", starting)
    with courtesy.first():
        assert b"".join(begin(db).chunks()) == b"".join(begin(db, Export).chunks())
    assert told[0]["pass_fds"] == [courtesy.share()]

    attended: list[int] = []
    monkeypatch.setattr(courtesy, "attend", attended.append)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # which is that of this process
    job = {
        "url": db.addresses[0], "replica": None, "matching": "{}", "format": "csv", "columns": ["id"], "sort": "oldest",
        "signature": False, "zone": "UTC", "now": NOW.isoformat(), "courtesy": 7,
    }  # fmt: skip
    clerk.write(io.BytesIO(json.dumps(job).encode()), io.BytesIO())
    assert attended == [7]


def children() -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [one for one in psutil.Process().children() if "ticketcore.clerk" in " ".join(one.cmdline())]
    return []


@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL, Format.PARQUET])
def test_the_file_is_the_one_that_the_desk_itself_would_write(db: Database, sql: sa.Connection, format: Format) -> None:
    put(sql, [{"title": f"Ticket «{number}», {'refund' if number % 3 else 'other'}"} for number in range(500)])
    for where in ({}, {"category": ["general"], "search": "refund"}, {"status": ["closed"]}):
        apart, here = begin(db, Apart, format, **where), begin(db, Export, format, **where)
        files = [b"".join(one.chunks()) for one in (apart, here)]
        assert files[0] == files[1]
        assert (apart.total, apart.name, apart.media_type, apart.rows) == (
            here.total, here.name, here.media_type, here.rows,
        )  # fmt: skip
        assert (apart.state, here.state) == ("done", "done")
    assert children() == []


def test_many_tickets_are_written_apart_and_few_are_not(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sql, [{}] * 30)
    exports = Exports(db)
    for few, kind in ((30, Export), (29, Apart)):
        monkeypatch.setattr(exports_of_process, "FEW", few)
        export = exports.begin(TicketFilter(), chosen([]), Format.JSONL, zone=ZONE, now=NOW, key=str(few))
        assert type(export) is kind
        assert exports.find(str(few)) is export
        assert [json.loads(line)["id"] for line in b"".join(export.chunks()).splitlines()] == list(range(30, 0, -1))
    exports.close()


def test_a_process_that_is_killed_leaves_a_file_that_is_known_to_be_broken(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"description": "x" * 15_000}] * 1_000)
    export = begin(db)
    pieces = export.chunks()
    assert next(pieces)
    (child,) = children()
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(DatabaseUnavailable):
        list(pieces)
    assert export.state == "broken"
    assert children() == []


def test_whoever_stops_reading_ends_the_process_and_the_query(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"description": "x" * 15_000}] * 1_000)
    export = begin(db)
    pieces = export.chunks()
    assert next(pieces)
    assert len(children()) == 1
    export.close()
    export.close()
    assert (export.state, children()) == ("broken", [])
    deadline = time.monotonic() + 20
    while sql.scalar(sa.text("select count(*) from pg_stat_activity where query ilike 'copy (%'")):
        assert time.monotonic() < deadline, "the query goes on"
        time.sleep(0.05)


def test_a_database_that_is_away_is_said_to_be() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        begin(away)
    assert children() == []


def test_the_password_of_the_database_is_on_no_command_line(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"description": "x" * 15_000}] * 500)
    export = begin(db)
    (child,) = children()
    assert child.cmdline()[1:] == ["-m", "ticketcore.clerk"]
    assert child.nice() == min(psutil.Process().nice() + 10, 19), "whoever waits for a page comes first"
    export.close()
