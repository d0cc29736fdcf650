"""A pool of connections to one PostgreSQL, set as the desk wants every one of them."""

from typing import Any

import sqlalchemy as sa

from ticketcore import patience
from ticketcore.driver import driver_url
from ticketcore.watchdog import Watchdog

STATEMENT_TIMEOUT = "30s"
CONNECT_TIMEOUT = 5
"""Seconds."""

POOL, OVERFLOW = 10, 30
"""Connections that are kept, and that there may be beyond them while the desk is busy."""


class Pool:
    """Connections to one server, made as they are needed. Closed with `close()`."""

    def __init__(self, url: str, *, variable: str = "DATABASE_URL", connect_timeout: int = CONNECT_TIMEOUT) -> None:
        """Raises StartUpError if the address, which that variable gave, can be read in two ways."""
        self.url = driver_url(url, variable)
        self.engine = sa.create_engine(
            self.url,
            pool_size=POOL,
            max_overflow=OVERFLOW,
            pool_timeout=5,
            pool_pre_ping=True,
            pool_use_lifo=True,
            connect_args={
                "connect_timeout": connect_timeout,
                "application_name": "ticket-desk",
                # A server that vanishes from the network is noticed in half a minute, not in a quarter of an hour.
                "keepalives_idle": 5,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 35_000,
                # Figures sort up to a million numbers: in memory that takes half as long as on disk. To compile a query
                # takes longer than any query of the desk.
                "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT} -c work_mem=64MB -c jit=off",
            },
            hide_parameters=True,  # they are what people wrote, which no log is to have
            isolation_level="AUTOCOMMIT",  # `write` begins and ends its transactions itself: a statement less each
        )
        self._watchdog = Watchdog()
        patience.limit(self.engine, self._watchdog)

    def connections(self) -> dict[str, int]:
        """How many connections are in use, how many wait for use, and how many there may be."""
        pool: Any = self.engine.pool
        return {"in_use": pool.checkedout(), "idle": pool.checkedin(), "limit": POOL + OVERFLOW}

    def close(self) -> None:
        """Closes every idle connection."""
        self.engine.dispose()
        self._watchdog.close()
