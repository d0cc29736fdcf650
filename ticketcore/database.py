"""The way to PostgreSQL: the engine, and read() and write() transactions.

Nothing here knows what a ticket is.
"""

import contextlib
import copy
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import psycopg2.errors
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ticketcore import access
from ticketcore.access import Role
from ticketcore.driver import translated
from ticketcore.errors import DatabaseUnavailable, Overloaded
from ticketcore.models import Source
from ticketcore.pool import Pool
from ticketcore.replica import Outcome, Position, Replica

log = logging.getLogger(__name__)

T = TypeVar("T")


class Readable(Protocol):
    """What can be asked: the desk as it is, or as it was at one moment."""

    @property
    def key(self) -> str: ...

    def read(self) -> contextlib.AbstractContextManager[sa.Connection]: ...


class Database:
    """One pool of connections to one PostgreSQL, and what may be done through it. Closed with `close()`.

    Where it has a replica, what takes long is read there: see `aside`.
    """

    role: Role | None = Role.LEAD
    """Whose rights it has; a new one has all of them."""

    def __init__(self, url: str, replica: str | None = None) -> None:
        self.pool = Pool(url)
        self._replica = Replica(replica) if replica else None
        self.addresses = (url, replica)
        """Its own and that of its replica, with what is needed to go there: secret."""
        self.url = self.pool.url
        self.key = uuid.uuid4().hex
        """Tells one database of this process from another, whatever it is limited to."""
        self.known = ""
        """A snapshot that is new enough for what is kept in memory; without one, it has to be of now."""
        sa.event.listen(self._engine, "before_cursor_execute", _sign, retval=True)

    @property
    def _engine(self) -> sa.Engine:
        return self.pool.engine

    def limited_to(self, role: Role | None) -> "Database":
        """The same database with the rights of this role, for whoever has it."""
        limited = copy.copy(self)
        limited.role = role
        return limited

    def as_of(self, snapshot: str) -> "Database":
        """The same database for whoever wants to see it as in this snapshot: what is in memory need be no newer."""
        known = copy.copy(self)
        known.known = snapshot
        return known

    def demand(self, needed: Role) -> None:
        """Raises Forbidden unless the rights of this role are there."""
        access.demand(needed, self.role)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for queries; each statement sees what is committed when it begins.

        Raises:
            Forbidden: there is no role.
            DatabaseUnavailable: the database cannot be reached, or a query ran over its time.
        """
        self.demand(Role.VIEWER)
        with translated(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def view(self, snapshot: str | None = None) -> Iterator[sa.Connection]:
        """A connection for queries that all see what was committed when the first of them began.

        Or what a snapshot sees that another transaction exported and still holds.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or a query ran over its time.
        """
        self.demand(Role.VIEWER)
        with translated(), self._engine.connect() as connection:
            connection.execute(sa.text("begin isolation level repeatable read read only"))
            try:
                if snapshot:
                    _join(connection, snapshot)
                yield connection
            finally:
                _roll_back(connection)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[Readable]:
        """The desk as it is when the block begins: all that is read from it, on whatever thread, sees that moment.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        with self.view() as connection:
            yield _Frozen(self, str(connection.scalar(sa.select(sa.func.pg_export_snapshot()))))

    def aside(self, work: Callable[["Database"], T]) -> T:
        """What `work` finds, which only reads and takes long: at the replica, if it has all that is committed by now.

        Else here, and here too if the replica is lost meanwhile; `work` is done anew then.

        Raises:
            DatabaseUnavailable: the database is away, or a query ran over its time.
        """
        if self._replica and self._replica.has(self._position()):
            there = copy.copy(self)
            there.pool, there._replica = self._replica.pool, None
            try:
                return work(there)
            except Overloaded:
                raise  # the same again would be no quicker here, and everybody else would wait for it
            except DatabaseUnavailable:
                self._replica.failed()
        return work(self)

    def _position(self) -> Position:
        with self.read() as connection:
            return Position.of(connection)

    @contextlib.contextmanager
    def write(self, source: Source, actor: str | None = None, *, unlimited: bool = False) -> Iterator[sa.Connection]:
        """A transaction, committed when the block ends and rolled back when it raises.

        What is written is recorded in the history as done by `actor` through `source`. Only raising takes it back:
        `connection.rollback()` does nothing. An `unlimited` one may take as long as it takes: for loading, not for
        what somebody waits for.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or a statement ran over its time.
        """
        self.demand(Role.AGENT)
        with translated(), self._engine.connect() as connection:
            try:
                connection.exec_driver_sql(f"begin; {_SIGN}", _signature(source, actor))
                if unlimited:
                    connection.execution_options(unlimited=True)
                    connection.execute(sa.text("set local statement_timeout = 0"))
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            connection.execute(sa.text("commit"))

    def change(
        self, statement: sa.UpdateBase, values: Mapping[str, Any], source: Source, actor: str | None = None
    ) -> sa.Row[Any] | None:
        """The row that a statement returns, which is a transaction of its own; None if it returns none.

        Recorded as in `write`, and sent with its signature in one go: three statements less to wait for.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or the statement ran over its time.
        """
        self.demand(Role.AGENT)
        with translated(), self._engine.connect() as connection:
            options = {"signature": _signature(source, actor)}
            return connection.execute(statement, values, execution_options=options).one_or_none()

    def add(
        self, insertion: sa.Insert, rows: Sequence[Mapping[str, Any]], source: Source, actor: str | None = None
    ) -> Sequence[sa.Row[Any]]:
        """What an insertion returns for each of up to 1,000 rows, all of which are stored or none.

        As `change`: recorded, a transaction of its own, and sent in one go.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or the statement ran over its time.
        """
        self.demand(Role.AGENT)
        with translated(), self._engine.connect() as connection:
            options = {"signature": _signature(source, actor)}
            return connection.execute(insertion, rows, execution_options=options).all()

    def apart(self) -> Any:
        """A driver connection outside the pool, in which a transaction only reads, and all of it from one snapshot.

        For what is streamed at the pace of its reader. Whoever takes it closes it.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        self.demand(Role.VIEWER)
        try:
            with translated():
                fairy = self._engine.raw_connection()
            driver: Any = fairy.driver_connection
            fairy.detach()
            driver.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)
        except psycopg2.Error as error:  # SQLAlchemy wraps no errors of raw connections
            log.warning("the database is away: %s", type(error).__name__)
            raise DatabaseUnavailable from None
        return driver

    def is_ready(self) -> bool:
        """Whether a query is answered now."""
        try:
            with self.limited_to(Role.VIEWER).read() as connection:  # whether it is there is no secret
                return connection.scalar(sa.text("select true")) is True
        except DatabaseUnavailable:
            return False

    def connections(self) -> dict[str, int]:
        """How many connections of the pool are in use, how many wait for use, and how many there may be."""
        return self.pool.connections()

    def snapshot(self) -> str:
        """A text without blanks that differs from an earlier one whenever a write became visible in between.

        It is `pg_current_snapshot()`, by whose definition no commit goes unnoticed, with the place of the last
        checkpoint, without which it would not tell what was before a crash of the server from what came after: there
        the number of a transaction that was lost is given anew. A sequence will not do: it moves before the commit, so
        a reader in between would cache the old rows under the new number. Unrelated writes in the same server (a
        routine `analyze`, say) move it as well.
        """
        with self.read() as connection:  # not compiled: every page begins with it, and that would take a third longer
            return str(connection.exec_driver_sql(_SNAPSHOT).scalar_one())

    def asides(self) -> dict[str, int]:
        """How often the replica was found how when somebody wanted to read there; nothing without one."""
        return {outcome.value: self._replica.outcomes[outcome] for outcome in Outcome} if self._replica else {}

    def close(self) -> None:
        """Closes every idle connection."""
        self.pool.close()
        if self._replica:
            self._replica.close()


@dataclass(frozen=True)
class _Frozen:
    db: Database
    snapshot: str

    @property
    def key(self) -> str:
        return self.db.key

    def read(self) -> contextlib.AbstractContextManager[sa.Connection]:
        return self.db.view(self.snapshot)


def _join(connection: sa.Connection, snapshot: str) -> None:
    try:
        connection.exec_driver_sql(f"set transaction snapshot '{snapshot}'; {_ALONE}")
    except DBAPIError as error:
        # Whoever exported it lost the connection; what that is called depends on the age of the server.
        if isinstance(error.orig, psycopg2.errors.UndefinedObject | psycopg2.errors.InvalidParameterValue):
            raise DatabaseUnavailable from None
        raise


SNAPSHOT: sa.ColumnElement[str] = sa.literal_column(
    "pg_current_snapshot()::text || '@' || (select checkpoint_lsn from pg_control_checkpoint())", sa.Text
)
"""What `snapshot` is, to be selected."""

_SNAPSHOT = f"select {SNAPSHOT}"

_ALONE = "set local max_parallel_workers_per_gather = 0"
"""For queries that run side by side, each of which keeps a processor busy already."""

_SIGN = "select set_config('desk.source', %(desk_source)s, true), set_config('desk.actor', %(desk_actor)s, true)"


def _sign(_connection: object, _cursor: object, statement: str, values: Any, context: Any, *_: object) -> Any:
    """Sends the signature that a statement is executed with in front of it."""
    if context and (signature := context.execution_options.get("signature")):
        return f"{_SIGN}; {statement}", {**values, **signature}
    return statement, values


def _signature(source: Source, actor: str | None) -> dict[str, str]:
    return {"desk_source": source.value, "desk_actor": actor or ""}


def _roll_back(connection: sa.Connection) -> None:
    if not connection.invalidated:
        try:
            connection.execute(sa.text("rollback"))
        except SQLAlchemyError:
            connection.invalidate()  # in whatever state it is, nobody gets it again
