"""Every figure is what plain Python counts, in the desk's own days, also when a day has 23 or 25 hours."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.oracle import CATEGORIES, PRIORITIES, STATUSES, Row, matching, put
from ticketcore import masks, stats
from ticketcore import settings as environment
from ticketcore.database import Database
from ticketcore.errors import StartUpError
from ticketcore.filters import TicketFilter
from ticketcore.flow import flow
from ticketcore.gathering import gathered
from ticketcore.period import Period, Unit
from ticketcore.validation import parse

lean = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

BERLIN, KATHMANDU, SAMOA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("Pacific/Apia")
ZONES = [ZoneInfo("UTC"), BERLIN, KATHMANDU, SAMOA, ZoneInfo("America/Los_Angeles")]
ALL = TicketFilter()


def refill(sql: sa.Connection, tickets: Iterable[dict[str, Any]]) -> list[Row]:
    sql.exec_driver_sql("truncate tickets, ticket_events restart identity")
    return put(sql, tickets)


def at(*moments: datetime) -> list[dict[str, Any]]:
    return [{"created_at": moment} for moment in moments]


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def average(rows: list[Row], zone: ZoneInfo, now: datetime) -> float:
    """Total by days from the first ticket's day to today, both counted; one decimal."""
    if not rows:
        return 0
    first = min(local_day(row.created_at, zone) for row in rows)
    days = (local_day(now, zone) - first).days + 1
    return float((Decimal(len(rows)) / days).quantize(Decimal("0.1"), ROUND_HALF_UP))


def by_day(rows: list[Row], first: date, last: date, zone: ZoneInfo) -> list[tuple[date, int]]:
    numbers = Counter(local_day(row.created_at, zone) for row in rows)
    return [
        (day, numbers[day]) for day in (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    ]


def per_day(
    db: Database, first: date, last: date, zone: ZoneInfo, now: datetime, filter: TicketFilter = ALL
) -> list[tuple[date, int]]:
    """The days with the tickets created in each, as the desk counts them."""
    period = Period(first, last, zone, now)
    with gathered(db, filter, period.start, selected=masks.selection(db, filter)) as happened:
        found = flow(happened, period.buckets(Unit.DAY))
    return list(zip([bucket.first for bucket in found.buckets], found.created, strict=True))


def test_an_empty_desk_has_noughts_everywhere(db: Database) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert stats.overview(db, ALL, timezone=BERLIN, now=now).model_dump(mode="json") == {
        "total_tickets": 0,
        "open_tickets": 0,
        "avg_tickets_per_day": 0,
        "priority_breakdown": {"low": 0, "medium": 0, "high": 0, "critical": 0},
        "category_breakdown": {"billing": 0, "technical": 0, "account": 0, "general": 0},
        "status_breakdown": {"open": 0, "in_progress": 0, "resolved": 0, "closed": 0},
    }


def test_a_filter_that_nothing_matches_has_noughts_everywhere(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"category": "billing"}])
    nothing = parse(TicketFilter, {"category": ["account"], "search": "nowhere"})
    found = stats.overview(db, nothing, timezone=BERLIN, now=datetime.now(UTC))
    assert (found.total_tickets, found.open_tickets, found.avg_tickets_per_day) == (0, 0, 0)
    assert set(found.category_breakdown.values()) == {0}


def test_words_come_in_the_order_of_severity_and_of_life(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"priority": "critical", "status": "closed", "category": "general"}])
    found = stats.overview(db, ALL, timezone=BERLIN, now=datetime.now(UTC)).model_dump(mode="json")
    assert tuple(found["priority_breakdown"]) == PRIORITIES
    assert tuple(found["category_breakdown"]) == CATEGORIES
    assert tuple(found["status_breakdown"]) == STATUSES


