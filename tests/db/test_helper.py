"""What is counted by a process of its own is the same, and is never missed: whatever becomes of the process."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest
import sqlalchemy as sa

from tests.lives import HOUR, NOW, lives, store
from tests.oracle import put
from ticketcore import helper as module
from ticketcore import masks
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable, InvalidInput, Overloaded
from ticketcore.filters import TicketFilter
from ticketcore.helper import Helper
from ticketcore.mirror import view
from ticketcore.models import Priority, Source
from ticketcore.period import Period, Unit
from ticketcore.review import review
from ticketcore.schema import tickets
from ticketcore.ui import marks
from ticketcore.validation import parse

PERIOD = Period(date(2026, 10, 20), date(2026, 11, 18), ZoneInfo("Europe/Berlin"), NOW)
TARGETS = {Priority.HIGH: 24 * HOUR, Priority.CRITICAL: 4 * HOUR}
BILLING = parse(TicketFilter, {"category": ["billing"]})


@pytest.fixture
def server(newest_server: str) -> str:
    """One server is enough here: the subject is not the SQL."""
    return newest_server


@pytest.fixture
def helper(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Helper]:
    """For any number of tickets."""
    monkeypatch.setattr(module, "MANY", 0)
    monkeypatch.setattr(module, "PAUSE", 0)
    helper = Helper(db)
    yield helper
    helper.close()
    assert children() == []


def children() -> list[psutil.Process]:
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            try:
                is_one = "ticketcore.helper" in " ".join(one.cmdline())
            except psutil.ZombieProcess:
                is_one = True
            found += [one] if is_one else []
    return found


def number(db: Database, matching: TicketFilter) -> tuple[int, int]:
    """How many tickets there are, and the process that counted them."""
    selected = masks.selection(db, matching)
    assert selected
    return masks.count(selected), os.getpid()


def fail(_db: Database, _matching: TicketFilter, message: str) -> None:
    raise DatabaseUnavailable(message)


def write(db: Database, _matching: TicketFilter) -> None:
    with db.write(Source.API) as connection:
        connection.execute(sa.delete(tickets))


def sleep(_db: Database, _matching: TicketFilter, seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def there(helper: Helper) -> int:
    """The process, once it counts."""
    until(lambda: helper.ask("", number, TicketFilter())[1] != os.getpid())
    return helper.ask("", number, TicketFilter())[1]


def test_a_review_is_the_same_wherever_it_is_made(db: Database, sql: sa.Connection, helper: Helper) -> None:
    store(sql, lives(200))
    process = there(helper)
    for where in ({}, {"category": ["billing"]}, {"search": "a"}, {"weekday": [1], "timezone": "Europe/Berlin"}):
        matching = parse(TicketFilter, where)
        here = review(db, matching, PERIOD, Unit.WEEK, TARGETS)
        assert helper.ask("", review, matching, PERIOD, Unit.WEEK, TARGETS) == here
        shown, wanted = (ask(helper, db, matching) for ask in (_apart, _here))
        assert list(shown.tables()) == list(wanted.tables())
        for name, table in shown.tables().items():
            assert table.equals(wanted.tables()[name]), name
    assert there(helper) == process


def _apart(helper: Helper, _db: Database, matching: TicketFilter) -> marks.Shown:
    return helper.ask("", marks.shown, matching, PERIOD, Unit.WEEK, TARGETS)


def _here(_helper: Helper, db: Database, matching: TicketFilter) -> marks.Shown:
    return marks.shown(db, matching, PERIOD, Unit.WEEK, TARGETS)


def test_it_counts_what_was_stored_before_it_was_asked(db: Database, sql: sa.Connection, helper: Helper) -> None:
    put(sql, [{"category": "billing"}] * 3)
    process = there(helper)
    for there_are in range(3, 30):
        assert helper.ask("", number, BILLING) == (there_are, process)
        put(sql, [{"category": "billing"}, {}])


def test_until_it_is_there_the_desk_counts_itself_and_waits_for_nobody(sql: sa.Connection, helper: Helper) -> None:
    put(sql, [{}] * 5)
    assert children() == []
    assert helper.ask("", number, TicketFilter()) == (5, os.getpid())
    assert there(helper) == children()[0].pid
    assert children()[0].nice() == psutil.Process().nice(), "somebody waits for it"


def test_the_desk_keeps_no_orders_of_tickets_once_the_process_has_them(
    db: Database, sql: sa.Connection, helper: Helper
) -> None:
    put(sql, [{}] * 5)
    assert helper.ask("", review, TicketFilter(), PERIOD, Unit.WEEK, TARGETS).now.created == 0
    assert view(db).base._runs
    there(helper)
    assert not view(db).base._runs


def test_a_small_desk_has_no_such_process(
    db: Database, sql: sa.Connection, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sql, [{}] * 5)
    monkeypatch.setattr(module, "MANY", 6)
    assert helper.ask("", number, TicketFilter()) == (5, os.getpid())
    time.sleep(0.5)
    assert children() == []


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_is_killed_is_missed_by_nobody_and_replaced(
    sql: sa.Connection, helper: Helper, blow: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    put(sql, [{}] * 5)
    first = there(helper)
    os.kill(first, blow)
    until(lambda: psutil.Process(first).status() == psutil.STATUS_ZOMBIE)
    assert helper.ask("", number, TicketFilter()) == (5, os.getpid())
    assert "another one is started" in caplog.text
    assert there(helper) != first


def test_one_that_hangs_is_given_up(sql: sa.Connection, helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    put(sql, [{}] * 5)
    first = there(helper)
    monkeypatch.setattr(module, "LONGEST", 0.5)
    os.kill(first, signal.SIGSTOP)
    assert helper.ask("", number, TicketFilter()) == (5, os.getpid())
    assert not psutil.pid_exists(first)


def test_what_goes_wrong_there_is_told_here_and_it_goes_on(sql: sa.Connection, helper: Helper) -> None:
    put(sql, [{}] * 5)
    process = there(helper)
    with pytest.raises(DatabaseUnavailable, match="It is away") as told:
        helper.ask("", fail, TicketFilter(), "It is away")
    assert str(told.value) == "It is away"
    assert "in fail" in told.value.__notes__[0]
    assert helper.ask("", number, TicketFilter()) == (5, process)


def test_it_may_only_read(sql: sa.Connection, helper: Helper) -> None:
    put(sql, [{}] * 5)
    there(helper)
    with pytest.raises(Exception, match="role"):
        helper.ask("", write, TicketFilter())
    assert sql.scalar(sa.text("select count(*) from tickets")) == 5


def test_many_who_ask_get_each_their_own(sql: sa.Connection, helper: Helper) -> None:
    put(sql, [{"category": "billing"}] * 3 + [{"category": "general"}] * 4)
    process = there(helper)
    found: list[tuple[str, tuple[int, int]]] = []

    def ask(category: str) -> None:
        for _ in range(30):
            found.append((category, helper.ask("", number, parse(TicketFilter, {"category": [category]}))))

    threads = [threading.Thread(target=ask, args=(one,)) for one in ("billing", "general") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 240
    assert {(category, *answer) for category, answer in found} == {("billing", 3, process), ("general", 4, process)}


def test_whoever_waits_too_long_for_others_is_told_so(
    sql: sa.Connection, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sql, [{}] * 5)
    there(helper)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    slow = threading.Thread(target=helper.ask, args=("", sleep, TicketFilter(), 3))
    slow.start()
    time.sleep(0.5)
    with pytest.raises(Overloaded):
        helper.ask("", number, TicketFilter())
    slow.join()


def test_it_ends_with_whoever_started_it_however_that_ends(server: str, tmp_path: Path) -> None:
    asking = (
        "import sys, time; from ticketcore import processes; import pickle, subprocess\n"
        "child = processes.start('ticketcore.helper', stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        f"pickle.dump(({server!r}, None), child.stdin)\n"
        "from ticketcore import helper\n"
        "helper._answer(child, pickle.dumps(('', helper._look, (print,), {})))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    desk = subprocess.Popen([sys.executable, "-c", asking], stdout=subprocess.PIPE)
    assert desk.stdout
    child = psutil.Process(int(desk.stdout.readline()))
    assert child.is_running()
    desk.kill()
    desk.wait()
    desk.stdout.close()
    child.wait(20)


def test_what_cannot_be_sent_back_is_counted_here(sql: sa.Connection, helper: Helper) -> None:
    """A failure of ours, and nobody is to notice."""
    put(sql, [{}] * 5)
    there(helper)
    assert helper.ask("", lock, TicketFilter()) is not None
    assert there(helper) != os.getpid()


def lock(_db: Database, _matching: TicketFilter) -> object:
    """What no pickle holds."""
    return threading.Lock()


def refuse(_db: Database, _matching: TicketFilter) -> None:
    raise InvalidInput({"title": "is too long"})  # which is not read back as it was written


def test_an_answer_that_is_no_answer_is_never_taken_for_that_to_another_question(
    sql: sa.Connection, helper: Helper
) -> None:
    """Of one that cannot be read something may be left in the pipe, so that pipe is not read again."""
    put(sql, [{}] * 5)
    process = there(helper)
    with pytest.raises(InvalidInput, match="too long"):
        helper.ask("", refuse, TicketFilter())
    assert not psutil.pid_exists(process)
    for _ in range(3):
        assert helper.ask("", number, TicketFilter())[0] == 5


def test_one_that_was_lost_is_not_replaced_at_once(
    sql: sa.Connection, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sql, [{}] * 5)
    monkeypatch.setattr(module, "PAUSE", 3)
    os.kill(there(helper), signal.SIGKILL)
    lost = time.monotonic()
    assert helper.ask("", number, TicketFilter()) == (5, os.getpid())
    until(lambda: helper.ask("", number, TicketFilter())[0] == 5 and bool(children()))
    assert time.monotonic() - lost > 2.5


def test_a_desk_with_many_visitors_has_one_too(sql: sa.Connection, helper: Helper) -> None:
    """Above the thousandth file descriptor there are things that do not work any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        put(sql, [{}] * 5)
        assert there(helper) != os.getpid()
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_desk_that_stops_waits_for_none_that_is_beginning(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 0)
    helper = Helper(db)
    helper.ask("", number, TicketFilter())
    until(lambda: bool(children()))
    os.kill(children()[0].pid, signal.SIGSTOP)
    begun = time.monotonic()
    helper.close()
    assert time.monotonic() - begun < 5
    assert children() == []
    assert helper.ask("", number, TicketFilter()) == (0, os.getpid())
    assert children() == []
