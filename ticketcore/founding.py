"""What makes a database the desk's before the desk opens: waiting for it, and the migrations."""

import logging
import time
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ticketcore.driver import driver_url, first_line
from ticketcore.errors import StartUpError

log = logging.getLogger(__name__)

MIGRATION_LOCK = 7_355_608
"""The advisory lock under which the desk migrates; any number, the same in every process."""


def wait(url: str, patience: float = 60) -> None:
    """Returns once the database at `url` answers.

    Raises:
        StartUpError: it did not answer within `patience` seconds; says where it was looked for and why.
    """
    engine = sa.create_engine(driver_url(url), poolclass=sa.NullPool, connect_args={"connect_timeout": 5})
    where = engine.url
    place = f"{where.host or where.query.get('host', 'the local socket')}:{where.port or 5432}/{where.database}"
    deadline = time.monotonic() + patience
    while True:
        try:
            with engine.connect():
                return
        except SQLAlchemyError as error:
            reason = first_line(error)
        if time.monotonic() >= deadline:
            raise StartUpError(f"no database at {place} after {patience:g} s: {reason}")
        log.warning("waiting for the database at %s: %s", place, reason)
        time.sleep(min(2.0, max(0.0, deadline - time.monotonic())))


def migrate(url: str, revision: str = "head") -> None:
    """Brings the database at `url` to `revision`; several processes may call it at once.

    Raises:
        StartUpError: a migration failed; the database is as it was before.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    engine = sa.create_engine(driver_url(url), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(MIGRATION_LOCK)))
            connection.commit()
            config.attributes["connection"] = connection
            if revision == "base":
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
            connection.commit()
    except (DBAPIError, CommandError) as error:
        raise StartUpError(f"the database could not be migrated: {first_line(error)}") from error