@pytest.mark.parametrize(
    ("number", "days", "expected"),
    [
        (1, 1, 1.0),
        (1, 2, 0.5),
        (1, 20, 0.1),
        (1, 21, 0.0),
        (7, 3, 2.3),
        (8, 3, 2.7),
        (1, 4, 0.3),
        (5, 4, 1.3),
        (3, 1, 3.0),
    ],
)
def test_the_average_counts_both_ends_and_has_one_decimal(
    db: Database, sql: sa.Connection, number: int, days: int, expected: float
) -> None:
    now = datetime(2026, 5, 30, 12, tzinfo=UTC)
    put(sql, at(now - timedelta(days=days - 1), *[now] * (number - 1)))
    found = stats.overview(db, ALL, timezone=ZoneInfo("UTC"), now=now)
    assert found.avg_tickets_per_day == expected


def test_a_ticket_from_the_future_does_not_break_the_average(db: Database, sql: sa.Connection) -> None:
    now = datetime(2026, 5, 30, 12, tzinfo=UTC)
    put(sql, at(now + timedelta(days=3)))
    assert stats.overview(db, ALL, timezone=BERLIN, now=now).avg_tickets_per_day == 1


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        (date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)),  # 23 hours
        (date(2026, 10, 25), datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)),  # 25
    ],
)
def test_a_day_begins_and_ends_at_midnight_of_the_desk_also_when_the_clocks_change(
    db: Database, sql: sa.Connection, day: date, begins: datetime, ends: datetime
) -> None:
    instant = timedelta(microseconds=1)
    hours = [begins + timedelta(hours=hour) for hour in range(round((ends - begins) / timedelta(hours=1)))]
    put(sql, at(begins - instant, *hours, ends - instant, ends))
    yesterday, tomorrow = day - timedelta(days=1), day + timedelta(days=1)
    expected = [(yesterday, 1), (day, len(hours) + 1), (tomorrow, 1)]
    assert per_day(db, yesterday, tomorrow, BERLIN, ends + instant) == expected
    found = stats.overview(db, ALL, timezone=BERLIN, now=ends - instant)
    assert found.avg_tickets_per_day == float(round(Decimal(len(hours) + 3) / 2, 1))
    assert stats.overview(db, ALL, timezone=BERLIN, now=ends).avg_tickets_per_day == float(
        (Decimal(len(hours) + 3) / 3).quantize(Decimal("0.1"), ROUND_HALF_UP)
    )


def test_a_day_that_a_country_skipped_is_there_with_nought(db: Database, sql: sa.Connection) -> None:
    """Samoa went from Thursday the 29th of December 2011 to Saturday the 31st."""
    midnight = datetime(2011, 12, 30, 10, tzinfo=UTC)
    put(sql, at(midnight - timedelta(seconds=1), midnight))
    found = per_day(db, date(2011, 12, 29), date(2011, 12, 31), SAMOA, midnight + timedelta(seconds=1))
    assert found == [(date(2011, 12, 29), 1), (date(2011, 12, 30), 0), (date(2011, 12, 31), 1)]


def test_days_run_to_today_and_those_without_a_ticket_are_there(db: Database, sql: sa.Connection) -> None:
    put(sql, at(datetime(2026, 5, 1, 23, tzinfo=UTC), datetime(2026, 5, 3, 1, tzinfo=UTC)))
    now = datetime(2026, 5, 4, 22, 30, tzinfo=UTC)
    days = [date(2026, 5, number) for number in range(1, 6)]
    in_utc = per_day(db, days[0], days[-1], ZoneInfo("UTC"), now)
    assert in_utc == list(zip(days[:4], (1, 0, 1, 0), strict=True))
    in_berlin = per_day(db, days[1], days[-1], BERLIN, now)
    assert in_berlin == list(zip(days[1:], (1, 1, 0, 0), strict=True))


PECULIAR = """
    CET EET MET WET EST EST5EDT UCT Factory Singapore Etc/GMT+5 America/St_Johns
    localtime posix/Europe/Berlin right/Europe/Berlin europe/berlin
"""


