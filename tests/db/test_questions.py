"""What models were sent is stored together, word for word, and forgotten after a month."""

import threading
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest
import sqlalchemy as sa

from ticketcore import questions
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.questions import Notebook


@pytest.fixture(autouse=True)
def nothing_left(sql: sa.Connection) -> None:
    sql.exec_driver_sql("truncate model_questions restart identity")


def stored(sql: sa.Connection) -> list[tuple[str, str, str | None]]:
    return [tuple(row) for row in sql.exec_driver_sql("select model, sent, asked_by from model_questions order by id")]  # type: ignore[misc]


def test_a_question_writes_nothing_by_itself_and_those_that_wait_are_one_write(
    db: Database, sql: sa.Connection, queries: list[str]
) -> None:
    notebook = Notebook(db, together=60)
    for number in range(50):
        notebook.note("small-model", f"Text {number}", "Ann" if number % 2 else None)
    assert queries == []
    began = datetime.now(UTC)
    notebook.store()
    assert sum("insert into model_questions" in query.lower() for query in queries) == 1
    assert stored(sql) == [("small-model", f"Text {number}", "Ann" if number % 2 else None) for number in range(50)]
    assert all(one.at <= began for one in questions.latest(db)), "each has the time at which it was asked"
    notebook.store()
    assert len(stored(sql)) == 50, "nothing is stored twice"


def test_what_waits_is_stored_after_a_while_and_at_the_end(db: Database, sql: sa.Connection) -> None:
    notebook = Notebook(db, together=0.05)
    notebook.note("m", "One", None)
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while not stored(sql):
        assert datetime.now(UTC) < deadline
    patient = Notebook(db, together=60)
    patient.note("m", "Two", None)
    patient.close()
    assert [sent for _, sent, _ in stored(sql)] == ["One", "Two"]
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and thread.is_alive()
                and thread.interval == 60]  # fmt: skip


def test_what_cannot_be_stored_waits_for_the_database(db: Database, sql: sa.Connection) -> None:
    notebook = Notebook(Database("postgresql://nobody@127.0.0.1:1/nothing"), together=60)
    notebook.note("m", "One", None)
    notebook.store()
    notebook.note("m", "Two", None)
    notebook._db = db
    notebook.close()
    assert [sent for _, sent, _ in stored(sql)] == ["One", "Two"]


def test_nobody_who_asks_waits_for_a_database_that_does_not_answer(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave, inside = threading.Event(), threading.Event()

    class Slow(Database):
        def write(self, *_: object, **__: object) -> NoReturn:  # type: ignore[override]
            inside.set()
            leave.wait(20)
            raise DatabaseUnavailable

    monkeypatch.setattr(questions, "MOST", 3)
    notebook = Notebook(Slow(db.url), together=60)
    notebook.note("m", "One", None)
    storing = threading.Thread(target=notebook.store)
    storing.start()
    assert inside.wait(10)
    for text in ("Two", "Three", "Four"):
        notebook.note("m", text, None)  # would never come back if it waited
    leave.set()
    storing.join(10)
    notebook._db = db
    notebook.close()
    assert [sent for _, sent, _ in stored(sql)] == ["Two", "Three", "Four"], "the oldest makes room"


def test_what_is_older_than_a_month_is_forgotten(db: Database, sql: sa.Connection) -> None:
    sql.exec_driver_sql("""
        insert into model_questions (at, model, sent)
        values (now() - interval '30 days 1 minute', 'm', 'Old'), (now() - interval '29 days', 'm', 'Young')""")
    notebook = Notebook(db, together=60)
    notebook.note("m", "New", None)
    notebook.close()
    assert [one.sent for one in questions.latest(db)] == ["New", "Young"]
