"""The days when the database breaks, while many file and change tickets: nothing is lost, nothing is there twice."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import sqlalchemy as sa

from tests.conftest import FAST
from ticketcore import driver, founding, tickets
from ticketcore.database import Database
from ticketcore.embedded import OPTIONS, EmbeddedServer
from ticketcore.errors import DatabaseUnavailable
from ticketcore.models import NewTicket, Source, TicketChanges

SAFE = {**OPTIONS, "shared_buffers": "64MB"}
"""As the desk runs it: what is committed is on the disk."""

WORKERS = 8


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server of the test's own, as safe as the desk's."""
    server = EmbeddedServer(tmp_path / "desk", options=SAFE)
    founding.migrate(server.url)
    yield server
    server.stop()


class Load:
    """Agents who file and change tickets, and try again whenever the database is away."""

    def __init__(self, url: str) -> None:
        self.db = Database(url)
        self.answered: dict[str, int] = {}
        """The number that each title was answered with."""
        self.changed: dict[int, int] = {}
        """How many changes of each ticket were answered."""
        self.refusals = 0
        self.faults: list[BaseException] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        self.db.close()

    def _insisting(self, act: Callable[[], tickets.Ticket]) -> tickets.Ticket:
        deadline = time.monotonic() + 60
        while True:
            try:
                return act()
            except DatabaseUnavailable:
                self.refusals += 1
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _work(self, worker: int) -> None:
        place = 0
        try:
            while not self._over.is_set():
                title, key, place = f"{worker}-{place}", uuid.uuid4(), place + 1
                new = NewTicket(title=title, description="Under load")
                filed = self._insisting(
                    lambda new=new, key=key: tickets.create(self.db, new, source=Source.API, actor="A", request_key=key)  # type: ignore[misc]
                )
                self.answered[title] = filed.id
                changes = TicketChanges(status="in_progress")  # type: ignore[arg-type]
                done = self._insisting(
                    lambda filed=filed, changes=changes: tickets.update(  # type: ignore[misc]
                        self.db, filed.id, changes, source=Source.API, actor="A"
                    )
                )
                self.changed[filed.id] = done.version - 1
        except BaseException as error:  # noqa: BLE001  shown by the test
            self.faults.append(error)


def assert_nothing_lost_and_nothing_twice(load: Load, url: str) -> None:
    assert load.faults == []
    engine = sa.create_engine(driver.driver_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select title, id, version, status::text from tickets")).all()
        events = connection.execute(sa.text(
            "select ticket_id, count(*) filter (where kind = 'created'), count(*) filter (where kind = 'changed')"
            " from ticket_events group by 1"
        )).all()  # fmt: skip
    stored = {title: number for title, number, *_ in rows}
    assert len(stored) == len(rows), "no title is there twice"
    assert {title: stored.get(title) for title in load.answered} == load.answered
    assert len(rows) - len(load.answered) <= WORKERS, "at most the last of each, whose answer nobody waited for"
    history = {number: (created, changed) for number, created, changed in events}
    assert history == {number: (1, version - 1) for _, number, version, _ in rows}, "the history adds up"
    by_number = {number: (version, status) for _, number, version, status in rows}
    assert all(by_number[number] == (2, "in_progress") for number in load.changed)


def test_a_server_that_is_stopped_and_started_under_load(own: EmbeddedServer, tmp_path: Path) -> None:
    with Load(own.url) as load:
        time.sleep(1)
        before = len(load.answered)
        own._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", tmp_path / "desk" / "postgres")
        _until(lambda: len(load.answered) > before + 50)  # the desk starts it again by itself
    assert load.refusals > 0
    assert_nothing_lost_and_nothing_twice(load, own.url)


def test_a_server_that_is_killed_under_load(own: EmbeddedServer, tmp_path: Path) -> None:
    with Load(own.url) as load:
        for _ in range(2):
            time.sleep(1)
            before = len(load.answered)
            number = int((tmp_path / "desk" / "postgres" / "postmaster.pid").read_text().splitlines()[0])
            for process in [psutil.Process(number), *psutil.Process(number).children()]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            _until(lambda before=before: len(load.answered) > before + 50)  # type: ignore[misc]
    assert load.refusals > 0
    assert_nothing_lost_and_nothing_twice(load, own.url)


def test_connections_that_are_cut_in_the_middle_of_writes(own: EmbeddedServer) -> None:
    cutter = psycopg2.connect(own.url)
    cutter.autocommit = True
    cut = 0
    with Load(own.url) as load, cutter.cursor() as cursor:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            cursor.execute(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where application_name = 'ticket-desk' and state <> 'idle'"
            )
            cut += cursor.fetchone()[0]
            time.sleep(0.02)
    cutter.close()
    assert cut > 20
    assert load.refusals > 0
    assert_nothing_lost_and_nothing_twice(load, own.url)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 90 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m,mode=755", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_said_to_be_full_and_what_was_stored_stays(small_disk: Path) -> None:
    options = {**FAST, "max_wal_size": "32MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}
    server = EmbeddedServer(small_disk, options=options)
    try:
        founding.migrate(server.url)
        db = Database(server.url)
        first = tickets.create(db, NewTicket(title="First", description="A"), source=Source.API)
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file:
            free = shutil.disk_usage(small_disk).free
            file.write(b"\0" * (free - 300_000))

        def fill() -> None:
            for number in range(200):
                text = os.urandom(9_000).hex()
                tickets.create(db, NewTicket(title=f"More {number}", description=text), source=Source.API)

        with pytest.raises(DatabaseUnavailable, match="no room left on its disk") as refused:
            fill()
        assert refused.value.status == 503
        with db.read() as connection:
            stored = connection.scalar(sa.text("select count(*) from tickets")) or 0
        assert stored > 1
        assert tickets.get(db, first.id) == first, "what is there can still be read"
        ballast.unlink()
        again = tickets.create(db, NewTicket(title="Again", description="A"), source=Source.API)
        assert tickets.get(db, again.id).title == "Again"
        with db.read() as connection:
            assert connection.scalar(sa.text("select count(*) from tickets")) == stored + 1
            assert connection.scalar(sa.text("select count(*) from ticket_events")) == stored + 1
        db.close()
    finally:
        server.stop()


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
