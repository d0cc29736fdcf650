"""Many tickets are changed at once or not at all, each with its history, whoever else changes the same ones."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from tests.oracle import in_order, matching, put, stored
from ticketcore import bulk, driver
from ticketcore.database import Database
from ticketcore.errors import InvalidInput
from ticketcore.filters import TicketFilter
from ticketcore.models import Source, TicketChanges
from ticketcore.validation import parse


def update(db: Database, chosen: list[int] | TicketFilter, **values: str) -> list[tuple[int, str, int | None]]:
    changes = parse(TicketChanges, values)
    found = bulk.update(db, chosen, changes, source=Source.API, actor="Me")
    return [(result.id, result.outcome.value, result.version) for result in found]


def history(sql: sa.Connection) -> list[Any]:
    """What was changed, in the order of the tickets."""
    return list(
        sql.exec_driver_sql("""
            select ticket_id, field, old_value, new_value, source, actor from ticket_events
            where kind = 'changed' order by ticket_id, field, id""")
    )


def test_tickets_are_changed_by_number_in_the_order_given_and_each_once(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}, {"status": "closed"}, {}, {}])
    assert update(db, [3, 99, 2, 3, 1, 0, -5, 2**63, 99], status="closed") == [
        (3, "changed", 2),
        (99, "not_found", None),
        (2, "unchanged", 1),
        (1, "changed", 2),
        (0, "not_found", None),
        (-5, "not_found", None),
        (2**63, "not_found", None),
    ]
    assert [row.status for row in stored(sql)] == ["closed", "closed", "closed", "open"]
    assert history(sql) == [(number, "status", "open", "closed", "api", "Me") for number in (1, 3)]


def test_each_changed_field_of_each_ticket_is_one_entry_of_its_history(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"title": "A"}, {"title": "B", "priority": "low"}])
    assert update(db, [1, 2], title="B", priority="low") == [(1, "changed", 2), (2, "unchanged", 1)]
    assert [tuple(entry[:4]) for entry in history(sql)] == [(1, "priority", "medium", "low"), (1, "title", "A", "B")]


def test_a_filter_chooses_the_tickets_newest_first(db: Database, sql: sa.Connection) -> None:
    rows = put(
        sql,
        [
            {
                "category": ("billing", "account")[n % 2],
                "title": f"No {n % 4 // 2}",
                "created_at": f"2026-05-0{9 - n}T00:00Z",
            }
            for n in range(1, 9)
        ],
    )
    chosen = [row.id for row in in_order(matching(rows, category=["billing"], search="no 1"))]
    assert len(chosen) > 1
    condition = parse(TicketFilter, {"category": ["billing"], "search": "no 1"})
    assert update(db, condition, category="general") == [(number, "changed", 2) for number in chosen]
    assert {row.id for row in stored(sql) if row.category == "general"} == set(chosen)
    assert update(db, condition, category="general") == []


def test_no_numbers_and_no_changes_change_nothing(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}])
    assert update(db, [], status="closed") == []
    assert update(db, [1]) == [(1, "unchanged", 1)]
    assert history(sql) == []


@pytest.mark.parametrize("search", [None, "title"])
def test_more_than_a_thousand_are_refused_with_their_number_and_none_is_changed(
    db: Database, sql: sa.Connection, search: str | None
) -> None:
    put(sql, [{}] * 1_001)
    condition = parse(TicketFilter, {"status": ["open"], "search": search})
    with pytest.raises(InvalidInput, match=r"matches 1,001 tickets") as by_filter:
        update(db, condition, status="closed")
    assert set(by_filter.value.errors) == {"filter"}
    with pytest.raises(InvalidInput, match=r"1,001 tickets") as by_number:
        update(db, list(range(1, 1_002)), status="closed")
    assert set(by_number.value.errors) == {"ids"}
    assert history(sql) == []
    assert len(update(db, [*range(1, 1_001), 1, 2, 3], priority="low")) == 1_000
    sql.exec_driver_sql("update tickets set status = 'closed' where id = 1001")
    assert len(update(db, condition, status="closed")) == 1_000
    assert {row.status for row in stored(sql)} == {"closed"}


def test_it_costs_four_statements_of_which_one_writes_tickets(
    db: Database, sql: sa.Connection, queries: list[str]
) -> None:
    put(sql, [{}] * 100)
    update(db, list(range(1, 101)), status="closed")
    assert len(queries) == 4  # begin, lock, change, commit
    assert len([query for query in queries if query.startswith("UPDATE tickets")]) == 1


def test_nothing_is_changed_if_one_of_them_cannot_be(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}] * 3)
    sql.exec_driver_sql("alter table tickets add constraint no_third check (id <> 3 or status = 'open')")
    try:
        with pytest.raises(sa.exc.IntegrityError):
            update(db, [1, 2, 3], status="closed")
    finally:
        sql.exec_driver_sql("alter table tickets drop constraint no_third")
    assert {row.status for row in stored(sql)} == {"open"}
    assert history(sql) == []


def test_overlapping_ones_wait_for_each_other_and_never_in_a_ring(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}] * 300)
    start = threading.Barrier(8)

    def run(seed: int) -> int:
        chance, changed = random.Random(seed), 0
        start.wait(10)
        for turn in range(6):
            numbers = list(range(1, 301))
            chance.shuffle(numbers)
            title = f"{seed}/{turn}"
            chosen = numbers if turn % 2 else parse(TicketFilter, {"status": ["open"]})
            changed += sum(outcome == "changed" for _, outcome, _ in update(db, chosen, title=title))
        return changed

    with ThreadPoolExecutor(8) as pool:
        changed = sum(pool.map(run, range(8)))
    assert changed == 8 * 6 * 300
    assert {row.title for row in stored(sql)} == {stored(sql)[0].title}, "each of them is one transaction"
    assert sql.exec_driver_sql("select sum(version - 1) from tickets").scalar() == changed
    assert len(history(sql)) == changed


def test_a_ticket_that_leaves_the_filter_while_its_lock_is_waited_for_is_left_alone(
    db: Database, server: str, sql: sa.Connection
) -> None:

    put(sql, [{}] * 3)
    engine = sa.create_engine(driver.driver_url(server), poolclass=sa.NullPool)
    with engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.exec_driver_sql("update tickets set status = 'resolved' where id = 2")
        waiting = pool.submit(update, db, parse(TicketFilter, {"status": ["open"]}), status="closed")
        while not sql.exec_driver_sql("select count(*) from pg_locks where not granted").scalar():
            assert not waiting.done()
        other.commit()
        assert {number for number, _, _ in waiting.result(10)} == {1, 3}
    assert [row.status for row in stored(sql)] == ["closed", "resolved", "closed"]


def test_a_preview_counts_what_would_change_and_changes_nothing(db: Database, sql: sa.Connection) -> None:
    rows = put(
        sql, [{"status": status} for status in ("open", "open", "in_progress", "closed")] + [{"priority": "low"}]
    )
    changes = parse(TicketChanges, {"status": "closed", "priority": "low", "assignee": None})
    told = bulk.preview(db, [1, 2, 3, 4, 5, 99], changes)
    assert (told.chosen, told.changing) == (5, 5)
    assert told.values == {"status": {"open": 3, "in_progress": 1}, "priority": {"medium": 4}, "assignee": {}}
    told = bulk.preview(db, parse(TicketFilter, {"status": ["closed"]}), parse(TicketChanges, {"status": "closed"}))
    assert (told.chosen, told.changing, told.values) == (1, 0, {"status": {}})
    assert stored(sql) == rows


def test_what_may_not_be_changed_at_once_cannot_be_previewed_either(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}] * 1_001)
    changes = parse(TicketChanges, {"status": "closed"})
    for chosen in (list(range(1, 1_002)), parse(TicketFilter, {"status": ["open"]})):
        with pytest.raises(InvalidInput, match=r"1,001 tickets; at most 1,000"):
            bulk.preview(db, chosen, changes)


def test_undoing_gives_each_ticket_back_what_it_was_with_an_entry_of_the_history_each(
    db: Database, sql: sa.Connection
) -> None:
    rows = put(sql, [{"status": "open"}, {"status": "resolved", "priority": "low"}, {"priority": "critical"}, {}])
    sql.exec_driver_sql("update tickets set assignee = 'Ann' where id = 3")
    changes = parse(TicketChanges, {"status": "closed", "priority": "high", "assignee": "Ben"})
    done = bulk.update(db, [3, 1, 2, 77], changes, source=Source.DASHBOARD, actor="Me")
    assert done[0].before == {"status": "open", "priority": "critical", "assignee": "Ann"}
    undone = bulk.undo(db, done, source=Source.DASHBOARD, actor="Me")
    assert [(one.id, one.outcome, one.version) for one in undone] == [
        (3, "changed", 4),
        (1, "changed", 3),
        (2, "changed", 3),
    ]
    assert stored(sql) == rows
    assert sql.exec_driver_sql("select assignee from tickets order by id").scalars().all() == [None, None, "Ann", None]
    assert [tuple(entry) for entry in history(sql) if entry.ticket_id == 2] == [
        (2, "assignee", None, "Ben", "dashboard", "Me"),
        (2, "assignee", "Ben", None, "dashboard", "Me"),
        (2, "priority", "low", "high", "dashboard", "Me"),
        (2, "priority", "high", "low", "dashboard", "Me"),
        (2, "status", "resolved", "closed", "dashboard", "Me"),
        (2, "status", "closed", "resolved", "dashboard", "Me"),
    ]


def test_undoing_leaves_alone_what_has_moved_on_since(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}, {}, {"status": "closed"}])
    done = bulk.update(db, [1, 2, 3], parse(TicketChanges, {"status": "closed"}), source=Source.DASHBOARD)
    sql.exec_driver_sql("update tickets set priority = 'low' where id = 2")
    undone = bulk.undo(db, done, source=Source.DASHBOARD)
    assert [(one.id, one.outcome, one.version) for one in undone] == [(1, "changed", 3), (2, "stale", 2)]
    assert [row.status for row in stored(sql)] == ["open", "closed", "closed"]
    assert bulk.undo(db, undone, source=Source.DASHBOARD) == []
    assert bulk.undo(db, done[2:], source=Source.DASHBOARD) == []
