"""Hours of the week mean what a clock on the wall shows, wherever a range begins."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tests.oracle import Row, put
from ticketcore import clock, listing, masks, reports
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.gathering import gathered
from ticketcore.period import Period
from ticketcore.rows import as_time
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


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("America/Vancouver", "2026-10-20", "2026-11-25"),  # of which PostgreSQL and Python may know different things
        ("Africa/Casablanca", "2026-02-01", "2026-03-31"),
        ("America/St_Johns", "2011-03-10", "2011-03-16"),  # the clock went forward at a minute past midnight
        ("Antarctica/Casey", "2020-10-01", "2020-10-06"),
        ("Pacific/Apia", "2011-12-28", "2012-01-02"),  # a day was left out
        ("Asia/Kathmandu", "1985-12-28", "1986-01-03"),
        ("Europe/Amsterdam", "1937-06-28", "1937-07-03"),  # by seconds until then
    ],
)
def test_figures_and_lists_mean_the_hours_of_the_databases_own_clock(
    db: Database, sql: sa.Connection, zone: str, first: str, last: str
) -> None:
    sql.execute(
        sa.text("""
            insert into tickets (title, description, category, priority, created_at)
            select 'A', 'B', 'general', 'low', at
            from generate_series(cast(:first as timestamptz), cast(:last as timestamptz), '7 minutes 13 seconds') as at
        """),
        {"first": first, "last": last},
    )
    shown = sa.text("""
        select date_part('isodow', local)::int, date_part('hour', local)::int, count(*)
        from (select timezone(:zone, created_at) as local from tickets) as shown group by 1, 2""")
    expected = {(day, hour): number for day, hour, number in sql.execute(shown, {"zone": zone})}
    now = datetime(2027, 1, 1, tzinfo=UTC)
    period = Period(date.fromisoformat(first) - timedelta(days=2), date.fromisoformat(last), ZoneInfo(zone), now)
    with gathered(db, TicketFilter(), period.start, selected=masks.selection(db, TicketFilter())) as happened:
        found = reports.arrivals(happened, period)
    assert {
        (day + 1, hour): number for day in range(7) for hour in range(24) if (number := found[day][hour])
    } == expected
    for day, hour in list(expected)[::7]:
        where = parse(TicketFilter, {"weekday": [day], "hour": [hour], "timezone": zone,
                                     "created_from": period.start, "created_to": period.end})  # fmt: skip
        assert listing.count(db, where).number == expected[day, hour]
    every = parse(TicketFilter, {"hour": list(range(24)), "timezone": zone, "created_to": period.end})
    assert listing.count(db, every).number == sum(expected.values())


@pytest.mark.parametrize(
    ("zone", "first", "day"),
    [
        ("America/New_York", datetime(2026, 3, 1, 5, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 1, 15, 5, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)),
        ("Australia/Sydney", datetime(2026, 9, 1, 14, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)),
    ],
)
def test_what_was_asked_early_on_a_day_is_right_when_the_clock_was_changed_later_on_it(
    db: Database, zone: str, first: datetime, day: datetime
) -> None:
    for hour in (0, 2, 9, 17, 23, 30):
        last = day + timedelta(hours=hour)
        begins, hours = clock.hours(db, zone, first, last)
        assert sorted(begins.tolist()) == begins.tolist()
        shown = [as_time(begin).astimezone(ZoneInfo(zone)) for begin in begins.tolist() if as_time(begin) < last]
        assert shown[0] == first
        assert shown[-1] + timedelta(hours=1) >= last
        assert hours.tolist()[: len(shown)] == [24 * local.weekday() + local.hour for local in shown]
