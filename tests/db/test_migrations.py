"""The migrations build the whole database from nothing, once, whoever else is building, and as the code knows it."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tests.oracle import CATEGORIES, PRIORITIES, STATUSES
from ticketcore import driver, founding, schema
from ticketcore.errors import StartUpError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(server: str, sql: sa.Connection) -> Iterator[str]:
    """The address of a new, empty database on the same server."""
    name = f"bare_{uuid.uuid4().hex}"
    sql.exec_driver_sql(f"create database {name}")
    yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    sql.exec_driver_sql(f"drop database {name} with (force)")


@pytest.fixture
def bare(place: str) -> Iterator[sa.Connection]:
    """Raw SQL on the database at `place`; each statement commits by itself."""
    engine = sa.create_engine(driver.driver_url(place), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


CATALOGUE = {
    "column": """
        select c.relname || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
               case when a.attnotnull then 'not null' end, nullif(a.attidentity, ''), pg_get_expr(d.adbin, d.adrelid))
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
          and c.relname <> 'alembic_version'""",
    "constraint": """
        select conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'public'::regnamespace and contype <> 'n' and conrelid::regclass::text <> 'alembic_version'
        and conrelid <> 0""",
    "index": """
        select indexname, indexdef from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'""",
    "enum": """
        select t.typname, string_agg(e.enumlabel, ' ' order by e.enumsortorder)
        from pg_type t join pg_enum e on e.enumtypid = t.oid group by t.typname""",
    "function": """
        select proname, prosrc from pg_proc p where pronamespace = 'public'::regnamespace
        and not exists (select from pg_depend where objid = p.oid and deptype = 'e')""",
    "trigger": "select tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal",
}
"""Everything that a migration can build, as names with definitions; what belongs to an extension is not ours."""


def catalogue(connection: sa.Connection, *kinds: str) -> dict[str, dict[str, str]]:
    found = {kind: connection.exec_driver_sql(CATALOGUE[kind]).all() for kind in kinds or CATALOGUE}
    return {kind: dict(tuple(row) for row in rows) for kind, rows in found.items()}


def file_a_ticket(connection: sa.Connection) -> int:
    insert = "insert into tickets (title, description, category, priority) values ('A', 'B', 'billing', 'low')"
    return int(connection.exec_driver_sql(f"{insert} returning id").scalar_one())


def test_an_empty_database_becomes_a_desk(place: str, bare: sa.Connection) -> None:
    assert not any(catalogue(bare).values())
    founding.migrate(place)
    assert file_a_ticket(bare) == 1
    assert catalogue(bare, "enum")["enum"] == {
        "ticket_category": " ".join(CATEGORIES),
        "ticket_priority": " ".join(PRIORITIES),
        "ticket_status": " ".join(STATUSES),
    }


def test_going_back_to_nothing_leaves_nothing_behind_and_the_way_up_is_open_again(
    place: str, bare: sa.Connection
) -> None:
    """The extension pg_trgm stays: it may have been there before, and others may use it."""
    founding.migrate(place)
    built = catalogue(bare)
    file_a_ticket(bare)
    founding.migrate(place, "base")
    assert not any(catalogue(bare).values())
    assert bare.exec_driver_sql("select count(*) from alembic_version").scalar() == 0
    founding.migrate(place)
    assert catalogue(bare) == built
    assert file_a_ticket(bare) == 1


def test_migrating_again_changes_nothing(place: str, bare: sa.Connection) -> None:
    founding.migrate(place)
    built, ticket = catalogue(bare), file_a_ticket(bare)
    founding.migrate(place)
    assert catalogue(bare) == built
    assert bare.exec_driver_sql("select id from tickets").scalars().all() == [ticket]


def test_alembic_finds_no_difference_between_the_code_and_a_migrated_database(sql: sa.Connection) -> None:
    """Types, nullability, defaults, identities, keys and indexes; it compares no CHECK and no labels of an enum."""
    context = MigrationContext.configure(sql, opts={"compare_type": True, "compare_server_default": True})
    assert compare_metadata(context, schema.metadata) == []


