"""The way to the database: no write goes unnoticed, an absent or slow database is said to be so, and it comes back."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle import put
from ticketcore import driver, embedded, founding, listing, patience, pool, tickets
from ticketcore.database import Database
from ticketcore.embedded import EmbeddedServer
from ticketcore.errors import DatabaseUnavailable, StartUpError
from ticketcore.filters import TicketFilter
from ticketcore.models import NewTicket, Source

NEW = NewTicket(title="Refund", description="I paid twice.")
QUICK = {**embedded.OPTIONS, "fsync": "off"}
NOBODY = "postgresql://agent:{}@127.0.0.1:1/desk"
"""An address at which nothing listens."""


@pytest.fixture
def writers(server: str, db: Database) -> Iterator[list[sa.Connection]]:
    """Three connections that commit when they are told to."""
    del db  # asked for so that the tables are emptied
    engine = sa.create_engine(driver.driver_url(server), poolclass=sa.NullPool)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(engine.connect()) for _ in range(3)]


def write(writer: sa.Connection) -> None:
    """Files a ticket and fires its triggers, without a commit."""
    writer.exec_driver_sql(
        "insert into tickets (title, description, category, priority) values ('A', 'B', 'billing', 'low')"
    )


def look(db: Database) -> tuple[str, int]:
    """The snapshot, and what is read right after it."""
    return db.snapshot(), listing.count(db, TicketFilter()).number


def test_the_snapshot_differs_after_each_commit_and_stays_while_nothing_happens(db: Database) -> None:
    seen = [db.snapshot()]
    for status in ("closed", "open", "resolved"):
        ticket = tickets.create(db, NEW, source=Source.API)
        seen.append(db.snapshot())
        with db.write(Source.API) as connection:
            connection.execute(sa.text(f"update tickets set status = '{status}' where id = :id"), {"id": ticket.id})
        seen.append(db.snapshot())
    assert len(set(seen)) == len(seen)
    assert len({db.snapshot() for _ in range(8)}) < 8  # the server's own housekeeping may move it, but not each time


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first writer first", "second writer first"])
def test_what_was_read_while_writes_were_under_way_is_never_taken_for_what_came_after_them(
    db: Database, writers: list[sa.Connection], order: tuple[int, int]
) -> None:
    """A sequence would have moved with the triggers, before the commit: its reader would keep the old rows for new."""
    seen = [look(db)]
    for writer in writers[:2]:
        write(writer)
        seen.append(look(db))
    assert {number for _, number in seen} == {0}
    for committed, place in enumerate(order, start=1):
        writers[place].commit()
        seen.append(look(db))
        assert seen[-1][1] == committed
        assert seen[-1][0] not in {snapshot for snapshot, _ in seen[:-1]}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["write", "read", "commit", "rollback"])), max_size=20))
def test_one_snapshot_never_stands_for_two_states_whatever_three_writers_do(
    db: Database, writers: list[sa.Connection], steps: list[tuple[int, str]]
) -> None:
    seen = [look(db)]
    for place, step in [*steps, (0, "commit"), (1, "commit"), (2, "commit")]:
        match step:
            case "write":
                write(writers[place])
            case "read":
                writers[place].exec_driver_sql("select count(*) from tickets")
            case "commit":
                writers[place].commit()
            case "rollback":
                writers[place].rollback()
        seen.append(look(db))
    assert len(dict(seen)) == len(set(seen))


def cut(sql: sa.Connection) -> int:
    """Ends every connection of the desk, and says how many they were."""
    end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'ticket-desk'"
    return int(sql.exec_driver_sql(end).scalar_one())


def test_the_desk_goes_on_after_all_its_connections_were_cut(db: Database, sql: sa.Connection) -> None:
    with db.read() as first, db.read() as second:
        assert first.scalar(sa.text("select 1")) == second.scalar(sa.text("select 1"))
    assert cut(sql) == 2
    time.sleep(patience.FRESH)
    assert listing.count(db, TicketFilter()).number == 0
    cut(sql)
    time.sleep(patience.FRESH)
    assert tickets.create(db, NEW, source=Source.API).id == 1
    cut(sql)
    time.sleep(patience.FRESH)
    assert db.is_ready()


def test_a_connection_cut_at_once_after_its_use_costs_one_answer(db: Database, sql: sa.Connection) -> None:
    assert db.is_ready()
    assert cut(sql) == 1
    with contextlib.suppress(DatabaseUnavailable):
        tickets.create(db, NEW, source=Source.API)
    assert db.is_ready()


def test_a_connection_cut_in_the_middle_is_an_absent_database_and_stores_nothing(
    db: Database, sql: sa.Connection
) -> None:
    def change() -> None:
        with db.write(Source.API) as connection:
            write(connection)
            cut(sql)
            write(connection)

    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        change()
    assert listing.count(db, TicketFilter()).number == 0


def test_a_connection_cut_at_the_commit_is_an_absent_database(db: Database, sql: sa.Connection) -> None:
    def change() -> None:
        with db.write(Source.API) as connection:
            write(connection)
            cut(sql)

    with pytest.raises(DatabaseUnavailable):
        change()
    assert listing.count(db, TicketFilter()).number == 0


def test_a_query_that_runs_too_long_is_cut_with_a_message_of_its_own(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "STATEMENT_TIMEOUT", "100ms")
    hasty = Database(server)

    def sleep() -> None:
        with hasty.read() as connection:
            connection.exec_driver_sql("select pg_sleep(20)")

    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="too long"):
        sleep()
    assert time.monotonic() - began < 10
    assert hasty.is_ready()
    hasty.close()


def test_no_query_may_run_without_a_limit(db: Database) -> None:
    with db.read() as reader, db.write(Source.API) as writer:
        for connection in (reader, writer):
            limit = connection.exec_driver_sql("select setting::int from pg_settings where name = 'statement_timeout'")
            assert 0 < limit.scalar_one() <= 60_000  # milliseconds


def test_a_busy_desk_says_so_and_works_again_when_a_connection_is_free(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(sa.create_engine, pool_size=1, max_overflow=0, pool_timeout=0.2)
    usual = {"pool_size", "max_overflow", "pool_timeout"}
    monkeypatch.setattr(
        sa, "create_engine", lambda url, **given: small(url, **{k: v for k, v in given.items() if k not in usual})
    )
    narrow = Database(server)
    with narrow.read(), pytest.raises(DatabaseUnavailable, match="busy"):
        narrow.snapshot()
    assert narrow.is_ready()
    narrow.close()


def test_a_server_that_became_read_only_is_an_absent_database_for_writers(
    server: str, db: Database, sql: sa.Connection
) -> None:
    """So it is on the old primary after a failover."""
    sql.exec_driver_sql("alter role current_user set default_transaction_read_only = on")
    try:
        with pytest.raises(DatabaseUnavailable):
            tickets.create(db, NEW, source=Source.API)
        assert listing.count(db, TicketFilter()).number == 0
    finally:
        sql.exec_driver_sql("alter role current_user reset all")


def test_a_mistake_in_a_query_is_not_taken_for_an_absent_database(db: Database) -> None:
    with pytest.raises(sa.exc.ProgrammingError), db.read() as connection:
        connection.exec_driver_sql("select nonsense")
    assert db.is_ready()


def test_each_read_sees_what_others_have_committed_meanwhile(db: Database, sql: sa.Connection) -> None:
    with db.read() as connection:
        count = sa.text("select count(*) from tickets")
        assert connection.scalar(count) == 0
        put(sql, [{}])
        assert connection.scalar(count) == 1


def test_times_are_read_in_utc_whatever_zone_the_server_lives_in(db: Database, sql: sa.Connection) -> None:
    sql.exec_driver_sql("alter role current_user set timezone = 'Asia/Kathmandu'")
    try:
        put(sql, [{}])
        with db.read() as connection:
            assert connection.scalar(sa.text("show timezone")) == "UTC"
    finally:
        sql.exec_driver_sql("alter role current_user reset all")


def refusal(url: str, **options: Any) -> str:
    with pytest.raises(StartUpError) as caught:
        founding.wait(url, **options)
    return str(caught.value)


def test_waiting_for_a_database_ends_within_its_patience_with_one_line_that_names_the_place() -> None:
    began = time.monotonic()
    message = refusal(NOBODY.format("hunter2"), patience=0.5)
    assert 0.4 < time.monotonic() - began < 4
    assert len(message.splitlines()) == 1
    assert "127.0.0.1:1/desk" in message
    assert "0.5 s" in message
    assert "refused" in message


def test_the_desk_waits_for_a_minute_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        assert seconds <= 5, "the desk should not oversleep"
        clock[0] += seconds

    monkeypatch.setattr(founding, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    assert "60 s" in refusal(NOBODY.format("hunter2"))
    assert 60 <= clock[0] < 66


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        (NOBODY.format("hunter2"), ["hunter2"]),
        (NOBODY.format("hunter%402%2F"), ["hunter%402", "hunter@2"]),
        ("postgresql://127.0.0.1:1/desk?user=agent&password=hunter2", ["hunter2"]),
        (NOBODY.format("hunter@correct-horse"), ["hunter", "correct-horse"]),
        (NOBODY.format("hunter2") + "?sslpassword=correct-horse", ["hunter2", "correct-horse"]),
    ],
    ids=["plain", "with escapes", "as a parameter", "with an @ that should be escaped", "of a client key"],
)
def test_waiting_for_a_database_never_shows_a_password(
    url: str, secrets: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    message = refusal(url, patience=0.1)
    assert not any(secret in message + caplog.text for secret in secrets)


def test_a_wrong_database_name_is_told_as_such(server: str) -> None:
    nowhere = sa.make_url(server).set(database="nowhere").render_as_string(hide_password=False)
    assert 'database "nowhere" does not exist' in refusal(nowhere, patience=0)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[list[EmbeddedServer]]:
    """A server of the test's own, which it may stop and start again: the last of the list is the one that runs."""
    servers = [EmbeddedServer(tmp_path / "desk", options=QUICK)]
    yield servers
    servers[-1].stop()


