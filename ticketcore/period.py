"""Spans of whole days in the desk's time zone, cut into days, weeks or months. Intervals are start ≤ t < end."""

import enum
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd


class Unit(enum.StrEnum):
    """What a period is cut into; a week begins on Monday (ISO 8601)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Bucket:
    """A day, week or month of a period, or the part of one that lies in it and is over."""

    first: date
    start: datetime
    end: datetime
    is_whole: bool
    """Whether nothing of the day, week or month lies outside the period or in the future."""


@dataclass(frozen=True)
class Period:
    """The days from `first` to `last`, both included, as far as they are over at `now`."""

    first: date
    last: date
    timezone: ZoneInfo
    now: datetime

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """UTC."""
        return self._midnight(self.first)

    @property
    def end(self) -> datetime:
        """UTC; not after `now`, unless the whole period is."""
        return max(self.start, min(self.now, self._midnight(self.last + timedelta(days=1))))

    def before(self) -> "Period":
        """The equally long period before: as many days, up to the same time of day."""
        back = timedelta(days=self.days)
        then = (self.now.astimezone(self.timezone) - back).astimezone(UTC)  # the same time on the clock
        return Period(self.first - back, self.last - back, self.timezone, min(then, self.start))

    def buckets(self, unit: Unit) -> list[Bucket]:
        """The days, weeks or months, oldest first; none that lies in the future."""
        found, first = [], self.first
        while first <= self.last and self._midnight(first) < self.end:
            begin, following = _around(first, unit)
            until = min(following, self.last + timedelta(days=1))
            end = min(self.end, self._midnight(until))
            is_whole = begin == first and until == following and self._midnight(until) <= self.now
            found.append(Bucket(first, self._midnight(first), end, is_whole))
            first = following
        return found

    def _midnight(self, day: date) -> datetime:
        return midnight(day, self.timezone)


@lru_cache(maxsize=4_000)  # each is asked for hundreds of times a page
def midnight(day: date, timezone: ZoneInfo) -> datetime:
    """When the day begins in the time zone; UTC."""
    return datetime.combine(day, time(), timezone).astimezone(UTC)


def hours_of_week(
    weekdays: Collection[int], hours: Collection[int], timezone: ZoneInfo, begin: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """The intervals between two times, in order, in which it is one of these weekdays (ISO 8601) and hours.

    Of an empty collection it is any. To the quarter of an hour, by Python's knowledge of the zone.
    """
    quarter = timedelta(minutes=15)
    quarters = pd.date_range(begin.replace(minute=0, second=0, microsecond=0), end, freq=quarter, inclusive="left")
    local = quarters.tz_convert(timezone)
    chosen = np.ones(len(local), dtype=bool)
    if weekdays:
        chosen &= np.isin(local.day_of_week + 1, list(weekdays))
    if hours:
        chosen &= np.isin(local.hour, list(hours))
    turns = np.diff(chosen.astype(np.int8), prepend=0, append=0)
    firsts, lasts = quarters[turns[:-1] == 1], quarters[turns[1:] == -1] + quarter
    return list(zip(firsts.to_pydatetime(), lasts.to_pydatetime(), strict=True))


def _around(day: date, unit: Unit) -> tuple[date, date]:
    """Where the unit that this day lies in begins, and where the next one does."""
    match unit:
        case Unit.DAY:
            return day, day + timedelta(days=1)
        case Unit.WEEK:
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case Unit.MONTH:
            first = day.replace(day=1)
            return first, (first + timedelta(days=32)).replace(day=1)
