"""Hours of the week mean what a clock on the wall shows, wherever a range begins."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tests.oracle import Row, put
from ticketcore import listing
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.validation import parse

QUARTER, HAIR = timedelta(minutes=15), timedelta(microseconds=1)
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]
BEGINNINGS = [  # days before and after the clocks change, long ago, and to come
    datetime(2026, 10, 24, 20, tzinfo=UTC),
    datetime(2026, 4, 4, 10, tzinfo=UTC),
    datetime(2026, 3, 7, 20, tzinfo=UTC),
    datetime(1996, 3, 30, 20, tzinfo=UTC),
    datetime(1935, 1, 7, 20, tzinfo=UTC),
    datetime.now(UTC).replace(hour=20, minute=0, second=0, microsecond=0) + timedelta(days=1),
]


@pytest.fixture
def rows(sql: sa.Connection) -> list[Row]:
    """A ticket at each quarter of an hour and one just before it, for a day and a half after each beginning."""
    quarters = [begin + QUARTER * number for begin in BEGINNINGS for number in range(150)]
    return put(sql, [{"created_at": moment} for quarter in quarters for moment in (quarter - HAIR, quarter)])


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "span",
    [
        {},
        {"created_from": datetime(2026, 3, 8, 7, 20, tzinfo=UTC)},
        {"created_to": datetime(2026, 4, 5, 0, 40, 0, 1, tzinfo=UTC)},
        {"created_to": datetime(1935, 1, 9, tzinfo=UTC)},
        {
            "created_from": datetime(2026, 3, 8, 7, 20, tzinfo=UTC),
            "created_to": datetime(2026, 10, 25, 3, 5, tzinfo=UTC),
        },
        {"created_from": datetime(2090, 1, 1, tzinfo=UTC)},
        {"created_from": datetime(1900, 1, 2, tzinfo=UTC), "created_to": datetime(8999, 12, 31, tzinfo=UTC)},
        {"created_to": datetime(1900, 1, 2, tzinfo=UTC)},
    ],
    ids=str,
)
def test_a_filter_of_hours_finds_what_the_clock_shows(
    db: Database, rows: list[Row], zone: str, span: dict[str, datetime]
) -> None:
    filters: list[dict[str, Any]] = [
        {"weekday": [7], "hour": [1, 2]}, {"weekday": [6, 7]}, {"hour": [2]}, {"hour": [0, 23], "weekday": [1]},
        {"hour": list(range(24))},
    ]  # fmt: skip
    for values in filters:
        expected = {
            row.id for row in rows
            if (local := row.created_at.astimezone(ZoneInfo(zone))).isoweekday() in values.get("weekday", range(8))
            and local.hour in values.get("hour", range(24))
            and span.get("created_from", row.created_at) <= row.created_at
            and ("created_to" not in span or row.created_at < span["created_to"])
        }  # fmt: skip
        where = parse(TicketFilter, {**values, **span, "timezone": zone})
        assert {one.id for one in listing.summaries(db, where, limit=len(rows))} == expected, values
        assert listing.count(db, where).number == len(expected)