def test_a_database_made_from_the_code_is_the_one_that_the_migrations_make(
    server: str, place: str, bare: sa.Connection
) -> None:
    """PostgreSQL's own words for columns, constraints, CHECKs among them, indexes and enums are compared.

    Not the triggers and their functions, which live in the migrations alone.
    """
    bare.exec_driver_sql("create extension pg_trgm")
    schema.metadata.create_all(bare)
    kinds = ("column", "constraint", "index", "enum")
    migrated = sa.create_engine(driver.driver_url(server), poolclass=sa.NullPool)
    with migrated.connect() as connection:
        assert catalogue(bare, *kinds) == catalogue(connection, *kinds)


def test_a_desk_with_a_past_learns_from_its_history_what_the_newer_one_keeps(place: str, bare: sa.Connection) -> None:
    founding.migrate(place, "0003")
    for source, statuses in (("dashboard", ("resolved", "closed", "open", "resolved")), ("sql", ("closed", "open"))):
        ticket = file_a_ticket(bare)
        bare.exec_driver_sql(f"select set_config('desk.source', '{source}', false)")
        for status in statuses:
            bare.exec_driver_sql(f"update tickets set status = '{status}' where id = {ticket}")
    before = bare.exec_driver_sql("select id, version, updated_at, resolved_at from tickets order by id").all()
    founding.migrate(place)
    assert bare.exec_driver_sql("select id, version, updated_at, resolved_at from tickets order by id").all() == before
    steps = bare.exec_driver_sql(
        "select ticket_id, new_value, at, settled_at from ticket_events where kind = 'changed' order by id"
    ).all()
    resolved, _, reopened, _, closed, opened = steps
    responses = bare.exec_driver_sql("select first_response_at from tickets order by id").scalars().all()
    assert responses == [resolved.at, None]
    assert {step.at: step.settled_at for step in steps if step.settled_at} == {
        reopened.at: resolved.at, opened.at: closed.at,
    }  # fmt: skip


START = """
import sys
from ticketcore import founding
print("ready", flush=True)
sys.stdin.readline()
founding.wait(sys.argv[1], patience=10)
founding.migrate(sys.argv[1])
"""


def test_four_processes_started_at_once_on_an_empty_database_all_come_up(place: str, bare: sa.Connection) -> None:
    command = [sys.executable, "-c", START, place]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    desks = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(4)]
    for desk in desks:
        assert desk.stdout.readline() == "ready\n"
    for desk in desks:
        desk.stdin.write("go\n")
        desk.stdin.flush()
    said = [desk.communicate(timeout=60)[1] for desk in desks]
    assert [desk.returncode for desk in desks] == [0, 0, 0, 0], said
    assert bare.exec_driver_sql("select count(*) from alembic_version").scalar() == 1
    assert file_a_ticket(bare) == 1


def test_a_migration_that_fails_leaves_the_database_as_it_was_and_says_why_in_one_line(
    place: str, bare: sa.Connection
) -> None:
    bare.exec_driver_sql("create table ticket_events (mine text)")
    before = catalogue(bare)
    with pytest.raises(StartUpError, match=r"ticket_events.* already exists") as caught:
        founding.migrate(place)
    assert len(str(caught.value).splitlines()) == 1
    assert catalogue(bare) == before


def test_a_database_of_a_newer_desk_is_refused_in_one_line_and_left_alone(place: str, bare: sa.Connection) -> None:
    founding.migrate(place)
    bare.exec_driver_sql("update alembic_version set version_num = '9999'")
    before = catalogue(bare)
    with pytest.raises(StartUpError, match="9999") as caught:
        founding.migrate(place)
    assert len(str(caught.value).splitlines()) == 1
    assert catalogue(bare) == before


def test_a_database_that_is_away_is_said_to_be_away_without_its_password() -> None:
    with pytest.raises(StartUpError) as caught:
        founding.migrate("postgresql://agent:hunter2@127.0.0.1:1/desk")
    assert "refused" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_desk_may_be_installed_in_a_folder_with_any_name(
    place: str, bare: sa.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "50% off; it's %(here)s"
    folder.mkdir()
    (folder / "migrations").symlink_to(Path(founding.__file__).parent / "migrations")
    monkeypatch.setattr(founding, "__file__", str(folder / "database.py"))
    founding.migrate(place)
    assert file_a_ticket(bare) == 1
