"""How long an engine waits for its server: no statement for ever, and for a connection from the pool only moments."""

import math
import time
import weakref
from typing import Any

import sqlalchemy as sa

from ticketcore.watchdog import Watchdog

SILENCE = 35.0
"""Seconds after which a server that has not even cut a statement counts as away."""

PING_SILENCE = 3.0
"""Seconds in which a connection from the pool has to show that it is alive."""

FRESH = 0.1
"""Seconds after its last use in which a connection is taken to be alive: under load nobody waits for a ping."""


def limit(engine: sa.Engine, dog: Watchdog) -> None:
    """Lets the watchdog cut what takes too long, except on connections with the option `unlimited`."""
    seen = weakref.WeakKeyDictionary[Any, float]()  # when each driver connection came back to the pool
    ping = engine.dialect.do_ping

    def limited_ping(driver: Any) -> bool:
        if time.monotonic() - seen.get(driver, -math.inf) < FRESH:
            return True
        dog.expect(driver, PING_SILENCE)
        try:
            return ping(driver)
        finally:
            dog.relax(driver)

    engine.dialect.do_ping = limited_ping  # type: ignore[assignment]

    def begins(connection: sa.Connection, *_: object) -> None:
        if not (connection.invalidated or connection.get_execution_options().get("unlimited")):
            dog.expect(connection.connection.driver_connection, SILENCE)

    def ends(connection: sa.Connection, *_: object) -> None:
        dog.relax(connection.connection.driver_connection)

    def returns(driver: Any, *_: object) -> None:
        if driver is not None:
            seen[driver] = time.monotonic()

    sa.event.listen(engine, "before_cursor_execute", begins)
    sa.event.listen(engine, "after_cursor_execute", ends)
    sa.event.listen(engine, "checkin", returns)
    for moment in ("checkin", "invalidate", "close"):
        sa.event.listen(engine, moment, lambda driver, *_: dog.relax(driver))
