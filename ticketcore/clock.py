"""What a clock on the wall shows, by PostgreSQL's knowledge of time zones, as in every other query.

Python's own may be older or newer, and a figure and the list behind it have to mean the same hours.
"""

import threading
from datetime import UTC, datetime, time, timedelta

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ticketcore.database import Readable
from ticketcore.orders import Moments
from ticketcore.rows import HOUR, moment

# The days on which the clock was changed, and there the minute.
_CHANGES = sa.text("""
    with day as (
        select at, timezone(:zone, at) - timezone('UTC', at) as ahead
        from generate_series(cast(:first as timestamptz), cast(:last as timestamptz) + interval '1 day', '1 day') as at
    ), step as (
        select at, ahead, lag(at) over following as before, lag(ahead) over following as was
        from day window following as (order by at)
    )
    select case when before is null then at else (
               select min(minute) from generate_series(before, at, '1 minute') as minute
               where timezone(:zone, minute) - timezone('UTC', minute) <> was) end as since,
           ahead
    from step where before is null or ahead <> was order by at
""")


Changes = tuple[list[datetime], npt.NDArray[np.timedelta64]]

KEPT = 100
"""Spans for which it is kept when a clock was changed, until the next day: to look through three years takes 8 ms."""

_known: dict[tuple[str, str, datetime, datetime], Changes] = {}
_keeping = threading.Lock()


def changes(db: Readable, zone: str, first: datetime, last: datetime) -> Changes:
    """Since when, from `first` to `last`, a clock in the zone is how far ahead of UTC; the first of them is `first`.

    It may say more than was asked, of the day after `last`: what is kept for a day (UTC) has to hold for all of it.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    end = datetime.combine(last.astimezone(UTC), time(), UTC) + timedelta(days=1)
    asked = (db.key, zone, first, end)
    found = _known.get(asked)
    if found is None:
        with db.read() as connection:
            rows = connection.execute(_CHANGES, {"zone": zone, "first": first, "last": end}).all()
        found = [row.since for row in rows], np.array([row.ahead for row in rows], dtype="timedelta64[us]")
        with _keeping:
            _known[asked] = found
            while len(_known) > KEPT:
                del _known[next(iter(_known))]
    return found


def hours(db: Readable, zone: str, first: datetime, last: datetime) -> tuple[Moments, Moments]:
    """The hours that a clock in the zone shows from `first` until `last`: when each begins, the first with `first`.

    If the clock is changed soon after `last`, also the one that then begins.

    And which of the week each is, from 0 for that after midnight on Monday to 167.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    since, ahead = changes(db, zone, first, last)
    turns = [*map(moment, since), max(moment(first), moment(last))]
    begins, shown = [], []
    for begin, end, forward in zip(turns, turns[1:], ahead.astype(np.int64).tolist(), strict=False):
        each = np.r_[begin, np.arange(begin + HOUR - (begin + forward) % HOUR, end, HOUR)]
        begins.append(each)
        shown.append(((each + forward) // HOUR + 5 * 24) % (7 * 24))  # moments begin with a Saturday
    return np.concatenate(begins), np.concatenate(shown)
