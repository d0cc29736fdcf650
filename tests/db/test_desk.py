"""A desk opens on an empty database or folder without a manual step, once a process, and cleans up after itself."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from ticketcore import desk, founding, listing, settings, tickets
from ticketcore.database import Database
from ticketcore.errors import StartUpError
from ticketcore.filters import TicketFilter
from ticketcore.models import NewTicket, Source

NEW = NewTicket(title="Refund", description="I paid twice.")


def is_running(folder: Path) -> bool:
    """Whether a server runs on the folder."""
    return (folder / "postgres" / "postmaster.pid").exists()


def test_a_desk_without_a_database_brings_its_own_and_still_has_the_tickets_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    chosen = settings.read({"DESK_DATA": str(folder)})
    first = desk.open_desk(chosen)
    ticket = tickets.create(first.itself.db, NEW, source=Source.DASHBOARD)
    assert is_running(folder)
    first.close()
    assert not is_running(folder)
    second = desk.open_desk(chosen)
    assert tickets.get(second.itself.db, ticket.id) == ticket
    second.close()


def test_a_desk_with_a_database_starts_no_server_of_its_own(server: str, db: Database, tmp_path: Path) -> None:
    opened = desk.open_desk(settings.read({"DATABASE_URL": server, "DESK_DATA": str(tmp_path / "desk")}))
    ticket = tickets.create(opened.itself.db, NEW, source=Source.DASHBOARD)
    assert tickets.get(db, ticket.id) == ticket
    opened.close()
    assert not (tmp_path / "desk").exists()
    assert db.is_ready()


def test_a_desk_that_opens_on_a_restored_dump_puts_its_changes_in_order(
    server: str, db: Database, sql: sa.Connection
) -> None:
    ticket = tickets.create(db, NEW, source=Source.DASHBOARD)
    sql.exec_driver_sql("update tickets set changed_in = 9000000000")
    desk.open_desk(settings.read({"DATABASE_URL": server})).close()
    assert sql.exec_driver_sql("select changed_in from tickets").scalars().all() == [0]
    assert tickets.get(db, ticket.id) == ticket


def test_a_desk_that_cannot_start_leaves_no_server_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_url: str) -> None:
        raise StartUpError("no")

    monkeypatch.setattr(founding, "migrate", fail)
    with pytest.raises(StartUpError):
        desk.open_desk(settings.read({"DESK_DATA": str(tmp_path / "desk")}))
    assert not is_running(tmp_path / "desk")


def test_a_process_has_one_desk_whoever_asks_first(server: str, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", server)
    with ThreadPoolExecutor(8) as threads:
        asked = list(threads.map(lambda _: desk.current(), range(8)))
    try:
        assert len({id(each) for each in asked}) == 1
        assert listing.count(asked[0].itself.db, TicketFilter()) == listing.count(db, TicketFilter())
    finally:
        desk.stop()


def test_a_desk_that_could_not_start_may_start_later(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://x")
    with pytest.raises(StartUpError, match="DATABASE_URL"):
        desk.current()
    monkeypatch.setenv("DATABASE_URL", server)
    try:
        assert desk.current().db.is_ready()
    finally:
        desk.stop()
