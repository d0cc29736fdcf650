"""When things happen at the desk: the hours at which people write, the days of trouble, the hours of work."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ticketcore.demo.facts import Facts

YEAR = timedelta(days=365)
HOURS = (4, 3, 2, 2, 3, 6, 15, 40, 85, 130, 175, 138, 85, 125, 170, 135, 105, 70, 40, 30, 25, 20, 12, 7)
WEEKDAYS = (115, 108, 100, 97, 86, 17, 12)
INCIDENTS, BURST, INCIDENT_SHARE = 5, 10, 0.012
"""Days of trouble in a year, their length in quarters of an hour, and the share of all tickets that each brings."""


def arrivals(
    rng: random.Random, count: int, now: datetime, timezone: ZoneInfo
) -> Iterator[tuple[datetime, dict[str, str] | None]]:
    """When tickets are filed, in order, and what they have in common when they belong to an incident."""
    quarter = timedelta(minutes=15)
    start = datetime.fromtimestamp((now - YEAR).timestamp() // 900 * 900, UTC) + quarter
    slots = [start + number * quarter for number in range(math.ceil((now - start) / quarter))]
    usual = [_bustle(slot.astimezone(timezone)) * (0.8 + 0.4 * place / len(slots)) for place, slot in enumerate(slots)]
    usual[-1] *= (now - slots[-1]) / quarter
    extra, incidents = [0.0] * len(slots), {}
    for begin in rng.choices(range(len(slots) - BURST), usual[:-BURST], k=INCIDENTS):
        common = {word: Facts(rng, slots[begin])[word] for word in ("area", "error")}
        for place in range(begin, begin + BURST):
            extra[place] = sum(usual) * INCIDENT_SHARE / BURST
            incidents[place] = common
    weights = [one + other for one, other in zip(usual, extra, strict=True)]
    filed = Counter(rng.choices(range(len(slots)), weights, k=count))
    for place in sorted(filed):
        span = min(quarter, now - slots[place])
        for moment in sorted(rng.random() for _ in range(filed[place])):
            common_cause = rng.random() * weights[place] < extra[place]
            yield slots[place] + moment * span, incidents[place] if common_cause else None


def _bustle(local: datetime) -> float:
    following = HOURS[(local.hour + 1) % 24]
    return WEEKDAYS[local.weekday()] * (HOURS[local.hour] + (following - HOURS[local.hour]) * local.minute / 120)


def in_office_hours(rng: random.Random, at: datetime, timezone: ZoneInfo) -> datetime:
    """`at`, or a time early on the next working day when nobody is there then."""
    local = at.astimezone(timezone)
    if staffed(local):
        return at
    day = local.date() + timedelta(days=int(local.hour >= 18))
    day += timedelta(days=max(0, 7 - day.weekday()) if day.weekday() >= 5 else 0)
    return datetime.combine(day, time(8), timezone).astimezone(UTC) + timedelta(hours=rng.expovariate(1.3))


def staffed(local: datetime) -> bool:
    """Whether somebody is at work at that local time."""
    return local.weekday() < 5 and 8 <= local.hour < 18
