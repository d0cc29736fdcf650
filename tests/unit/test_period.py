"""Periods are whole days of the desk's zone, up to now, and cut without gap or overlap."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketcore.period import Period, Unit

BERLIN = ZoneInfo("Europe/Berlin")
LATER = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)])
def test_a_day_has_the_hours_that_it_has(day: date, hours: int) -> None:
    period = Period(day, day, BERLIN, LATER)
    assert period.end - period.start == timedelta(hours=hours)
    assert [bucket.end - bucket.start for bucket in period.buckets(Unit.DAY)] == [timedelta(hours=hours)]


def test_what_is_not_over_or_cut_off_is_no_whole_unit() -> None:
    now = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)  # a Wednesday
    period = Period(date(2026, 11, 5), date(2026, 11, 18), BERLIN, now)  # from a Thursday
    weeks = period.buckets(Unit.WEEK)
    assert [(week.first, week.is_whole) for week in weeks] == [
        (date(2026, 11, 5), False), (date(2026, 11, 9), True), (date(2026, 11, 16), False),
    ]  # fmt: skip
    assert weeks[-1].end == now
    assert [day.is_whole for day in period.buckets(Unit.DAY)] == [True] * 13 + [False]
    assert [month.is_whole for month in period.buckets(Unit.MONTH)] == [False]


def test_the_period_before_is_as_long_and_ends_at_the_same_time_of_day() -> None:
    now = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
    before = Period(date(2026, 10, 20), date(2026, 11, 18), BERLIN, now).before()
    assert (before.first, before.last, before.days) == (date(2026, 9, 20), date(2026, 10, 19), 30)
    assert before.end == datetime(2026, 10, 19, 13, 30, tzinfo=UTC)  # 15:30 in Berlin, as now, in summer
    whole = Period(date(2026, 5, 1), date(2026, 5, 31), BERLIN, now).before()
    assert (whole.start, whole.end) == (
        datetime(2026, 3, 30, 22, tzinfo=UTC), datetime(2026, 4, 30, 22, tzinfo=UTC),
    )  # fmt: skip


def test_a_period_that_has_not_begun_is_empty() -> None:
    period = Period(date(2027, 1, 1), date(2027, 1, 31), BERLIN, datetime(2026, 11, 18, tzinfo=UTC))
    assert period.start == period.end
    assert period.buckets(Unit.DAY) == []


DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))
MOMENTS = st.integers(0, 3 * 365 * 1440).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
ZONES = st.sampled_from([BERLIN, ZoneInfo("Pacific/Apia"), ZoneInfo("America/St_Johns"), ZoneInfo("UTC")])


@given(DAYS, st.integers(0, 400), ZONES, MOMENTS, st.sampled_from(Unit))
def test_buckets_cover_the_period_without_gap_or_overlap(
    first: date, more: int, zone: ZoneInfo, now: datetime, unit: Unit
) -> None:
    period = Period(first, first + timedelta(days=more), zone, now)
    buckets = period.buckets(unit)
    assert all(bucket.start < bucket.end for bucket in buckets)
    edges = [edge for bucket in buckets for edge in (bucket.start, bucket.end)]
    assert edges[1:-1:2] == edges[2::2]
    if buckets:
        assert (edges[0], edges[-1]) == (period.start, period.end)
        assert edges[-1] <= now
    else:
        assert period.start == period.end
