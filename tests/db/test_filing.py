"""Tickets that are filed at the same time are stored together: each once, and none at another's expense."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.oracle import stored
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.filing import TOGETHER, Filing
from ticketcore.models import NewTicket

BAD = NewTicket.model_construct(title="", description="Past every check of the models")


@pytest.fixture
def filing(db: Database) -> Iterator[Filing]:
    opened = Filing(db)
    yield opened
    opened.close()


def new(number: int) -> NewTicket:
    return NewTicket(title=f"Refund {number}", description=f"I paid {number} times.")


def held_up(filing: Filing) -> threading.Event:
    """Keeps the writer busy until the event is set, so that what is filed meanwhile waits for one statement."""
    leave = threading.Event()
    filing._writer.submit(leave.wait, 10)
    return leave


def test_everybody_gets_the_ticket_that_is_theirs_and_each_is_stored_once(filing: Filing, sql: sa.Connection) -> None:
    with ThreadPoolExecutor(8) as pool:
        filed = list(pool.map(lambda number: filing.file(new(number)).result(10), range(400)))
    assert [ticket.title for ticket in filed] == [f"Refund {number}" for number in range(400)]
    rows = stored(sql)
    assert {(row.id, row.title, row.description) for row in rows} == {(t.id, t.title, t.description) for t in filed}
    assert len(rows) == 400
    events = sql.exec_driver_sql("select ticket_id, source, kind, new_value from ticket_events").all()
    assert sorted(map(tuple, events)) == [
        (number, "api", "created", "open") for number in sorted(row.id for row in rows)
    ]


def test_what_waits_is_stored_by_one_statement(filing: Filing, queries: list[str]) -> None:
    leave = held_up(filing)
    waiting = [filing.file(new(number)) for number in range(TOGETHER + 1)]
    leave.set()
    ids = [future.result(10).id for future in waiting]
    assert ids == sorted(ids)
    assert len(queries) == 2  # a full one, and one for the last ticket


def test_one_that_cannot_be_stored_takes_no_other_along(filing: Filing, sql: sa.Connection) -> None:
    leave = held_up(filing)
    before, bad, after = filing.file(new(1)), filing.file(BAD), filing.file(new(2))
    leave.set()
    assert (before.result(10).title, after.result(10).title) == ("Refund 1", "Refund 2")
    with pytest.raises(sa.exc.IntegrityError):
        bad.result(10)
    assert sorted(row.title for row in stored(sql)) == ["Refund 1", "Refund 2"]


def test_while_the_database_is_away_everybody_is_told_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = Database(f"postgresql://nobody@/nothing?host={tmp_path_factory.mktemp('nowhere')}")
    filing = Filing(nowhere)
    waiting = [filing.file(new(number)) for number in range(3)]
    for future in waiting:
        with pytest.raises(DatabaseUnavailable):
            future.result(10)
    filing.close()
    nowhere.close()


def test_what_nobody_waits_for_any_longer_is_not_stored(filing: Filing, sql: sa.Connection) -> None:
    leave = held_up(filing)
    given_up, kept = filing.file(new(1)), filing.file(new(2))
    assert given_up.cancel()
    leave.set()
    kept.result(10)
    assert [row.title for row in stored(sql)] == ["Refund 2"]


def test_closing_stores_what_still_waits(db: Database, sql: sa.Connection) -> None:
    filing = Filing(db)
    held_up(filing).set()
    waiting = [filing.file(new(number)) for number in range(10)]
    filing.close()
    assert all(future.done() for future in waiting)
    assert len(stored(sql)) == 10


def test_what_is_refused_while_closing_is_not_stored_and_what_is_taken_is(db: Database, sql: sa.Connection) -> None:
    filing = Filing(db)
    taken, refused = [], []

    def keep_filing(worker: int) -> None:
        for number in range(300):
            try:
                taken.append(filing.file(new(1_000 * worker + number)))
            except DatabaseUnavailable:
                refused.append(number)

    workers = [threading.Thread(target=keep_filing, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    filing.close()
    for worker in workers:
        worker.join()
    assert len(taken) + len(refused) == 1_200
    filed = [future.result(10).id for future in taken]
    assert sorted(row.id for row in stored(sql)) == sorted(filed)


def test_what_several_programs_file_at_once_is_told_as_each_ones_own(filing: Filing, sql: sa.Connection) -> None:
    leave = held_up(filing)
    waiting = [filing.file(new(number), ("Mail gate", "Chat", None)[number % 3]) for number in range(30)]
    leave.set()
    for number, future in enumerate(waiting):
        assert future.result(10).title == f"Refund {number}"
    told = sql.exec_driver_sql("select title, actor from tickets join ticket_events on ticket_id = tickets.id").all()
    assert {(title, actor) for title, actor in told} == {
        (f"Refund {number}", ("Mail gate", "Chat", None)[number % 3]) for number in range(30)
    }
