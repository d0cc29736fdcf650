"""Cuts connections to a server that has fallen silent: a machine that hangs, a disk that does not answer.

The server's own time limit cannot help there, and the driver waits for ever. What waits on a connection
that is cut gets the error of a lost connection. Nothing here knows SQL.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from typing import Any

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two looks."""


class Watchdog:
    """Knows who waits for an answer, and since when; one daemon thread, started by the first to wait."""

    def __init__(self) -> None:
        self._deadlines: dict[Any, float] = {}
        """By driver connection, in seconds of `time.monotonic()`."""
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="watchdog", daemon=True)

    def expect(self, connection: Any, seconds: float) -> None:
        """Cuts the connection unless `relax` is called within so many seconds."""
        with self._lock:
            self._deadlines[connection] = time.monotonic() + seconds
            if not self._thread.is_alive() and not self._stopping.is_set():
                self._thread.start()

    def relax(self, connection: Any) -> None:
        """The connection answered, or is not waited for any longer."""
        with self._lock:
            self._deadlines.pop(connection, None)

    def close(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        with self._lock:
            was_started = self._thread.is_alive()
        if was_started:
            self._thread.join()

    def _live(self) -> None:
        while not self._stopping.wait(TICK):
            now = time.monotonic()
            with self._lock:  # held while cutting, so that nobody closes the connection and its number is reused
                for connection in [late for late, deadline in self._deadlines.items() if deadline < now]:
                    del self._deadlines[connection]
                    _cut(connection)


def _cut(connection: Any) -> None:
    log.warning("a database connection was cut: the server did not answer in time")
    with contextlib.suppress(OSError, ValueError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
