"""The desk learns from its tickets as agents left them, keeps what it learned for every process, and by itself."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tests.unit.test_triage import TOPICS, tickets
from ticketcore import lessons
from ticketcore import tickets as filing
from ticketcore.database import Database
from ticketcore.learner import Learner, start_learning
from ticketcore.models import Category, NewTicket, Priority, Source, TicketChanges
from ticketcore.prompt import Example as Shown
from ticketcore.suggestion import Opinion, Suggestion
from ticketcore.triage.knowledge import NOTHING, Knowledge
from ticketcore.triage.training import CORRECTED, SEEN, UNSEEN, learn

ROOT = Path(__file__).parents[2]
SUGGESTED = Suggestion(Opinion(Category.BILLING, "a-model"), Opinion(Priority.LOW, "rules"))
Filing = Callable[..., int]


@pytest.fixture
def file_ticket(db: Database) -> Filing:
    """Files a ticket and returns its number."""

    def file(
        source: Source = Source.API, *, category: str = "general", suggestion: Suggestion | None = None, **values: Any
    ) -> int:
        new = NewTicket.model_validate({"title": "T", "description": "D", "category": category, **values})
        return filing.create(db, new, source=source, suggestion=suggestion).id

    return file


def change(db: Database, number: int, *, actor: str | None = "Ann", **changes: str) -> None:
    filing.update(db, number, TicketChanges.model_validate(changes), source=Source.API, actor=actor)


def weights(db: Database) -> dict[int, tuple[float, float]]:
    """For each ticket what its category and its priority count."""
    return {one.number: (one.known["category"][1], one.known["priority"][1]) for one in lessons.gathered(db).examples}


def test_what_nobody_looked_at_counts_least_and_what_an_agent_chose_or_corrected_most(
    db: Database, file_ticket: Filing
) -> None:
    wanted = {
        file_ticket(): (UNSEEN, UNSEEN),
        file_ticket(category="billing", priority="high"): (UNSEEN, UNSEEN),  # perhaps by a program that asked the desk
        file_ticket(Source.DASHBOARD): (SEEN, SEEN),  # an agent had the form before them
        file_ticket(category="billing", priority="low", suggestion=SUGGESTED): (UNSEEN, UNSEEN),
        file_ticket(category="account", priority="low", suggestion=SUGGESTED): (CORRECTED, UNSEEN),
        file_ticket(Source.DASHBOARD, category="billing", priority="high", suggestion=SUGGESTED): (SEEN, CORRECTED),
    }
    later = {number: file_ticket() for number in range(3)}
    change(db, later[0], category="account")
    change(db, later[1], status="in_progress")  # an agent works on it and leaves what it is
    change(db, later[2], status="resolved", actor=None)
    wanted |= {later[0]: (CORRECTED, UNSEEN), later[1]: (SEEN, SEEN), later[2]: (SEEN, SEEN)}
    assert weights(db) == wanted


def test_texts_and_values_are_those_of_now_and_the_newest_come_first(db: Database, file_ticket: Filing) -> None:
    first, second = file_ticket(), file_ticket(title="Zwei", description="é\n" * 9_000 + "x", priority="critical")
    change(db, first, title="Eins", category="account")
    found = lessons.gathered(db).examples
    assert [(one.number, one.text[:7]) for one in found] == [(second, "Zwei\né\n"), (first, "Eins\nD")]
    assert [(one.known["category"][0], one.known["priority"][0]) for one in found] == [
        ("general", "critical"), ("account", "medium"),
    ]  # fmt: skip
    assert len(found[0].text) <= 4_010
    assert [one.number for one in lessons.gathered(db, most=1).examples][:1] == [second]


def test_more_tickets_than_are_read_at_once_are_all_there_once(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "AT_ONCE", 7)
    sql.exec_driver_sql(
        "insert into tickets (title, description, category, priority)"
        " select 'T' || n, 'D', 'general', 'medium' from generate_series(1, 50) n"
    )
    assert [one.number for one in lessons.gathered(db).examples] == list(range(50, 0, -1))
    assert len(lessons.gathered(db, most=20).examples) == 21, "whole readings, of seven each"


def test_the_record_of_a_source_holds_what_agents_left_of_what_they_looked_at(
    db: Database, file_ticket: Filing
) -> None:
    form = Source.DASHBOARD
    file_ticket(form, category="billing", priority="low", suggestion=SUGGESTED)
    file_ticket(form, category="billing", priority="high", suggestion=SUGGESTED)
    file_ticket(form, category="account", priority="low", suggestion=SUGGESTED)
    file_ticket(category="billing", priority="low", suggestion=SUGGESTED)  # nobody looked at it
    file_ticket(form, category="billing")
    assert lessons.gathered(db).record == {
        "a-model": {"category": {"billing": (2, 3)}}, "rules": {"priority": {"low": (2, 3)}},
    }  # fmt: skip


def test_corrected_tickets_are_the_examples_two_of_each_category_the_newest_and_short_ones(
    db: Database, file_ticket: Filing
) -> None:
    form = Source.DASHBOARD
    numbers = [
        file_ticket(form, category="account", priority="low", suggestion=SUGGESTED, title=f"T{n}") for n in range(3)
    ]
    long = file_ticket(form, category="general", priority="low", suggestion=SUGGESTED, description="x" * 601)
    other = file_ticket(form, category="billing", priority="critical", suggestion=SUGGESTED)
    file_ticket(form, category="billing", priority="low", suggestion=SUGGESTED)
    corrected = lessons.gathered(db).corrected
    assert sorted(corrected) == [*numbers[1:], other]
    assert lessons.examples(db, corrected) == [
        Shown("D", "T1", Category.ACCOUNT, Priority.LOW), Shown("D", "T2", Category.ACCOUNT, Priority.LOW),
        Shown("D", "T", Category.BILLING, Priority.CRITICAL),
    ]  # fmt: skip
    assert lessons.examples(db, [long, 10**9]) == []
    assert lessons.examples(db, []) == []


def test_what_was_learned_is_there_for_every_process_and_only_the_newest_five_are_kept(
    db: Database, sql: sa.Connection
) -> None:
    assert lessons.known(db) is None
    assert lessons.newest_model(db) is None
    learned = learn(tickets(300))
    for _ in range(7):
        lessons.store(db, learned)
    other = Database(str(db.url))
    try:
        known = lessons.known(other)
    finally:
        other.close()
    assert known is not None
    assert known.exam == learned.exam
    text = "the turbine and the gasket"
    assert known.opinions("category", text)[0].value == learned.opinions("category", text)[0].value == "technical"
    assert set(known.examined) == {"category"}
    assert sql.exec_driver_sql("select array_agg(id order by id) from desk_models").scalar() == [3, 4, 5, 6, 7]
    assert lessons.newest_model(db) == 7


@pytest.mark.parametrize(
    "damage",
    [
        "update desk_models set final = '\\x80'",
        "update desk_models set examined = substr(examined, 1, 1000)",
        "update desk_models set exam = '{}'",
        "update desk_models set format = 2",
    ],
)
def test_what_cannot_be_read_is_as_if_nothing_had_been_learned(db: Database, sql: sa.Connection, damage: str) -> None:
    lessons.store(db, learn(tickets(200)))
    sql.exec_driver_sql(damage)
    assert lessons.known(db) is None


def test_a_model_that_is_not_whole_is_refused_by_the_database_itself(sql: sa.Connection, db: Database) -> None:
    with pytest.raises(IntegrityError):
        sql.exec_driver_sql("insert into desk_models (format, exam, final) values (1, '{}', '')")
    with pytest.raises(IntegrityError):
        sql.exec_driver_sql(
            "insert into tickets (title, description, category, priority, shadow_source)"
            " values ('T', 'D', 'general', 'medium', 'rules')"
        )


# The command.


def command(server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ticketcore.learn", *arguments],
        cwd=ROOT, env={**os.environ, "DATABASE_URL": server}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def fill(sql: sa.Connection, number: int, *, seed: int = 1) -> None:
    """Tickets of four topics, as somebody chose them."""
    rng = random.Random(seed)
    rows = []
    for _ in range(number):
        category = rng.choice(list(TOPICS))
        rows.append({"text": " ".join(rng.sample(TOPICS[category], 3)), "category": category})
    sql.execute(
        sa.text(
            "insert into tickets (title, description, category, priority, status, resolved_at)"
            " values (:text, :text, cast(:category as ticket_category), 'medium', 'resolved', clock_timestamp())"
        ),
        rows,
    )


def test_the_command_learns_and_says_what_came_out(db: Database, sql: sa.Connection, server: str) -> None:
    fill(sql, 300)
    done = command(server)
    assert (done.returncode, done.stderr) == (0, "")
    first, category, priority = done.stdout.splitlines()
    assert first == "learned from 300 tickets"
    assert category.startswith("category: the desk model answers (the model is right in 60 of 60 held-out tickets,")
    assert priority == "priority: not enough to make a model (60 tickets to examine it with)"
    known = lessons.known(db)
    assert known is not None
    assert known.opinions("category", "voucher")[0].source == "desk model"
    again = command(server, "--if-grown")
    assert (again.returncode, again.stdout) == (0, "the desk has not grown by a tenth since\n")
    fill(sql, 30, seed=2)
    assert command(server, "--if-grown").stdout.startswith("learned from 330 tickets\n")


def test_on_an_empty_desk_the_command_learns_nothing_and_says_so(db: Database, server: str) -> None:
    done = command(server)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "learned from 0 tickets"


def test_only_one_process_learns_at_a_time(db: Database, sql: sa.Connection, server: str) -> None:
    sql.exec_driver_sql("select pg_advisory_lock(7355609)")
    done = command(server)
    assert (done.returncode, done.stdout) == (0, "another process is learning already\n")
    sql.exec_driver_sql("select pg_advisory_unlock(7355609)")


def test_a_desk_that_is_away_is_one_line(tmp_path: Path) -> None:
    done = command("postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1", "--nonsense")
    assert done.returncode == 2
    assert "unrecognized arguments" in done.stderr


# By itself.


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_process_learns_by_itself_once_there_is_enough_and_again_when_the_desk_has_grown_by_a_tenth(
    db: Database, sql: sa.Connection, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", server)
    fill(sql, 49)
    learner = Learner(db, every=0.05)
    try:
        assert learner.knowledge() is NOTHING
        time.sleep(0.5)
        assert lessons.newest_model(db) is None
        fill(sql, 151, seed=2)
        until(lambda: learner.knowledge().exam.learned_from == 200)
        assert learner.knowledge().opinions("category", "rotor")[0].value == "technical"
        fill(sql, 20, seed=3)
        until(lambda: learner.knowledge().exam.learned_from == 220)
    finally:
        learner.close()
    assert lessons.newest_model(db) == 2


def test_a_process_takes_over_what_another_one_learned(db: Database) -> None:
    learner = Learner(db, every=0.05, learns=False)
    try:
        assert learner.knowledge() is NOTHING
        lessons.store(db, learn(tickets(200)))
        until(lambda: learner.knowledge().exam.learned_from == 200)
    finally:
        learner.close()


def _counting(code: str, started: list[subprocess.Popen[bytes]]) -> Callable[[], subprocess.Popen[bytes]]:
    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", code]))
        return started[-1]

    return start


def test_learning_that_fails_is_not_tried_again_until_there_is_more_to_learn(db: Database, sql: sa.Connection) -> None:
    started: list[subprocess.Popen[bytes]] = []
    fill(sql, 60)
    learner = Learner(db, every=0.05, start=_counting("raise SystemExit(1)", started))
    try:
        until(lambda: len(started) == 1)
        time.sleep(0.5)
        assert len(started) == 1
        fill(sql, 50, seed=2)
        until(lambda: len(started) == 2)
    finally:
        learner.close()


def test_closing_ends_learning_that_is_under_way(db: Database, sql: sa.Connection) -> None:
    started: list[subprocess.Popen[bytes]] = []
    fill(sql, 60)
    learner = Learner(db, every=0.05, start=_counting("import time; time.sleep(60)", started))
    until(lambda: len(started) == 1)
    learner.close()
    assert started[0].poll() is not None


def test_a_desk_that_is_not_to_learn_does_not(db: Database, sql: sa.Connection) -> None:
    started: list[subprocess.Popen[bytes]] = []
    fill(sql, 60)
    learner = Learner(db, learns=False, every=0.05, start=_counting("", started))
    time.sleep(0.5)
    learner.close()
    assert started == []


def test_what_can_no_longer_be_read_gives_way_to_what_was_learned_before(db: Database, sql: sa.Connection) -> None:
    lessons.store(db, learn(tickets(200)))
    lessons.store(db, learn(tickets(300)))
    sql.exec_driver_sql("update desk_models set final = '\\x80' where id = 2")
    known = lessons.known(db)
    assert known is not None
    assert known.exam.learned_from == 200


def test_however_soon_it_is_closed_no_process_is_left_behind(db: Database, sql: sa.Connection) -> None:
    started: list[subprocess.Popen[bytes]] = []
    fill(sql, 60)
    for _ in range(30):
        Learner(db, every=0.01, start=_counting("import time; time.sleep(60)", started)).close()
    assert all(one.poll() is not None for one in started)


def test_the_process_that_learns_finds_the_desk_wherever_it_was_started_from(
    db: Database, sql: sa.Connection, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", server)
    monkeypatch.chdir(tmp_path)
    fill(sql, 60)
    assert start_learning().wait(60) == 0
    assert lessons.newest_model(db) is not None


def test_a_failure_to_learn_is_logged(db: Database, sql: sa.Connection, caplog: pytest.LogCaptureFixture) -> None:
    fill(sql, 60)
    learner = Learner(db, every=0.05, start=_counting("raise SystemExit(3)", []))
    try:
        until(lambda: "learning failed with exit code 3" in caplog.text)
    finally:
        learner.close()


def test_what_was_taken_out_of_a_ticket_is_not_shown_any_more(db: Database, file_ticket: Filing) -> None:
    number = file_ticket(Source.DASHBOARD, category="account", suggestion=SUGGESTED, description="my secret")
    learned = learn(tickets(60))
    exam = learned.exam.model_copy(update={"corrected": [number]})
    lessons.store(db, Knowledge(exam, learned.final, learned.examined))
    learner = Learner(db, learns=False, every=0.05)
    try:
        assert [one.description for one in learner.examples()] == ["my secret"]
        change(db, number, description="nothing")
        until(lambda: [one.description for one in learner.examples()] == ["nothing"])
    finally:
        learner.close()


def test_what_is_known_stays_while_the_database_is_away() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    learner = Learner(away, every=0.05)
    try:
        known: Knowledge = learner.knowledge()
        assert known is NOTHING
        assert learner.examples() == ()
    finally:
        learner.close()
        away.close()
