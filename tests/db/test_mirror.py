"""The mirror has what the database has, whatever was changed since and by whom; the oracle is SQL."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.oracle import put
from ticketcore import driver, finds, listing, masks, mirror, tickets
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.models import Category, NewNote, NewTicket, Priority, Source, Status
from ticketcore.rows import as_time
from ticketcore.schema import tickets as table
from ticketcore.validation import parse

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
NEW = NewTicket(title="Refund", description="I paid twice.")
PEOPLE = ("Amara Okafor", "Ben Hartmann", None)
FILTERS: list[dict[str, Any]] = [
    {},
    {"category": ["billing"]},
    {"category": ["billing", "account"], "priority": ["high"], "status": ["open", "closed"]},
    {"assignee": ["Ben Hartmann"]},
    {"assignee": ["Nobody"]},
    {"created_from": NOW - timedelta(days=20), "created_to": NOW - timedelta(days=5)},
    {"resolved_from": NOW - timedelta(days=15)},
    {"resolved_to": NOW - timedelta(days=10)},
    {"resolved_from": NOW - timedelta(days=15), "resolved_to": NOW - timedelta(days=2), "category": ["technical"]},
    {"unsettled_at": NOW - timedelta(days=12)},
    {"unsettled_at": NOW - timedelta(days=3), "priority": ["low", "critical"]},
    {"responded": True},
    {"responded": False, "status": ["open"]},
    {"suggestion_source": ["rules"]},
    {"suggested_category": ["billing", "general"]},
    {"category_kept": True},
    {"category_kept": False},
    {"priority_kept": True, "suggestion_source": ["a-model"]},
    {"priority_kept": False},
    {"search": "refund"},
    {"search": "FUND T", "category": ["billing"]},
    {"search": "100%", "status": ["open"], "unsettled_at": NOW},
    {"target_hours": "critical=4,high=24", "target_met": True},
    {"target_hours": "critical=4,high=24,low=168", "target_met": False},
    {"target_hours": "high=24,medium=72", "due_from": NOW - timedelta(days=9), "due_to": NOW - timedelta(days=1)},
]


@pytest.fixture
def other(server: str) -> Iterator[sa.Connection]:
    """A second writer, who commits when told to."""
    with sa.create_engine(driver.driver_url(server), poolclass=sa.NullPool).connect() as connection:
        yield connection


def count(db: Database) -> int:
    """How many tickets there are by the mirror."""
    return masks.count(masks.Selection(mirror.view(db), TicketFilter()))


def agree(db: Database, sql: sa.Connection, **chosen: Any) -> None:
    """The mirror names as many tickets of each kind as SQL does."""
    matching = parse(TicketFilter, chosen)
    selected = masks.selection(db, matching)
    assert selected is not None
    rows = sql.execute(
        sa.select(table.c.category, table.c.priority, table.c.status, table.c.created_at).where(*matching.where())
    ).all()
    numbers, first = masks.facets(selected)
    assert {facets: number for facets, number in numbers.items() if number} == Counter(tuple(row[:3]) for row in rows)
    assert masks.count(selected) == len(rows)
    if rows:
        assert as_time(first) == min(row.created_at for row in rows)


def live(sql: sa.Connection, rng: random.Random, ids: list[int]) -> None:
    """Something happens to some tickets, as by agents."""
    for number in rng.sample(ids, len(ids) // 3):
        field, value = rng.choice([
            ("status", rng.choice(list(Status)).value), ("category", rng.choice(list(Category)).value),
            ("priority", rng.choice(list(Priority)).value), ("assignee", rng.choice(PEOPLE)),
            ("title", rng.choice(("Refund twice", "Nothing"))),
        ])  # fmt: skip
        kind = {"status": "::ticket_status", "category": "::ticket_category", "priority": "::ticket_priority"}
        sql.execute(
            sa.text(f"update tickets set {field} = (:value){kind.get(field, '')} where id = :id"),
            {"value": value, "id": number},
        )


def crowd(sql: sa.Connection, rng: random.Random, number: int) -> list[int]:
    """Tickets over the last month, a part of them suggested, with some of a life behind them."""
    rows = put(sql, [
        {
            "title": rng.choice(("Refund twice", "Refund for 100%", "Printer", "A title")),
            "description": rng.choice(("No refund to be seen", "It smells.")),
            "category": rng.choice(list(Category)).value, "priority": rng.choice(list(Priority)).value,
            "created_at": NOW - timedelta(hours=rng.uniform(0, 700)),
        }
        for _ in range(number)
    ])  # fmt: skip
    ids = [row.id for row in rows]
    sql.execute(
        sa.text(
            "update tickets set suggested_category = (array['billing', 'general'])[1 + id % 2]::ticket_category,"
            " suggested_priority = (array['low', 'high'])[1 + id / 2 % 2]::ticket_priority,"
            " suggestion_source = (array['rules', 'a-model'])[1 + id % 2] where id % 3 > 0"
        )
    )
    sql.execute(
        sa.text("update tickets set first_response_at = created_at + interval '1 hour' * (id % 7) where id % 5 > 1")
    )
    return ids


@pytest.mark.parametrize("beside", [5_000, 20], ids=["beside the base", "merged into the base"])
def test_after_whatever_happens_it_names_the_tickets_that_sql_names(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch, beside: int
) -> None:
    monkeypatch.setattr(mirror, "BESIDE", beside)
    rng = random.Random(beside)
    ids: list[int] = []
    agree(db, sql)
    for _ in range(4):
        ids += crowd(sql, rng, 40)
        live(sql, rng, ids)
        # Settled at times all over the month: the triggers would take the time of now.
        sql.exec_driver_sql("set session_replication_role = replica")
        sql.execute(
            sa.text(
                "update tickets set changed_in = (pg_current_xact_id()::text)::bigint,"
                " resolved_at = least(created_at + interval '1 hour' * (id * 37 % 500), :now)"
                " where resolved_at is not null"
            ),
            {"now": NOW},
        )
        sql.execute(
            sa.text("update ticket_events set settled_at = at - interval '9 days' where settled_at is not null")
        )
        sql.exec_driver_sql("set session_replication_role = default")
        for chosen in FILTERS:
            agree(db, sql, **chosen)
    sizes = (len(mirror.view(db).base), len(mirror.view(db).beside))
    assert (sizes[1] > 20) == (beside > 20), sizes


def test_what_is_committed_later_than_others_that_began_later_is_not_missed(
    db: Database, sql: sa.Connection, other: sa.Connection
) -> None:
    agree(db, sql)
    insert = "insert into tickets (title, description, category, priority) values ('A', 'B', 'billing', 'low')"
    other.exec_driver_sql(insert)  # begun, and not committed yet
    for number in range(1, 4):
        tickets.create(db, NEW, source=Source.API)
        agree(db, sql)
        assert count(db) == number
    other.commit()
    assert count(db) == 4
    agree(db, sql)
    other.exec_driver_sql("update tickets set status = 'resolved' where id = 1")
    other.rollback()
    agree(db, sql)


def test_a_first_response_by_a_note_is_in_it(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}, {}])
    agree(db, sql, responded=True)
    tickets.note(db, 1, NewNote(text="Have you tried again?"), source=Source.DASHBOARD, actor="Ann")
    assert sql.scalar(sa.text("select count(first_response_at) from tickets")) == 1
    for responded in (True, False):
        agree(db, sql, responded=responded)


def test_it_is_read_anew_when_the_desk_was_emptied(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}] * 30)
    agree(db, sql)
    sql.exec_driver_sql("truncate tickets, ticket_events restart identity")
    agree(db, sql)
    put(sql, [{"category": "billing"}] * 5)
    agree(db, sql)
    assert count(db) == 5


def test_nobody_gets_a_view_that_is_older_than_the_question_while_others_write(db: Database) -> None:
    filed, over = [0], threading.Event()

    def file() -> None:
        while not over.is_set():
            tickets.create(db, NEW, source=Source.API)
            filed[0] += 1

    writers = [threading.Thread(target=file) for _ in range(1)]
    seen: list[tuple[int, int]] = []

    def look() -> None:
        for _ in range(40):
            at_least = filed[0]
            seen.append((at_least, count(db)))

    readers = [threading.Thread(target=look) for _ in range(4)]
    for thread in (*writers, *readers):
        thread.start()
    for reader in readers:
        reader.join()
    over.set()
    for writer in writers:
        writer.join()
    assert all(at_least <= found for at_least, found in seen), seen
    assert len({found for _, found in seen}) > 3, "and it moves"


def test_two_desks_see_what_the_other_changed(server: str, db: Database, sql: sa.Connection) -> None:
    another = Database(server)
    for number in range(1, 4):
        tickets.create(another if number % 2 else db, NEW, source=Source.API)
        assert [count(one) for one in (db, another)] == [number, number]
    another.close()


def test_only_what_was_changed_since_the_last_view_is_read(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sql, [{}] * 30)
    agree(db, sql)
    read: list[int] = []
    part = mirror._part

    def noted(*asked: Any) -> mirror.Part:
        found = part(*asked)
        read.append(len(found.rows))
        return found

    monkeypatch.setattr(mirror, "_part", noted)
    for chosen, status, number in (
        ("id <= 20", "resolved", 20), ("id = 25", "resolved", 1), ("id in (1, 2, 26)", "closed", 3),
        ("false", "open", 0),
    ):  # fmt: skip
        sql.exec_driver_sql(f"update tickets set status = '{status}' where {chosen}")
        agree(db, sql)
        assert read[0] == number
        read.clear()
    agree(db, sql, status=["resolved"])
    assert len(mirror.view(db).beside) == 22, "each of them once"


def test_the_first_ticket_of_a_kind_is_found_when_the_one_before_became_another(
    db: Database, sql: sa.Connection
) -> None:
    put(
        sql,
        [
            {"category": category, "created_at": NOW - timedelta(days=days)}
            for days, category in enumerate(("billing", "account", "account", "billing"), start=1)
        ],
    )
    agree(db, sql)
    for number, category in ((4, "general"), (1, "account"), (4, "billing"), (3, "billing"), (2, "technical")):
        sql.exec_driver_sql(f"update tickets set category = '{category}' where id = {number}")
        for chosen in ({}, {"category": ["billing"]}, {"category": ["account", "general"]}, {"priority": ["low"]}):
            agree(db, sql, **chosen)


def test_a_server_that_lost_what_it_had_told_is_read_anew(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"title": "Refund"}] * 3)
    agree(db, sql)
    agree(db, sql, search="refund")
    told = mirror._mirrors[db.pool].state
    assert told._value is not None
    ahead = replace(told._value.beside, seen=told._value.beside.coming + 1_000)  # as of transactions that never were
    told._value = replace(told._value, beside=ahead)
    found = finds._texts[db.pool].of("refund")
    assert found._value is not None
    found._value = replace(found._value, seen=ahead.seen)
    sql.exec_driver_sql("update tickets set category = 'account', title = 'Nothing' where id = 2")
    agree(db, sql)
    agree(db, sql, search="refund")


def test_what_was_read_in_the_snapshot_that_is_known_is_not_read_again(
    db: Database, sql: sa.Connection, other: sa.Connection
) -> None:
    put(sql, [{"title": "Refund twice"}] * 2)
    sent: list[str] = []
    sa.event.listen(db._engine, "before_cursor_execute", lambda *sending: sent.append(sending[2]))
    refunds = parse(TicketFilter, {"search": "refund"})

    def counted(snapshot: str) -> tuple[int, int]:
        """How many there are, and how many statements it took to say so."""
        sent.clear()
        selected = masks.selection(db.as_of(snapshot), refunds)
        assert selected
        return masks.count(selected), len(sent)

    def twice() -> tuple[str, list[tuple[int, int]]]:
        """A snapshot and what is counted in it, while nothing else ends in the server, such as its own housekeeping."""
        for _ in range(20):
            snapshot = db.snapshot()
            found = [counted(snapshot), counted(snapshot)]
            if db.snapshot() == snapshot:
                break
        return snapshot, found

    first, found = twice()
    assert found == [(2, 2), (2, 0)]
    put(other, [{"title": "A refund"}])
    assert counted(first) == (2, 0)
    other.commit()
    _, found = twice()
    assert found == [(3, 2), (3, 0)]
    assert counted(first) == (3, 2), "never less than what is known"
    assert masks.selection(db, refunds) is not None
    assert sent, "without a snapshot it is as of now"


def test_whoever_holds_a_ticket_is_known_and_whoever_holds_none_any_more_is_not(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known() -> list[str]:
        wanted = sql.execute(sa.text("select distinct assignee from tickets where assignee is not null")).scalars()
        found = listing.assignees(db)
        assert found == sorted(wanted, key=lambda name: (name.casefold(), name))
        return found

    assert known() == []
    put(sql, [{"title": name} for name in ("Zoe", "ann", "Ben", "Ann", "Ann", "Nobody")])
    sql.execute(sa.text("update tickets set assignee = title where title <> 'Nobody'"))
    assert known() == ["Ann", "ann", "Ben", "Zoe"]
    sql.execute(sa.text("update tickets set assignee = 'Ida' where assignee = 'Ben'"))
    sql.execute(sa.text("update tickets set assignee = null where assignee = 'Zoe'"))
    assert "Ida" in known()
    sql.execute(sa.text("update tickets set status = 'closed'"))
    monkeypatch.setattr(mirror, "BESIDE", 1)
    put(sql, [{"title": "Ben"}])
    sql.execute(sa.text("update tickets set assignee = title where assignee is null and title = 'Ben'"))
    assert "Ben" in known(), "and after all of it became the base"
    assert listing.assignees(db, limit=2) == known()[:2]
