"""The exports that run in one process of the desk: not too many at once, and how far each of the latest is."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from ticketcore import masks
from ticketcore.clerk import Apart
from ticketcore.columns import Column
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.export import Export, Format
from ticketcore.filters import Sort, TicketFilter

AT_ONCE = 8
"""Exports that run at the same time in one process; each has a connection of its own."""

REMEMBERED = 200
"""Exports whose progress can be asked for; the oldest are forgotten first."""

FEW = 10_000
"""Tickets that are written here: a process of its own takes most of a second to begin."""


class Exports:
    """The exports of one process: not too many at once, and how far each of the latest is."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._running: list[Export | Apart] = []
        self._beginning = 0
        self._by_key: OrderedDict[str, Export | Apart] = OrderedDict()
        self._lock = threading.Lock()

    def begin(
        self, matching: TicketFilter, columns: Sequence[Column], format: Format, sort: Sort = Sort.NEWEST,
        *, signature: bool = False, zone: ZoneInfo, now: datetime, key: str = "",
    ) -> Export | Apart:  # fmt: skip
        """A new export; `key` is what its progress can be asked for by.

        Raises:
            DatabaseUnavailable: the database is away, or too many exports run.
        """
        with self._lock:
            self._running = [export for export in self._running if export.state == "running"]
            if len(self._running) + self._beginning >= AT_ONCE:
                raise DatabaseUnavailable("Many exports are running. Try again in a moment.")
            self._beginning += 1
        export: Export | Apart | None = None
        try:  # not under the lock: it waits for the database
            selected = masks.selection(self._db, matching)
            kind = Export if selected and masks.count(selected) <= FEW else Apart
            export = kind(self._db, matching, columns, format, sort, signature=signature, zone=zone, now=now)
        finally:
            with self._lock:
                self._beginning -= 1
                if export:
                    self._running.append(export)
        if key:
            with self._lock:
                self._by_key[key] = export
                while len(self._by_key) > REMEMBERED:
                    self._by_key.popitem(last=False)
        return export

    def find(self, key: str) -> Export | Apart | None:
        """The export that was begun with this key in this process, running or ended."""
        return self._by_key.get(key)

    def close(self) -> None:
        """Breaks off what still runs."""
        for export in self._running:
            export.close()
