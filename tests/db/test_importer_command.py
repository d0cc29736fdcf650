"""`python -m ticketcore.importer` says what it did, names every bad row, and fails in one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from ticketcore.database import Database

ROOT = Path(__file__).parents[2]


def titles(sql: sa.Connection) -> list[str]:
    return list(sql.execute(sa.text("select title from tickets order by id")).scalars())


def command(server: str | None, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {**os.environ, **environment} | ({"DATABASE_URL": server} if server else {})
    return subprocess.run(
        [sys.executable, "-m", "ticketcore.importer", *map(str, arguments)],
        cwd=ROOT, env=known, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_the_command_imports_a_file(db: Database, sql: sa.Connection, server: str, tmp_path: Path) -> None:
    file = tmp_path / "old desk.csv"
    file.write_text("Subject,description,Team\n" + "A,B,C\n" * 1_234)
    done = command(server, file, "--map", "title=Subject")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ignored columns: Team\nimported 1,234 tickets\n"
    assert titles(sql) == ["A"] * 1_234
    again = command(server, file, "--map", "title=Subject")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == f"{file}: This file was imported already, so nothing of it was stored now.\n"
    assert len(titles(sql)) == 1_234


def test_the_command_names_every_bad_row_and_fails_unless_they_are_to_be_skipped(
    db: Database, sql: sa.Connection, server: str, tmp_path: Path
) -> None:
    file = tmp_path / "tickets.txt"
    file.write_text('{"title": "A", "description": "B"}\n{"title": " ", "description": 7}\nthree\n')
    said = (
        f"{file}:2: title: must not be blank\n{file}:2: description: must be a text\n{file}:3: row: is not valid JSON\n"
    )
    refused = command(server, file, "--format", "jsonl")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == said + "2 bad rows: nothing was stored\n"
    assert titles(sql) == []
    done = command(server, file, "--format", "jsonl", "--skip-invalid")
    assert (done.returncode, done.stderr) == (0, said)
    assert done.stdout == "imported 1 tickets, left out 2 bad rows\n"
    assert titles(sql) == ["A"]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["missing.csv"], {}, "missing.csv: No such file or directory"),
        (["folder.csv"], {}, "folder.csv: Is a directory"),
        (["a.csv", "--map", "colour=red"], {}, "a.csv: map: colour is no field"),
        (["a.csv", "--map", "status=State"], {}, "a.csv: status: there is no column State"),
        (["a.csv"], {"DATABASE_URL": "mysql://x"}, "a.csv: DATABASE_URL: must begin with postgresql://"),
        (["a.csv"], {"DATABASE_URL": "", "DESK_DATA": "/proc/nowhere"}, "the database cannot be kept in /proc/nowhere"),
        (["a.xlsx"], {}, "does not tell whether it is csv or jsonl"),
    ],
)
def test_the_command_says_in_a_line_what_it_cannot_do(
    db: Database,
    sql: sa.Connection,
    server: str,
    tmp_path: Path,
    arguments: list[str],
    environment: dict[str, str],
    said: str,
) -> None:
    (tmp_path / "a.csv").write_text("title,description\nA,B\n")
    (tmp_path / "folder.csv").mkdir()
    done = command(None, tmp_path / arguments[0], *arguments[1:], **{"DATABASE_URL": server, **environment})
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert titles(sql) == []


def test_the_command_shows_on_a_terminal_how_far_it_is(db: Database, server: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("title,description\n" + "A,B\n" * 20_000)
    near, far = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "ticketcore.importer", file],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": server},
        stdout=subprocess.PIPE,
        stderr=far,
        timeout=100,
        check=True,
    )
    os.close(far)
    shown = os.read(near, 1 << 16).decode()
    os.close(near)
    assert done.stdout == b"imported 20,000 tickets\n"
    assert "100%" in shown


INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests were started with
from ticketcore.importer.__main__ import main
main()
"""


def test_the_command_can_be_stopped_and_leaves_nothing_behind(
    db: Database, sql: sa.Connection, server: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("title,description\n" + f"A,{'some words to find ' * 20}\n" * 100_000)
    copying = sa.text("select count(*) from pg_stat_activity where query ilike 'copy tickets%' and state = 'active'")
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, file],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as importing:
        while importing.poll() is None and not sql.scalar(copying):
            time.sleep(0.05)
        time.sleep(0.5)
        importing.send_signal(signal.SIGINT)
        said, wrong = importing.communicate(timeout=60)
    assert (importing.returncode, said) == (1, "")
    assert wrong == f"{file}: stopped; nothing was stored\n"
    assert titles(sql) == []
