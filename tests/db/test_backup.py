"""`make backup` and `make restore`: what is restored into a fresh server is what was backed up, to the last column."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tests.conftest import FAST, binaries
from tests.unit.test_triage import tickets as examples
from ticketcore import demo, driver, founding, lessons, tickets, tokens, views
from ticketcore.access import Role
from ticketcore.database import Database
from ticketcore.embedded import EmbeddedServer
from ticketcore.models import NewTicket, Source
from ticketcore.triage.training import learn

ROOT = Path(__file__).parents[2]
Fresh = Callable[[], str]


@pytest.fixture
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fresh]:
    """Starts servers of their own, empty, of the same age as `server`."""
    servers: list[EmbeddedServer] = []
    version = 15 if "postgresql-15" in request.node.name else 18

    def start() -> str:
        folder = tmp_path / f"fresh{len(servers)}"
        servers.append(EmbeddedServer(folder, binaries=binaries(version), options=FAST))
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


def command(server: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ticketcore.backup", *map(str, arguments)],
        cwd=ROOT, env={**os.environ, "DATABASE_URL": server}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def contents(url: str) -> dict[str, tuple[int, str]]:
    """For each table how many rows it has, and a digest of all of them; and of all sequences where they stand."""
    engine = sa.create_engine(driver.driver_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        names = connection.scalars(sa.text(
            "select tablename from pg_tables where schemaname = 'public'"
        )).all()  # fmt: skip
        found = {
            name: tuple(connection.execute(sa.text(
                f"select count(*), md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {name} t"
            )).one())
            for name in names
        }  # fmt: skip
        steps = connection.execute(sa.text("select sequencename, last_value from pg_sequences order by 1")).all()
        found["sequences"] = (len(steps), str(steps))
        return found  # type: ignore[return-value]


def fill(db: Database) -> None:
    demo.fill(db, 300, seed=1, now=datetime.now(UTC), timezone=ZoneInfo("UTC"))
    tokens.make(db, "A program", Role.AGENT, days=1, by="Lea")
    views.save(db, "Mine", {"category": ["billing"]}, owner="Ann")
    lessons.store(db, learn(examples(200)))


def test_what_is_restored_into_a_fresh_server_is_what_was_backed_up(
    db: Database, server: str, fresh: Fresh, tmp_path: Path
) -> None:
    fill(db)
    before = contents(server)
    file = tmp_path / "desk.dump"
    done = command(server, file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote 300 tickets to {file}\n"
    there = fresh()
    done = command(there, "--restore", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"restored 300 tickets from {file}\n"
    assert contents(there) == before
    founding.migrate(there)
    restored = Database(there)
    try:
        new = tickets.create(restored, NewTicket(title="A", description="B"), source=Source.API, actor="Ann")
        assert (new.id, new.version) == (301, 1)
        assert [event.actor for event in tickets.history(restored, 301)] == ["Ann"], "triggers came along"
    finally:
        restored.close()


def test_a_desk_that_was_opened_but_has_no_tickets_can_be_restored_into(
    db: Database, server: str, fresh: Fresh, tmp_path: Path
) -> None:
    fill(db)
    file = tmp_path / "desk.dump"
    assert command(server, file).returncode == 0
    there = fresh()
    founding.migrate(there)
    assert command(there, "--restore", file).returncode == 0
    assert contents(there) == contents(server)


def test_nothing_is_restored_over_tickets(db: Database, server: str, fresh: Fresh, tmp_path: Path) -> None:
    fill(db)
    file = tmp_path / "desk.dump"
    assert command(server, file).returncode == 0
    before = contents(server)
    done = command(server, "--restore", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{file}: the desk there has 300 tickets; restore into an empty one\n"
    assert contents(server) == before


@pytest.mark.parametrize("content", [b"", b"not a backup", None])
def test_a_file_that_is_no_backup_changes_nothing(
    db: Database, server: str, fresh: Fresh, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "desk.dump"
    if content is None:
        fill(db)
        assert command(server, file).returncode == 0
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.write_bytes(content)
    there = fresh()
    founding.migrate(there)
    before = contents(there)
    done = command(there, "--restore", file)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{file}: pg_restore: ")
    assert done.stderr.count("\n") == 1
    assert contents(there) == before


def test_a_backup_that_fails_leaves_the_one_before_alone(db: Database, server: str, tmp_path: Path) -> None:
    file = tmp_path / "desk.dump"
    file.write_text("the one before")
    done = command(f"{server.partition('?')[0]}?host={tmp_path}", file)
    assert done.returncode == 1
    assert done.stderr.count("\n") >= 1
    assert file.read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_is_not_there_is_one_line(server: str, tmp_path: Path) -> None:
    done = command(server, tmp_path / "none" / "desk.dump")
    assert (done.returncode, done.stderr) == (1, f"{tmp_path / 'none' / 'desk.dump'}: No such file or directory\n")