def test_a_stopped_server_is_an_absent_database_until_it_is_back(private: list[EmbeddedServer], tmp_path: Path) -> None:
    founding.migrate(private[0].url)
    db = Database(private[0].url)
    ticket = tickets.create(db, NEW, source=Source.API)
    private[0].stop()
    attempts = (
        lambda: tickets.get(db, ticket.id),
        lambda: tickets.create(db, NEW, source=Source.API),
        lambda: listing.newest(db, TicketFilter(), limit=1),
        db.snapshot,
    )
    for attempt in attempts:
        with pytest.raises(DatabaseUnavailable, match="cannot be reached") as caught:
            attempt()
        assert "psycopg2" not in str(caught.value)
        assert caught.value.status == 503
    assert not db.is_ready()
    private.append(EmbeddedServer(tmp_path / "desk", options=QUICK))
    assert db.is_ready()
    assert tickets.get(db, ticket.id) == ticket
    db.close()


@contextlib.contextmanager
def silent(folder: Path) -> Iterator[None]:
    """Every process of the server stands still meanwhile, as on a machine that hangs: nothing is refused or cut."""
    postmaster = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def test_a_server_that_falls_silent_is_an_absent_database_until_it_answers(
    private: list[EmbeddedServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket stays open and nothing comes: without a limit of its own the desk would wait for ever."""
    monkeypatch.setattr(patience, "PING_SILENCE", 0.5)
    monkeypatch.setattr(patience, "SILENCE", 1.0)
    founding.migrate(private[0].url)
    db = Database(private[0].url)
    ticket = tickets.create(db, NEW, source=Source.API)
    attempts: list[Callable[[], object]] = [
        lambda: tickets.get(db, ticket.id),
        lambda: tickets.create(db, NEW, source=Source.API),
    ]
    for attempt in attempts:
        time.sleep(patience.FRESH)
        with silent(tmp_path / "desk"), pytest.raises(DatabaseUnavailable):
            attempt()
        assert tickets.get(db, ticket.id) == ticket  # at once, on a new connection
    assert listing.count(db, TicketFilter()).number == 1
    db.close()


@pytest.mark.parametrize("moment", ["statement", "commit"])
def test_a_server_that_falls_silent_in_the_middle_is_an_absent_database(
    private: list[EmbeddedServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(patience, "SILENCE", 1.0)
    founding.migrate(private[0].url)
    db = Database(private[0].url)

    def change(power: contextlib.ExitStack) -> None:
        with db.write(Source.API) as connection:
            write(connection)
            power.enter_context(silent(tmp_path / "desk"))
            if moment == "statement":
                write(connection)

    with contextlib.ExitStack() as power, pytest.raises(DatabaseUnavailable):
        change(power)
    assert listing.count(db, TicketFilter()).number in (0, 1)  # whether a lost commit was stored, nobody can know
    db.close()


def test_an_unlimited_transaction_may_be_slower_than_any_limit(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "STATEMENT_TIMEOUT", "100ms")
    monkeypatch.setattr(patience, "SILENCE", 0.2)
    db = Database(server)
    with db.write(Source.IMPORT, unlimited=True) as connection:
        assert connection.scalar(sa.text("select 42 from pg_sleep(1.5)")) == 42
    db.close()


def test_the_desk_waits_for_a_database_that_is_still_starting_and_says_so(
    private: list[EmbeddedServer], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    private[0].stop()

    def start_late() -> None:
        time.sleep(1)
        private.append(EmbeddedServer(tmp_path / "desk", options=QUICK))

    late = threading.Thread(target=start_late)
    late.start()
    began = time.monotonic()
    try:
        founding.wait(private[0].url, patience=30)
        assert time.monotonic() - began > 0.9
        assert "waiting for the database" in caplog.text
    finally:
        late.join()


def test_a_snapshot_tells_what_was_before_a_recovery_which_ends_with_a_checkpoint(
    db: Database, sql: sa.Connection
) -> None:
    def numbers(snapshot: str) -> str:
        return snapshot.partition("@")[0]

    for _ in range(20):  # until nothing else ends in the server meanwhile
        before = db.snapshot()
        sql.execute(sa.text("checkpoint"))
        after = db.snapshot()
        if numbers(before) == numbers(after):
            break
    assert numbers(before) == numbers(after) == str(sql.scalar(sa.text("select pg_current_snapshot()")))
    assert before != after
    assert " " not in after