@pytest.mark.parametrize("name", PECULIAR.split())
def test_a_zone_that_the_desk_accepts_has_the_same_days_in_the_database_as_on_the_pages(
    db: Database, sql: sa.Connection, name: str
) -> None:
    """PostgreSQL takes CET, MET and the like for abbreviations that know no summer, and does not know every name."""
    try:
        zone = environment.read({"DESK_TIMEZONE": name}).timezone
    except StartUpError:
        return  # refused at the start: then no figure can be wrong
    summer = datetime(2026, 7, 15, tzinfo=UTC)
    rows = put(sql, at(*(summer + timedelta(minutes=15 * quarter + 1) for quarter in range(100))))
    now = summer + timedelta(days=1, hours=1)
    days = (local_day(summer, zone), local_day(now, zone))
    assert per_day(db, *days, zone, now) == by_day(rows, *days, zone)
    assert stats.overview(db, ALL, timezone=zone, now=now).avg_tickets_per_day == average(rows, zone, now)


near_clock_changes = st.sampled_from([datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)])
moments = st.builds(lambda base, minutes: base + timedelta(minutes=minutes), near_clock_changes, st.integers(0, 4_000))
crowds = st.lists(
    st.fixed_dictionaries(
        {
            "category": st.sampled_from(CATEGORIES),
            "priority": st.sampled_from(PRIORITIES),
            "status": st.sampled_from(STATUSES),
            "title": st.sampled_from(["Refund", "Crash"]),
            "created_at": moments,
        }
    ),
    max_size=15,
)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "category": st.lists(st.sampled_from(CATEGORIES), min_size=1, max_size=3, unique=True),
        "priority": st.lists(st.sampled_from(PRIORITIES), min_size=1, max_size=3, unique=True),
        "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=3, unique=True),
        "search": st.just("refund"),
        "created_to": moments,
    },
)


@lean
@given(crowds, conditions, st.sampled_from(ZONES), st.integers(0, 5_000))
def test_figures_are_what_plain_python_counts(
    db: Database,
    sql: sa.Connection,
    crowd: list[dict[str, Any]],
    chosen: dict[str, Any],
    zone: ZoneInfo,
    later: int,
) -> None:
    rows = matching(refill(sql, crowd), **chosen)
    now = datetime(2026, 10, 27, 12, tzinfo=UTC) + timedelta(minutes=later)
    found = stats.overview(db, parse(TicketFilter, chosen), timezone=zone, now=now).model_dump(mode="json")
    assert found == {
        "total_tickets": len(rows),
        "open_tickets": len([row for row in rows if row.status == "open"]),
        "avg_tickets_per_day": average(rows, zone, now),
        "priority_breakdown": {word: len([row for row in rows if row.priority == word]) for word in PRIORITIES},
        "category_breakdown": {word: len([row for row in rows if row.category == word]) for word in CATEGORIES},
        "status_breakdown": {word: len([row for row in rows if row.status == word]) for word in STATUSES},
    }


@lean
@given(crowds, conditions, st.sampled_from(ZONES), st.integers(0, 5_000))
@example([{"created_at": datetime(2026, 3, 29, tzinfo=UTC)}], {}, BERLIN, 0)
def test_days_are_what_plain_python_counts(
    db: Database,
    sql: sa.Connection,
    crowd: list[dict[str, Any]],
    chosen: dict[str, Any],
    zone: ZoneInfo,
    later: int,
) -> None:
    chosen = {name: value for name, value in chosen.items() if name != "created_to"}  # the period stands in its place
    rows = matching(refill(sql, crowd), **chosen)
    now = datetime(2026, 10, 30, 12, tzinfo=UTC) + timedelta(minutes=later)
    first, last = date(2026, 3, 28), local_day(now, zone)
    found = per_day(db, first, last, zone, now, parse(TicketFilter, chosen))
    assert found == by_day(rows, first, last, zone)
