"""Whoever follows the changes misses none, however many write at once and in whatever order they commit."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import empty
from tests.oracle import put
from ticketcore import driver, feed, founding, tickets
from ticketcore.database import Database
from ticketcore.errors import InvalidInput
from ticketcore.filters import TicketFilter
from ticketcore.models import NewTicket, Source, TicketChanges
from ticketcore.validation import parse

ALL = TicketFilter()
LONG_AGO = "1999-01-01T00:00:00Z"
NEW = NewTicket(title="A", description="B")

Open = Callable[[], sa.Connection]


@pytest.fixture
def writer(server: str) -> Iterator[Open]:
    """Raw connections in transactions, which the test commits in the order that it likes."""
    engine = sa.create_engine(driver.driver_url(server), poolclass=sa.NullPool)
    opened: list[sa.Connection] = []

    def connect() -> sa.Connection:
        opened.append(engine.connect())
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


class Follower:
    """What a warehouse would hold: each ticket as it was told last."""

    def __init__(self, db: Database, *, begin: str = LONG_AGO, limit: int = 3, matching: TicketFilter = ALL) -> None:
        self.db, self.place, self.limit, self.matching = db, begin, limit, matching
        self.versions: dict[int, int] = {}
        self.told: list[int] = []

    def poll(self) -> int:
        """Reads one page and returns how many tickets were on it."""
        changes = feed.since(self.db, self.place, self.matching, limit=self.limit)
        self.place = str(changes.cursor)
        self.told += [ticket.id for ticket in changes.tickets]
        self.versions |= {ticket.id: ticket.version for ticket in changes.tickets}
        return len(changes.tickets)

    def catch_up(self) -> list[int]:
        """Reads until nothing is left, and returns the tickets that were told, in order."""
        before = len(self.told)
        while self.poll():
            pass
        return self.told[before:]


def versions(sql: sa.Connection) -> dict[int, int]:
    return dict(sql.exec_driver_sql("select id, version from tickets").all())


def change(sql: sa.Connection, number: int) -> None:
    sql.execute(sa.text("update tickets set title = title || '.' where id = :id"), {"id": number})


def insert(sql: sa.Connection) -> int:
    row = "insert into tickets (title, description, category, priority) values ('A', 'B', 'billing', 'low')"
    return int(sql.exec_driver_sql(f"{row} returning id").scalar_one())


def test_each_ticket_is_told_once_in_the_order_of_its_last_change(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}] * 5)
    for number in (4, 2, 4):
        change(sql, number)
    for limit in (1, 2, 3, 5, 100):
        follower = Follower(db, limit=limit)
        assert follower.catch_up() == [1, 3, 5, 2, 4]
        assert follower.versions == {1: 1, 2: 2, 3: 1, 4: 3, 5: 1}
        assert follower.catch_up() == []


def test_tickets_that_one_transaction_changed_are_told_by_their_ids_and_none_is_cut_off_by_a_page(
    db: Database, sql: sa.Connection
) -> None:
    put(sql, [{}] * 7)
    sql.exec_driver_sql("update tickets set title = 'B' where id <> 3")
    assert Follower(db, limit=2).catch_up() == [3, 1, 2, 4, 5, 6, 7]


def test_what_is_changed_later_is_told_later_and_nothing_else_is_told_again(db: Database, sql: sa.Connection) -> None:
    follower = Follower(db)
    assert follower.catch_up() == []
    put(sql, [{}] * 4)
    assert follower.catch_up() == [1, 2, 3, 4]
    change(sql, 2)
    tickets.create(db, NEW, source=Source.API)
    tickets.update(db, 1, TicketChanges(title="B"), source=Source.API)
    assert follower.catch_up() == [2, 5, 1]
    sql.exec_driver_sql("update tickets set title = title, version = 9")  # no fact changes
    assert follower.catch_up() == []
    assert follower.versions == versions(sql)


def test_a_change_is_told_only_when_all_that_began_before_it_have_ended(
    db: Database, sql: sa.Connection, writer: Open
) -> None:
    put(sql, [{}] * 3)
    follower = Follower(db)
    assert follower.catch_up() == [1, 2, 3]
    early, late = writer(), writer()
    change(early, 1)
    change(late, 2)
    late.commit()
    assert follower.catch_up() == [], "a cursor behind ticket 2 would hide ticket 1 for ever"
    early.commit()
    assert follower.catch_up() == [1, 2]


def test_a_transaction_that_is_rolled_back_is_not_waited_for_and_not_told(
    db: Database, sql: sa.Connection, writer: Open
) -> None:
    put(sql, [{}] * 2)
    follower = Follower(db)
    follower.catch_up()
    early = writer()
    change(early, 1)
    change(sql, 2)
    assert follower.catch_up() == []
    early.rollback()
    assert follower.catch_up() == [2]


def test_a_ticket_that_an_older_transaction_changes_after_a_younger_one_is_told_as_it_ends_up(
    db: Database, sql: sa.Connection, writer: Open
) -> None:
    put(sql, [{}] * 2)
    follower = Follower(db)
    follower.catch_up()
    older = writer()
    older.exec_driver_sql("select pg_current_xact_id()")
    change(sql, 1)
    change(older, 1)
    assert follower.catch_up() == []
    older.commit()
    assert follower.catch_up() == [1]
    assert follower.versions == versions(sql) == {1: 3, 2: 1}


def test_rows_of_a_savepoint_belong_to_the_whole_transaction(db: Database, writer: Open) -> None:
    follower = Follower(db)
    outer, other = writer(), writer()
    with outer.begin(), outer.begin_nested():
        insert(outer)
        insert(other)
        other.commit()
        assert follower.catch_up() == []
    assert follower.catch_up() == [1, 2]


def test_a_time_begins_with_the_tickets_that_were_changed_at_it_or_later(db: Database, sql: sa.Connection) -> None:
    moments = [datetime(2026, 5, 1, hour, tzinfo=UTC) for hour in (3, 1, 4, 2, 5)]
    put(sql, [{"created_at": moment} for moment in moments])
    for limit in (1, 2, 100):
        follower = Follower(db, begin="2026-05-01T05:00:00+02:00", limit=limit)
        assert follower.catch_up() == [1, 3, 5]
    change(sql, 2)
    follower = Follower(db, begin="2026-05-01T04:00:00Z", limit=1)
    assert follower.poll() == 1
    put(sql, [{"created_at": moments[1]}])  # from another system, with its past: a change all the same
    assert follower.catch_up() == [5, 2, 6]
    assert Follower(db, begin="2999-01-01T00:00:00Z").catch_up() == []


def test_a_time_that_is_still_to_come_tells_what_is_changed_from_now_on(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}])
    follower = Follower(db, begin="2999-01-01T00:00:00Z")
    assert follower.catch_up() == []
    assert insert(sql) == 2
    assert follower.catch_up() == [2]


def test_a_filter_looks_at_tickets_as_they_are_now(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"status": status} for status in ("open", "closed", "open", "open")])
    follower = Follower(db, limit=1, matching=parse(TicketFilter, {"status": ["open"], "search": "title"}))
    assert follower.catch_up() == [1, 3, 4]
    sql.exec_driver_sql("update tickets set status = 'closed' where id = 3")
    sql.exec_driver_sql("update tickets set status = 'open' where id = 2")
    assert follower.catch_up() == [2]


def test_a_follower_of_few_need_not_look_twice_through_what_is_not_for_it(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}] * 50)
    follower = Follower(db, matching=parse(TicketFilter, {"status": ["closed"]}))
    assert follower.poll() == 0
    cluster, changed_in, number = follower.place.split("-")
    last = sql.exec_driver_sql("select changed_in, id from tickets order by changed_in desc, id desc limit 1").one()
    assert (int(changed_in), int(number)) == tuple(last)
    assert cluster == f"{sql.exec_driver_sql('select system_identifier from pg_control_system()').scalar():x}"


def test_a_cursor_is_of_a_ticket_that_was_there(db: Database, sql: sa.Connection) -> None:
    """A server that crashed may use the numbers of transactions that left nothing behind once more."""
    put(sql, [{}] * 3)
    for _ in range(20):
        sql.exec_driver_sql("select pg_current_xact_id()")
    follower = Follower(db)
    follower.catch_up()
    assert int(follower.place.split("-")[1]) == sql.exec_driver_sql("select max(changed_in) from tickets").scalar()


@pytest.mark.parametrize("until", ["", "-5-77"])
def test_a_cursor_of_another_cluster_or_of_the_future_says_to_start_again(
    db: Database, sql: sa.Connection, until: str
) -> None:
    put(sql, [{}])
    follower = Follower(db)
    follower.catch_up()
    cluster = follower.place.split("-")[0]
    other = f"{int(cluster, 16) ^ 1:x}"
    for place in (f"{other}-1-1", f"{cluster}-{2**62}-1"):
        with pytest.raises(InvalidInput, match="start again from a time") as caught:
            feed.since(db, place + until, ALL, limit=1)
        assert set(caught.value.errors) == {"updated_since"}


@pytest.mark.parametrize(
    "place",
    ["", "x", "2026-05-01", "2026-05-01T08:00:00", "1767225600", "now", "1-2", "a-b-c", "6f3a-1-", "-1-2", "1-2-3-4",
     "1-2-3-4-5-6", "6F3A-1-2", "6f3a-1-2 ", "6f3a-1-2\n", f"1-{2**63}-1", f"1-1-{2**63}", "1" * 17 + "-1-1",
     "1-1-1-1-999999999999999999", "1-1-1-1--999999999999999999", "1-٣-1", "0001-01-01T00:00:00+14:00", "\x00"],
    ids=ascii,
)  # fmt: skip
def test_what_is_neither_a_time_nor_a_cursor_is_refused(db: Database, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        feed.since(db, place, ALL, limit=1)
    assert set(caught.value.errors) == {"updated_since"}


def test_a_role_that_is_no_superuser_can_follow(server: str, sql: sa.Connection) -> None:
    sql.exec_driver_sql("create role follower login")
    sql.exec_driver_sql("create database followed owner follower")
    url = sa.make_url(server).set(database="followed", username="follower").render_as_string(hide_password=False)
    try:
        founding.migrate(url)
        plain = Database(url)
        tickets.create(plain, NEW, source=Source.API)
        assert Follower(plain).catch_up() == [1]
        assert feed.rebase(plain) == 0
        plain.close()
    finally:
        sql.exec_driver_sql("drop database followed with (force)")
        sql.exec_driver_sql("drop role follower")


def everything(sql: sa.Connection) -> list[Any]:
    facts = "id, title, status, created_at, updated_at, resolved_at, version"
    return [
        sql.exec_driver_sql(f"select {facts} from tickets order by id").all(),
        sql.exec_driver_sql("select * from ticket_events order by id").all(),
    ]


def test_tickets_of_a_restored_dump_are_told_at_once_and_are_otherwise_as_they_were(
    db: Database, sql: sa.Connection
) -> None:
    put(sql, [{}] * 4)
    change(sql, 4)
    sql.exec_driver_sql("update tickets set changed_in = 9000000000 + id where id < 3")
    before = everything(sql)
    assert Follower(db).catch_up() == [3, 4]
    assert feed.rebase(db) == 2
    assert everything(sql) == before
    follower = Follower(db)
    assert follower.catch_up() == [1, 2, 3, 4]
    change(sql, 1)
    assert follower.catch_up() == [1]
    assert feed.rebase(db) == 0


def test_a_desk_whose_tickets_are_all_of_the_past_is_left_alone(
    db: Database, sql: sa.Connection, queries: list[str]
) -> None:
    put(sql, [{}] * 4)
    numbers = sql.exec_driver_sql("select changed_in from tickets order by id").scalars().all()
    assert feed.rebase(db) == 0
    assert len(queries) == 1
    assert sql.exec_driver_sql("select changed_in from tickets order by id").scalars().all() == numbers


def test_a_change_while_a_restored_dump_is_put_in_order_is_not_put_back(
    db: Database, sql: sa.Connection, writer: Open
) -> None:
    """It waits for the writer, whose number would otherwise look as if it, too, were of the future."""
    put(sql, [{}] * 2)
    sql.exec_driver_sql("update tickets set changed_in = 9000000000")
    other = writer()
    change(other, 1)
    thread = threading.Thread(target=feed.rebase, args=(db,))
    thread.start()
    deadline = time.monotonic() + 10
    while not sql.exec_driver_sql("select count(*) from pg_locks where not granted").scalar():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    other.commit()
    thread.join(10)
    numbers = dict(sql.exec_driver_sql("select id, changed_in from tickets").all())
    assert numbers[2] == 0 < numbers[1] < 9000000000


def test_nothing_is_missed_while_many_write_at_once_and_commit_out_of_order(
    db: Database, sql: sa.Connection, writer: Open
) -> None:
    put(sql, [{}] * 20)
    stop, failures = threading.Event(), []
    connections = [writer() for _ in range(6)]

    def write(seed: int) -> None:
        chance, connection = random.Random(seed), connections[seed]
        try:
            for _ in range(40):
                # The number of the transaction is taken first, so that they really overlap.
                connection.exec_driver_sql("select pg_current_xact_id()")
                time.sleep(chance.random() * 0.01)
                for number in sorted(chance.sample(range(1, 21), chance.randint(1, 4))):
                    change(connection, number)
                if chance.random() < 0.5:
                    insert(connection)
                time.sleep(chance.random() * 0.01)
                connection.rollback() if chance.random() < 0.2 else connection.commit()
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    followers = [Follower(db, limit=limit) for limit in (1, 5, 1_000)]

    def follow(follower: Follower) -> None:
        try:
            while not stop.is_set():
                follower.poll()
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(6)]
    readers = [threading.Thread(target=follow, args=(follower,)) for follower in followers]
    for thread in (*threads, *readers):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert failures == []
    for follower in followers:
        assert len(follower.told) > 20
        follower.catch_up()
        assert follower.versions == versions(sql)


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["begin", "insert", "commit", "rollback"]), st.integers(0, 2)),
        st.tuples(st.sampled_from(["change 1", "change 2"]), st.integers(0, 2)),
        st.tuples(st.just("poll"), st.integers(0, 2)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.integers(1, 3))
def test_a_follower_that_asks_at_any_moment_ends_up_with_the_table_as_it_is(
    server: str, db: Database, sql: sa.Connection, writer: Open, walk: list[tuple[str, int]], limit: int
) -> None:
    """Three transactions, run in any order; a row that another one holds is not waited for."""
    empty(server)
    put(sql, [{}] * 2)
    connections = [writer() for _ in range(3)]
    follower = Follower(db, limit=limit)
    held: dict[int, int] = {}
    for act, who in walk:
        connection = connections[who]
        if act == "poll":
            follower.poll()
        elif act == "begin":
            connection.exec_driver_sql("select pg_current_xact_id()")
        elif act == "insert":
            insert(connection)
        elif act in ("commit", "rollback"):
            getattr(connection, act)()
            held = {number: owner for number, owner in held.items() if owner != who}
        elif held.setdefault(number := int(act[-1]), who) == who:
            change(connection, number)
    for connection in connections:
        connection.rollback()
        connection.close()
    follower.catch_up()
    assert follower.versions == versions(sql)
    assert follower.catch_up() == []


def test_the_time_of_a_beginning_survives_the_cursor_to_the_microsecond(db: Database, sql: sa.Connection) -> None:
    moment = datetime(2026, 5, 1, 12, 30, 15, 123457, tzinfo=UTC)
    offsets = (0, -1, 0, -1, 1)
    put(sql, [{"created_at": moment + timedelta(microseconds=offset)} for offset in offsets])
    assert Follower(db, begin=moment.isoformat(), limit=1).catch_up() == [1, 3, 5]
