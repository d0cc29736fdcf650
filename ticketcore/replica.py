"""A streaming replica of the desk's PostgreSQL, read only while whoever reads there sees all that was committed here.

How far the primary is, is a position in its log (WAL). A replica that has replayed its log up to there shows every
commit before it, so figures from the replica are never older than the question. One that falls behind, is away, was
promoted or belongs to another primary is not read at all; the desk goes on without it and tries it again.
"""

import enum
import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from ticketcore.circuit import Circuit
from ticketcore.driver import translated
from ticketcore.errors import DatabaseUnavailable
from ticketcore.pool import Pool

log = logging.getLogger(__name__)

PATIENCE = 0.2
"""Seconds for which a reader waits for a replica that has not replayed everything yet; in step, it takes moments."""

LOOK = 0.005
"""Seconds between two looks at how far it is."""

PAUSE = 5.0
"""Seconds for which one that was away is left alone: to find out that it still is may take as long as a time-out."""


class Outcome(enum.StrEnum):
    """How the replica was found when somebody wanted to read there; unless it was in step, the primary served."""

    IN_STEP = "in step"
    BEHIND = "behind"
    AWAY = "away"
    FOREIGN = "foreign"
    """It was promoted, or is a replica of another primary."""


@dataclass(frozen=True)
class Position:
    """How far a server has written its log, and which cluster it is."""

    cluster: int
    written: str

    @classmethod
    def of(cls, primary: sa.Connection) -> "Position":
        """That of the primary now: all that is committed lies before it."""
        return cls(*primary.execute(_POSITION).one())


_POSITION = sa.text(
    # Where commits do not wait for the disk, they are seen before they are flushed.
    "select system_identifier, (case current_setting('synchronous_commit') when 'off' then pg_current_wal_insert_lsn()"
    " else pg_current_wal_flush_lsn() end)::text from pg_control_system()"
)
_REPLAYED = sa.text(
    "select system_identifier, pg_is_in_recovery(), pg_last_wal_replay_lsn() >= cast(:written as pg_lsn)"
    " from pg_control_system()"
)


class Replica:
    """Connections to a replica, and whether it may be read. Closed with `close()`."""

    def __init__(self, url: str) -> None:
        self.pool = Pool(url, variable="DATABASE_REPLICA_URL", connect_timeout=2)
        self.outcomes = Counter[Outcome]()
        """How often it was found how, since the desk started."""
        self._circuit = Circuit(failures=1, seconds=PAUSE)
        self._last = Outcome.IN_STEP
        self._noting = threading.Lock()

    def has(self, position: Position) -> bool:
        """Whether whoever reads there from now on sees all that was committed at this position of the primary."""
        if not self._circuit.lets_through():
            self._note(Outcome.AWAY)
            return False
        try:
            with translated(), self.pool.engine.connect() as connection:
                outcome = self._outcome(connection, position)
        except DatabaseUnavailable:
            outcome = Outcome.AWAY
        self._circuit.record(failed=outcome in (Outcome.AWAY, Outcome.FOREIGN))
        self._note(outcome)
        return outcome is Outcome.IN_STEP

    def failed(self) -> None:
        """It was lost while somebody read there: the next ones are not sent there for a while."""
        self._circuit.record(failed=True)
        self._note(Outcome.AWAY)

    def close(self) -> None:
        """Closes every idle connection."""
        self.pool.close()

    def _outcome(self, connection: sa.Connection, position: Position) -> Outcome:
        # Nobody waits for one that is far behind: it was behind a moment ago, and after the whole wait.
        deadline = time.monotonic() + (PATIENCE if self._last is not Outcome.BEHIND else 0)
        while True:
            cluster, is_standby, has_it = connection.execute(_REPLAYED, {"written": position.written}).one()
            if cluster != position.cluster or not is_standby:
                return Outcome.FOREIGN
            if has_it:
                return Outcome.IN_STEP
            if time.monotonic() > deadline:
                return Outcome.BEHIND
            time.sleep(LOOK)

    def _note(self, outcome: Outcome) -> None:
        with self._noting:
            self.outcomes[outcome] += 1
            before, self._last = self._last, outcome
        if outcome is before:
            return
        if outcome is Outcome.IN_STEP:
            log.info("stats and exports are read from the replica again")
        else:
            log.warning("stats and exports are read from the primary: the replica is %s", outcome.value)
