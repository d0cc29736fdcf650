"""Group commit: tickets that are filed at the same time are stored together, by one statement and one thread.

While a statement is under way, what comes in waits for the next one. So a busy desk writes fewer and larger
transactions instead of more at once, and one ticket alone waits for nobody.
"""

import itertools
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

from ticketcore import tickets
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.models import NewTicket, Source, Ticket

TOGETHER = 100
"""Tickets that one statement stores at the most."""

_Waiting = tuple[NewTicket, str | None, "Future[Ticket]"]


class Filing:
    """Files the tickets that come over the API of one process. Ended with `close()`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting = SimpleQueue[_Waiting]()
        self._writer = ThreadPoolExecutor(1, "filing")

    def file(self, new: NewTicket, actor: str | None = None) -> "Future[Ticket]":
        """The ticket to be, filed by `actor`; once it is there, it is stored.

        Raises, as the future's exception:
            DatabaseUnavailable: the database is away.

        Raises at once:
            DatabaseUnavailable: the desk is closing; the ticket is not stored.
        """
        filed = Future[Ticket]()
        self._waiting.put((new, actor, filed))
        try:
            self._writer.submit(self._store)  # finds nothing to do if an earlier call took this ticket along
        except RuntimeError:  # closing: unless the last call took it along, nobody will
            if filed.cancel():
                raise DatabaseUnavailable("The desk is closing. Try again in a moment.") from None
        return filed

    def _store(self) -> None:
        batch = sorted(self._take(), key=_actor)
        for actor, together in itertools.groupby(batch, _actor):
            self._settle(actor or None, list(together))

    def _settle(self, actor: str | None, batch: list[_Waiting]) -> None:
        try:
            filed = tickets.create_all(self._db, [new for new, _, _ in batch], source=Source.API, actor=actor)
        except Exception as error:  # noqa: BLE001 - whoever waits for the ticket gets it, whatever it is
            if len(batch) == 1 or isinstance(error, DatabaseUnavailable):
                for _, _, future in batch:
                    future.set_exception(error)
            else:  # one of them cannot be stored, and is not to take the others along
                for waiting in batch:
                    self._settle(actor, [waiting])
        else:
            for (_, _, future), ticket in zip(batch, filed, strict=True):
                future.set_result(ticket)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while len(batch) < TOGETHER:
            try:
                new, actor, filed = self._waiting.get_nowait()
            except Empty:
                break
            if filed.set_running_or_notify_cancel():
                batch.append((new, actor, filed))
        return batch

    def close(self) -> None:
        """Stores what still waits, and ends the thread."""
        self._writer.shutdown()


def _actor(waiting: _Waiting) -> str:
    return waiting[1] or ""
