"""Sessions that were signed out of: they and earlier ones of that person are over, in every process.

Named by when they began by the OpenID provider's clock, which need not go as the desk's does.
"""

import contextlib
import threading
import time
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.models import Source
from ticketcore.schema import sign_outs

KEPT = timedelta(days=31)
"""No session lives longer."""

FRESH = 2.0
"""Seconds for which what was read is taken to be true: every rerun of every page asks."""

_s = sign_outs.c


class SignOuts:
    """Who signed out of which session, as one process knows it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._latest: dict[str, datetime] = {}
        self._read = float("-inf")
        self._lock = threading.Lock()

    def note(self, subject: str, began: datetime) -> None:
        """Somebody, by what the OpenID provider knows them by, signs out of the session that began then.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        added = insert(sign_outs).values(subject=subject, began_at=began)
        latest = sa.func.greatest(_s.began_at, added.excluded.began_at)
        with self._db.write(Source.DASHBOARD) as connection:
            connection.execute(sa.delete(sign_outs).where(_s.began_at < sa.func.clock_timestamp() - KEPT))
            connection.execute(added.on_conflict_do_update(index_elements=["subject"], set_={"began_at": latest}))
        self._read = float("-inf")

    def cover(self, subject: str, began: datetime) -> bool:
        """Whether the session of this subject that began then was signed out of.

        By what was known last while the database is away: nobody reads anything else then either.
        """
        with self._lock, contextlib.suppress(DatabaseUnavailable):
            if time.monotonic() - self._read > FRESH:
                with self._db.read() as connection:
                    self._latest = {row.subject: row.began_at for row in connection.execute(sa.select(sign_outs))}
                self._read = time.monotonic()
        return subject in self._latest and began <= self._latest[subject]
