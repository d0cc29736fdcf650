"""A real primary and a real streaming replica: stats and exports move over, never show less, and move back.

Which server answered is read from the servers' own logs, in which each writes down every statement that it was sent.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg2
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests.conftest import FAST, binaries
from tests.oracle import put
from ticketcore import api, desk, driver, founding, listing, replica, settings, stats, tickets
from ticketcore.columns import chosen as chosen_columns
from ticketcore.database import Database
from ticketcore.embedded import EmbeddedServer
from ticketcore.errors import DatabaseUnavailable, Overloaded, StartUpError
from ticketcore.export import Format
from ticketcore.filters import TicketFilter
from ticketcore.models import NewTicket, Priority, Source
from ticketcore.period import Period, Unit
from ticketcore.review import review

ZONE = ZoneInfo("Europe/Berlin")
LOGGED = {**FAST, "synchronous_commit": "on", "log_statement": "all"}
ALL, SEARCH = TicketFilter(), TicketFilter(search="refund")
NEW = NewTicket(title="Refund", description="I paid twice.")


class Servers:
    """A primary and its replica, each with its own log of what it was asked."""

    def __init__(self, version: int, folder: Path) -> None:
        self._binaries, self._folder = binaries(version), folder
        self.primary = EmbeddedServer(folder / "primary", binaries=self._binaries, options=LOGGED)
        founding.migrate(self.primary.url)
        self.clone("replica")
        self.start_replica()

    def clone(self, name: str) -> Path:
        """A standby's files, made from the primary."""
        there = self._folder / name
        there.mkdir()
        there.chmod(0o777)
        address = self.primary.url.rpartition("host=")[2]
        self.primary._run(
            "pg_basebackup", "-h", address, "-U", "postgres", "-D", there / "postgres", "-R", "--checkpoint=fast"
        )
        for left in (".s.PGSQL.5432.lock", "server.log"):  # those of the primary, whose files lie where its socket is
            (there / "postgres" / left).unlink(missing_ok=True)
        return there

    def start_replica(self) -> None:
        self.replica = EmbeddedServer(self._folder / "replica", binaries=self._binaries, options=LOGGED)

    def stop(self) -> None:
        self.replica.stop()
        self.primary.stop()

    def asked(self, name: str) -> str:
        """All that this server has been sent."""
        return (self._folder / name / "postgres" / "server.log").read_text(errors="replace")


