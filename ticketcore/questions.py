"""What language models were sent: looked up by leads, kept for some days.

Questions are stored together, some seconds after the first of them. Every write makes what all pages have cached
worthless, and a suggestion is asked for with every pause of everybody who writes a ticket.
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ticketcore.access import Role
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.models import Source
from ticketcore.schema import model_questions

log = logging.getLogger(__name__)

KEPT = timedelta(days=30)
TOGETHER = 15.0
"""Seconds for which a question waits for others."""

MOST = 5_000
"""Questions that wait at the most; where the database stays away, the oldest of them are lost."""

_q = model_questions.c


@dataclass(frozen=True)
class Question:
    """One question, word for word as it was sent; `at` is UTC."""

    id: int
    at: datetime
    asked_by: str | None
    model: str
    sent: str


class Notebook:
    """Stores the questions of one process. Ended with `close()`, which stores what still waits."""

    def __init__(self, db: Database, *, together: float = TOGETHER) -> None:
        self._db, self._together = db, together
        self._waiting = deque[dict[str, Any]](maxlen=MOST)
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def note(self, model: str, sent: str, asked_by: str | None) -> None:
        """Takes a question down; waits for nothing."""
        with self._lock:
            self._waiting.append({"at": datetime.now(UTC), "model": model, "sent": sent, "asked_by": asked_by})
            if self._timer is None:
                self._timer = threading.Timer(self._together, self.store)
                self._timer.daemon = True
                self._timer.start()

    def store(self) -> None:
        """Stores what waits, and forgets what is too old. Where the database is away, it goes on waiting."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
                self._timer = None
            taken = list(self._waiting)
            self._waiting.clear()
        if not taken:
            return
        try:  # not under the lock: whoever asks a model does not wait for the database
            with self._db.write(Source.DASHBOARD) as connection:
                connection.execute(sa.delete(model_questions).where(_q.at < sa.func.clock_timestamp() - KEPT))
                connection.execute(sa.insert(model_questions), taken)
        except DatabaseUnavailable as error:
            log.warning("what models were sent is not stored yet: %s", error)
            with self._lock:
                self._waiting = deque([*taken, *self._waiting], maxlen=MOST)

    def close(self) -> None:
        """Stores what still waits."""
        self.store()


def latest(db: Database, *, limit: int = 100) -> list[Question]:
    """The latest questions that are stored, newest first.

    Raises:
        Forbidden: a lead looks them up.
    """
    db.demand(Role.LEAD)
    with db.read() as connection:
        rows = connection.execute(sa.select(model_questions).order_by(_q.at.desc(), _q.id.desc()).limit(limit))
        return [Question(**row) for row in rows.mappings()]
