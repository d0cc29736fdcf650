"""What the driver of PostgreSQL takes and says: addresses, and errors, which are translated here and nowhere else."""

import contextlib
import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg2.errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ticketcore.errors import DatabaseUnavailable, Overloaded, StartUpError

log = logging.getLogger(__name__)

_AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.errors.ReadOnlySqlTransaction)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns what goes wrong with the database itself into `DatabaseUnavailable`; nothing else."""
    try:
        yield
    except PoolTimeout:
        log.warning("every database connection is in use")
        raise Overloaded from None
    except DBAPIError as error:
        if isinstance(error.orig, psycopg2.errors.QueryCanceled):
            log.warning("a query ran over its time and was cut")
            raise Overloaded("This took the database too long. Narrow the filter and try again.") from None
        if isinstance(error.orig, psycopg2.errors.DiskFull):
            log.critical("the disk of the database is full: %s", first_line(error))
            raise DatabaseUnavailable(
                "The database has no room left on its disk, so nothing was stored. Tell whoever runs the desk."
            ) from None
        if isinstance(error.orig, _AWAY) or error.connection_invalidated:
            log.warning("the database is away: %s", first_line(error))
            raise DatabaseUnavailable() from None
        raise


def driver_url(url: str, variable: str = "DATABASE_URL") -> str:
    """The address, which that variable gave, as SQLAlchemy takes it.

    Raises:
        StartUpError: it can be read in two ways.
    """
    if urlsplit(url).netloc.count("@") > 1:
        raise StartUpError(f"{variable}: an @ in the password has to be written as %40")
    scheme, separator, rest = url.partition("://")
    return "postgresql+psycopg2" + separator + rest if scheme in ("postgres", "postgresql") else url


def first_line(error: Exception) -> str:
    """What an error says, in one line; for logs and for whoever starts the desk."""
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return text.splitlines()[0] if text else type(error).__name__