@pytest.fixture(scope="module", params=[15, 18], ids=["postgresql-15", "postgresql-18"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(request.param, tmp_path_factory.mktemp(f"replicated-{request.param}"))
    yield servers
    servers.stop()


@pytest.fixture
def sql(servers: Servers) -> Iterator[sa.Connection]:
    """Raw SQL at the primary; each statement commits by itself."""
    engine = sa.create_engine(
        driver.driver_url(servers.primary.url), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(sa.text("truncate tickets, ticket_events restart identity"))
        yield connection


@pytest.fixture
def db(servers: Servers, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty desk that has a replica, which is tried again soon after it was away."""
    monkeypatch.setattr(replica, "PAUSE", 0.2)
    db = Database(servers.primary.url, servers.replica.url)
    yield db
    db.close()


def at_replica(servers: Servers, statement: str) -> Any:
    connection = psycopg2.connect(servers.replica.url)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def total(db: Database, matching: TicketFilter = ALL) -> int:
    return stats.overview(db, matching, timezone=ZONE, now=datetime.now(UTC)).total_tickets


def reviewed(db: Database, matching: TicketFilter = ALL) -> int:
    """How many tickets the review of the last days counts as created."""
    now = datetime.now(UTC)
    today = now.astimezone(ZONE).date()
    period = Period(first=today - timedelta(days=6), last=today, timezone=ZONE, now=now)
    return review(db, matching, period, Unit.DAY, dict.fromkeys(Priority, timedelta(days=1))).now.created


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def moved(db: Database, found: str) -> int:
    return db.asides()[found]


def test_stats_and_exports_are_read_at_the_replica_and_nothing_else(
    servers: Servers, db: Database, sql: sa.Connection
) -> None:
    put(sql, [{"title": f"Ticket {number}"} for number in range(40)])
    marks = {name: len(servers.asked(name)) for name in ("primary", "replica")}
    assert (total(db), reviewed(db)) == (40, 40)
    assert len(listing.summaries(db, TicketFilter(), limit=50)) == 40
    assert tickets.get(db, 1).title == "Ticket 0"
    assert tickets.create(db, NEW, source=Source.API).id == 41
    asked = {name: servers.asked(name)[mark:] for name, mark in marks.items()}
    assert "timestamptz_send" in asked["replica"]
    assert "timestamptz_send" not in asked["primary"]
    assert not any(word in asked["replica"] for word in ("left(tickets.description", "INSERT", "WHERE tickets.id = "))


def test_figures_of_a_search_are_read_at_the_replica_too(servers: Servers, db: Database, sql: sa.Connection) -> None:
    put(sql, [{"title": "Refund"}, {"title": "Refunds"}, {"title": "Another"}])
    marks = {name: len(servers.asked(name)) for name in ("primary", "replica")}
    assert (total(db, SEARCH), reviewed(db, SEARCH)) == (2, 2)
    asked = {name: servers.asked(name)[mark:] for name, mark in marks.items()}
    assert "ILIKE" in asked["replica"]
    assert "ILIKE" not in asked["primary"]


def test_what_was_just_filed_is_in_the_figures(db: Database) -> None:
    for number in range(1, 41):
        tickets.create(db, NEW, source=Source.API)
        assert total(db) == number
        if number % 10 == 0:
            assert reviewed(db) == number
    assert moved(db, "in step") > 20, "and mostly they came from the replica"


def test_nobody_sees_less_than_was_there_before_he_asked_while_others_file(db: Database) -> None:
    filed, over = [0], threading.Event()

    def file() -> None:
        while not over.is_set():
            tickets.create(db, NEW, source=Source.API)
            filed[0] += 1

    writer = threading.Thread(target=file)
    writer.start()
    try:
        for _ in range(60):
            at_least = filed[0]
            assert at_least <= total(db) <= filed[0] + 1
    finally:
        over.set()
        writer.join()
    assert moved(db, "in step") > 0


def test_a_replica_that_lags_is_not_read_until_it_is_in_step(
    servers: Servers, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tickets.create(db, NEW, source=Source.API)
    assert total(db) == 1
    at_replica(servers, "select pg_wal_replay_pause()::text")
    try:
        for number in range(2, 8):
            tickets.create(db, NEW, source=Source.API)
            before = servers.asked("replica").count("timestamptz_send")
            assert (total(db), reviewed(db)) == (number, number)
            assert servers.asked("replica").count("timestamptz_send") == before
        assert moved(db, "behind") == 18, "a total, a review, and what is due next, six times"
    finally:
        at_replica(servers, "select pg_wal_replay_resume()::text")
    before = moved(db, "in step")
    until(lambda: total(db) == 7 and moved(db, "in step") > before)
    told = [record.getMessage() for record in caplog.records if record.name == "ticketcore.replica"]
    assert told == [
        "stats and exports are read from the primary: the replica is behind",
        "stats and exports are read from the replica again",
    ]


def test_a_replica_that_dies_is_missed_by_nobody_and_is_read_again_when_it_is_back(
    servers: Servers, db: Database
) -> None:
    for _ in range(3):
        tickets.create(db, NEW, source=Source.API)
    assert total(db) == 3
    servers.replica.stop()
    try:
        for number in range(4, 10):
            tickets.create(db, NEW, source=Source.API)
            assert (total(db), reviewed(db)) == (number, number)
        assert moved(db, "away") == 18
    finally:
        servers.start_replica()
    before = moved(db, "in step")
    until(lambda: total(db) == 9 and moved(db, "in step") > before)
    assert reviewed(db) == 9


def test_what_is_lost_in_the_middle_of_reading_is_read_at_the_primary(servers: Servers, db: Database) -> None:
    asked = []

    def work(there: Database) -> int:
        asked.append(there)
        with there.read() as connection:
            if len(asked) == 1:
                pid = connection.scalar(sa.text("select pg_backend_pid()"))
                assert at_replica(servers, f"select pg_terminate_backend({pid}, 5000)") == [(True,)]
            return int(connection.scalar(sa.text("select 42")) or 0)

    assert db.aside(work) == 42
    assert [there is db for there in asked] == [False, True]


def test_what_takes_the_replica_too_long_is_not_begun_again_at_the_primary(db: Database) -> None:
    asked = []

    def work(there: Database) -> None:
        asked.append(there)
        with there.read() as connection:
            connection.execute(sa.text("set statement_timeout = 100"))
            try:
                connection.execute(sa.text("select pg_sleep(20)"))
            finally:
                connection.invalidate()

    with pytest.raises(Overloaded, match="too long"):
        db.aside(work)
    assert len(asked) == 1


def test_an_export_comes_from_the_replica_whole_and_breaks_off_when_that_dies(
    servers: Servers, sql: sa.Connection
) -> None:
    put(sql, [{"title": f"Ticket {number}", "description": "x" * 10_000} for number in range(3_000)])
    chosen = settings.read({"DATABASE_URL": servers.primary.url, "DATABASE_REPLICA_URL": servers.replica.url})
    opened = desk.open_desk(chosen, learns=False)
    process = Starlette(routes=[Mount("/api", api.build(lambda: opened))])
    try:
        with TestClient(process, raise_server_exceptions=False) as client:
            mark = len(servers.asked("primary"))
            whole = client.get("/api/tickets/export/?format=csv")
            assert whole.text.count("\n") == 3_001
            assert "copy (" not in servers.asked("primary")[mark:].lower()
            assert "copy (" in servers.asked("replica").lower()
            figures = client.get("/api/tickets/stats/").json()
            assert figures["total_tickets"] == 3_000
            found = {
                sample.labels["replica"]: sample.value
                for family in text_string_to_metric_families(client.get("/api/metrics").text)
                for sample in family.samples
                if sample.name == "desk_replica_reads_total"
            }
            assert found["in step"] >= 3
            assert (found["behind"], found["away"], found["foreign"]) == (0, 0, 0)
        export = opened.itself.exports.begin(
            TicketFilter(), chosen_columns(()), Format.CSV, zone=ZONE, now=datetime.now(UTC)
        )
        pieces = export.chunks()
        assert [len(next(pieces)) > 0 for _ in range(2)] == [True, True], "the header, and the first rows"
        at_replica(
            servers,
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where query ilike 'copy (%'",
        )
        with pytest.raises(DatabaseUnavailable):
            list(pieces)
        assert export.state == "broken"
    finally:
        opened.close()


def test_a_server_that_is_no_replica_of_this_primary_is_never_read(
    servers: Servers, sql: sa.Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    put(sql, [{}] * 3)
    stranger = EmbeddedServer(tmp_path_factory.mktemp("stranger"), options=LOGGED)
    promoted = EmbeddedServer(servers.clone("promoted"), binaries=servers._binaries, options=LOGGED)
    try:
        promoted._run("pg_ctl", "promote", "-w", "-D", promoted._files)
        for other in (stranger, promoted, servers.primary):
            db = Database(servers.primary.url, other.url)
            assert total(db) == 3
            assert {name: number for name, number in db.asides().items() if number} == {"foreign": 1}
            db.close()
    finally:
        stranger.stop()
        promoted.stop()


def test_a_replica_without_its_primary_is_a_setting_that_cannot_be() -> None:
    with pytest.raises(StartUpError, match="DATABASE_REPLICA_URL needs DATABASE_URL"):
        settings.read({"DATABASE_REPLICA_URL": "postgresql://desk@replica/desk"})
