"""Every figure of a period is what plain Python finds by replaying the history, ticket by ticket."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa

from tests.lives import HOUR, NOW, Told, lives, store
from tests.oracle import CATEGORIES, PRIORITIES
from ticketcore import masks, mirror, reports
from ticketcore.cells import Cell
from ticketcore.database import Database
from ticketcore.due import next_due
from ticketcore.errors import DatabaseUnavailable
from ticketcore.filters import TicketFilter
from ticketcore.flow import flow
from ticketcore.gathering import Gathered, gathered
from ticketcore.kept import Kept, Suggestions, suggestions
from ticketcore.period import Period, Unit
from ticketcore.review import review
from ticketcore.validation import parse

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def told() -> list[Told]:
    return lives(400)


@pytest.fixture
def desk(db: Database, sql: sa.Connection, told: list[Told]) -> Database:
    """The desk with these lives."""
    store(sql, told)
    return db


FILTERS: list[tuple[dict[str, Any], Callable[[Told], bool]]] = [
    ({}, lambda one: True),
    ({"category": ["billing", "account"]}, lambda one: one.category in ("billing", "account")),
    ({"priority": ["high"], "assignee": ["Ann"]}, lambda one: one.priority == "high" and one.assignee == "Ann"),
    ({"status": ["closed"]}, lambda one: one.status(NOW + HOUR) == "closed"),
    ({"search": "nothing like it"}, lambda one: False),
]
PERIODS = [
    Period(date(2026, 10, 20), date(2026, 11, 18), BERLIN, NOW),  # the clock goes back on 25 October
    Period(date(2026, 8, 20), date(2026, 12, 31), BERLIN, NOW),
    Period(date(2026, 10, 24), date(2026, 10, 26), BERLIN, NOW),
]


@pytest.fixture(params=range(len(FILTERS)), ids=lambda place: str(FILTERS[place][0]))
def chosen(request: pytest.FixtureRequest, told: list[Told]) -> tuple[TicketFilter, list[Told]]:
    values, admits = FILTERS[request.param]
    return parse(TicketFilter, values), [one for one in told if admits(one)]


def spread(hours: list[float]) -> reports.Spread:
    """By numpy's definition of a percentile, which is PostgreSQL's as well."""
    if not hours:
        return reports.Spread(0, None, None)
    p50, p90 = (float(np.percentile(hours, share)) for share in (50, 90))
    return reports.Spread(len(hours), pytest.approx(p50), pytest.approx(p90))


def each(found: Suggestions) -> Counter[Any]:
    """Bucket, source, suggested category, category and whether the priority was kept, of those that there are."""
    common = {
        where: (where[0], found.sources[where[1]], *(CATEGORIES[place] for place in where[2:4]), where[4] == 1)
        for where in np.ndindex(found.numbers.shape)
    }
    return Counter({common[where]: int(found.numbers[where]) for where in common if found.numbers[where]})


def summed(cells: Counter[Any]) -> Kept:
    """Of these combinations: how many, and how many kept category and priority."""
    return Kept(
        cells.total(), sum(number for (_, _, suggested, now, _), number in cells.items() if suggested == now),
        sum(number for (*_, is_kept), number in cells.items() if is_kept),
    )  # fmt: skip


def took(one: Told) -> float:
    assert one.resolved_at
    return (one.resolved_at - one.created_at) / HOUR


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("period", PERIODS, ids=["a month", "all", "three days"])
def test_the_flow_and_the_backlog_are_those_of_the_replayed_history(
    desk: Database, chosen: tuple[TicketFilter, list[Told]], period: Period, unit: Unit
) -> None:
    where, expected = chosen
    buckets = period.buckets(unit)
    with since(desk, where, period) as happened:
        found = flow(happened, buckets)
    assert found.buckets == buckets
    for place, bucket in enumerate(buckets):
        assert found.created[place] == sum(bucket.start <= one.created_at < bucket.end for one in expected)
        assert found.resolved[place] == sum(
            one.resolved_at is not None and bucket.start <= one.resolved_at < bucket.end for one in expected
        )
        assert found.backlog[place] == sum(one.status(bucket.end) in ("open", "in_progress") for one in expected)
    assert found.backlog_before == sum(one.status(buckets[0].start) in ("open", "in_progress") for one in expected)


@pytest.mark.parametrize("period", PERIODS, ids=["a month", "all", "three days"])
def test_times_to_resolution_and_response_are_those_of_the_replayed_history(
    desk: Database, chosen: tuple[TicketFilter, list[Told]], period: Period
) -> None:
    where, expected = chosen
    done = [one for one in expected if one.resolved_at and period.start <= one.resolved_at < period.end]
    with since(desk, where, period) as happened:
        resolution, responses = reports.resolution(happened, period), reports.first_response(happened, period)
    assert set(resolution) == {None, *PRIORITIES, *CATEGORIES}
    assert resolution[None] == spread([took(one) for one in done])
    came = [one for one in expected if period.start <= one.created_at < period.end and one.first_response]
    waits = {one.id: (one.first_response - one.created_at) / HOUR for one in came if one.first_response}
    assert responses[None] == spread(list(waits.values()))
    for priority in PRIORITIES:
        assert resolution[priority] == spread([took(one) for one in done if one.priority == priority])
        assert responses[priority] == spread([waits[one.id] for one in came if one.priority == priority])
    for category in CATEGORIES:
        assert responses[category] == spread([waits[one.id] for one in came if one.category == category])
        assert resolution[category] == spread([took(one) for one in done if one.category == category])


def since(desk: Database, where: TicketFilter, period: Period) -> AbstractContextManager[Gathered]:
    selected = masks.selection(desk, where) if SOURCE["is"] == "memory" else None
    return gathered(desk, where, period.start, selected=selected, margin=168 * HOUR)


SOURCE = {"is": "memory"}


@pytest.fixture(params=["memory", "database"], autouse=True)
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where figures are read: each has to find the same."""
    monkeypatch.setitem(SOURCE, "is", request.param)


TARGETS = dict(zip(PRIORITIES, (168 * HOUR, 72 * HOUR, 24 * HOUR, 4 * HOUR), strict=True))


@pytest.mark.parametrize("period", PERIODS, ids=["a month", "all", "three days"])
def test_targets_count_whoever_was_due(desk: Database, chosen: tuple[TicketFilter, list[Told]], period: Period) -> None:
    where, expected = chosen
    with since(desk, where, period) as happened:
        found = reports.promises(happened, period, TARGETS)
    for priority, target in TARGETS.items():
        due = [
            one for one in expected
            if one.priority == priority and period.start <= one.created_at + target < period.end
        ]  # fmt: skip
        met = [one for one in due if one.resolved_at and one.resolved_at <= one.created_at + target]
        assert found[priority] == reports.Promise(len(due), len(met))


def test_the_next_to_miss_their_target_come_soonest_first(
    desk: Database, chosen: tuple[TicketFilter, list[Told]]
) -> None:
    where, expected = chosen
    waiting = [(one.created_at + TARGETS[one.priority], one.id) for one in expected if not one.resolved_at]
    now = NOW - timedelta(days=3)
    selected = masks.selection(desk, where) if SOURCE["is"] == "memory" else None
    found = next_due(desk, where, selected, TARGETS, now=now, limit=7)
    assert [(due, number) for number, _, _, due in found] == sorted(one for one in waiting if one[0] >= now)[:7]


def test_the_next_to_miss_their_target_are_among_those_of_the_filter_whatever_targets_it_names(
    desk: Database, told: list[Told]
) -> None:
    where = parse(TicketFilter, {"target_met": "false", "target_hours": "high=2,low=3", "due_to": NOW - 200 * HOUR})
    hours = {"high": 2 * HOUR, "low": 3 * HOUR}
    missed = [
        one for one in told
        if one.priority in hours and not one.resolved_at and one.created_at + hours[one.priority] < NOW - 200 * HOUR
    ]  # fmt: skip
    now = NOW - timedelta(days=20)
    waiting = sorted((one.created_at + TARGETS[one.priority], one.id) for one in missed)
    wanted = [one for one in waiting if one[0] >= now][:5]
    selected = masks.selection(desk, where) if SOURCE["is"] == "memory" else None
    found = next_due(desk, where, selected, TARGETS, now=now, limit=5)
    assert wanted
    assert [(due, number) for number, _, _, due in found] == wanted


def test_who_counts_waits_for_no_stranger_s_reading() -> None:
    begun, over = threading.Event(), threading.Event()

    def slow() -> list[Cell]:
        begun.set()
        over.wait(20)
        return []

    with ThreadPoolExecutor(1) as pool:
        one, another = (Gathered(None, {"created": reading}, None) for reading in (slow, lambda: []))  # type: ignore[arg-type]
        waiting = pool.submit(lambda: one.created)
        assert begun.wait(20)
        assert another.created == []
        assert not waiting.done()
        over.set()
        assert waiting.result() == []


def test_ages_of_what_is_open_are_grouped_by_days(desk: Database, chosen: tuple[TicketFilter, list[Told]]) -> None:
    where, expected = chosen
    today = NOW.astimezone(BERLIN).date()
    numbers = Counter(
        (
            sum((today - one.created_at.astimezone(BERLIN).date()).days >= days for days in (1, 3, 7, 30, 90)),
            one.priority,
        )
        for one in expected
        if not one.resolved_at
    )
    with since(desk, where, PERIODS[0]) as happened:
        found = reports.ageing(happened, today, BERLIN)
    assert len(found) == 24
    assert {place: number for place, number in found.items() if number} == numbers


@pytest.mark.parametrize("period", PERIODS, ids=["a month", "all", "three days"])
def test_arrivals_work_and_suggestions_are_counted(
    desk: Database, chosen: tuple[TicketFilter, list[Told]], period: Period
) -> None:
    where, expected = chosen
    came = [one for one in expected if period.start <= one.created_at < period.end]
    local = Counter(
        (one.created_at.astimezone(BERLIN).weekday(), one.created_at.astimezone(BERLIN).hour) for one in came
    )
    starts = [bucket.start for bucket in period.buckets(Unit.WEEK)]
    with since(desk, where, period) as happened:
        arrivals, working = reports.arrivals(happened, period), reports.work(happened, period)
        along, all_in_one = (suggestions(happened, period, bounds) for bounds in (starts, ()))
    assert arrivals == [[local[day, hour] for hour in range(24)] for day in range(7)]

    done = [one for one in expected if one.resolved_at and period.start <= one.resolved_at < period.end]
    for work in working:
        hours = [took(one) for one in done if one.assignee == work.assignee]
        assert (work.resolved, work.p50) == (len(hours), spread(hours).p50)
        assert work.unsettled == sum(one.assignee == work.assignee and not one.resolved_at for one in expected)
    busy = {one.assignee for one in expected if one.assignee and (not one.resolved_at or one in done)}
    assert {work.assignee for work in working} == busy
    assert [(one.unsettled, one.resolved) for one in working] == sorted(
        ((one.unsettled, one.resolved) for one in working), reverse=True
    )

    cells = Counter(
        (sum(start <= one.created_at for start in starts) - 1, one.suggestion[2], one.suggestion[0], one.category,
         one.suggestion[1] == one.priority)
        for one in came
        if one.suggestion[2]
    )  # fmt: skip
    assert each(along) == cells
    assert each(all_in_one).total() == cells.total()
    for source in {source for _, source, *_ in cells}:
        mine = Counter({cell: number for cell, number in cells.items() if cell[1] == source})
        assert along.of(source) == all_in_one.of(source) == summed(mine)
    assert along.all() == all_in_one.all() == summed(cells)
    assert along.of("nobody") == (0, 0, 0)
    assert list(along.over_time()) == [
        (*where, summed(Counter({cell: number for cell, number in cells.items() if cell[:2] == where})))
        for where in sorted({cell[:2] for cell in cells})
    ]
    assert along.sources == tuple(dict.fromkeys(source for _, source in sorted({cell[:2] for cell in cells})))
    pairs = Counter[Any]()
    for (_, _, suggested, now, _), number in cells.items():
        pairs[suggested, now] += number
    assert {(suggested, now): number for suggested, now, number in along.confusion()} == pairs


@pytest.mark.parametrize("period", PERIODS, ids=["a month", "all", "three days"])
def test_a_review_holds_the_figures_of_the_period_and_of_the_one_before(
    desk: Database, chosen: tuple[TicketFilter, list[Told]], period: Period
) -> None:
    where, expected = chosen
    found = review(desk, where, period, Unit.WEEK, TARGETS)
    with since(desk, where, period) as happened:
        assert found.flow == flow(happened, period.buckets(Unit.WEEK))
        assert found.ageing == reports.ageing(happened, date(2026, 11, 18), BERLIN)
    for figures, span in ((found.now, period), (found.before, period.before())):
        assert figures.created == sum(span.start <= one.created_at < span.end for one in expected)
        done = [one for one in expected if one.resolved_at and span.start <= one.resolved_at < span.end]
        assert figures.resolved == len(done)
        assert figures.resolution[None] == spread([took(one) for one in done])
        with since(desk, where, span) as happened:
            assert figures.response == reports.first_response(happened, span)
            assert figures.work == reports.work(happened, span)
            assert figures.promises == reports.promises(happened, span, TARGETS)
            assert figures.suggestions.all() == suggestions(happened, span).all()
    assert len(found.now.resolution) == 9


def test_the_work_before_is_that_of_the_same_people_however_many_others_there_were(
    db: Database, sql: sa.Connection
) -> None:
    """Sixty others did more in the period before than the one who does most now."""
    sql.exec_driver_sql("set session_replication_role = replica")
    insert = sa.text("""
        insert into tickets (title, description, category, priority, status, created_at, resolved_at, assignee)
        select 'A', 'B', 'billing', 'low', 'closed', :at, :at, :assignee from generate_series(1, :number)""")
    period = PERIODS[0]
    now, before = period.start + HOUR, period.before().start + HOUR
    sql.execute(insert, [{"at": before, "assignee": f"No {number}", "number": 2} for number in range(60)])
    sql.execute(insert, [{"at": before, "assignee": "Zed", "number": 1}, {"at": now, "assignee": "Zed", "number": 9}])
    sql.exec_driver_sql("set session_replication_role = origin")
    found = review(db, TicketFilter(), period, Unit.DAY, TARGETS)
    assert [(work.assignee, work.resolved) for work in found.now.work] == [("Zed", 9)]
    assert {work.assignee: work.resolved for work in found.before.work}["Zed"] == 1


def test_a_database_that_goes_away_in_the_middle_is_away_and_nothing_is_left_open(
    desk: Database, server: str, sql: sa.Connection
) -> None:
    """Whoever holds the snapshot loses the connection before the readings have begun."""

    def read_late() -> None:
        with desk.frozen() as frozen:
            sql.exec_driver_sql("""
                select pg_terminate_backend(pid) from pg_stat_activity
                where application_name = 'ticket-desk' and state = 'idle in transaction'""")
            holding = sa.text("select count(*) from pg_stat_activity where state = 'idle in transaction'")
            while sql.execute(holding).scalar():
                pass
            with frozen.read() as connection:
                connection.scalar(sa.text("select 1"))

    with pytest.raises(DatabaseUnavailable):
        read_late()
    assert review(desk, TicketFilter(), PERIODS[0], Unit.WEEK, TARGETS).now.created


@pytest.mark.parametrize(
    "values",
    [
        {"resolved_from": "2026-09-10T00:00:00Z", "resolved_to": "2026-11-10T00:00:00Z"},
        {"due_from": "2026-10-01T00:00:00Z", "due_to": "2026-11-30T00:00:00Z", "target_hours": "high=24,low=9000"},
        {"target_met": "false", "target_hours": "high=24,low=168"},
        {"unsettled_at": "2026-10-15T00:00:00Z", "responded": "true"},
    ],
    ids=str,
)
def test_a_review_of_tickets_behind_a_figure_is_the_same_from_memory_and_from_the_database(
    desk: Database, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    matching = parse(TicketFilter, values)
    assert masks.selection(desk, matching)
    found = [review(desk, matching, period, Unit.WEEK, TARGETS) for period in PERIODS]
    assert any(one.now.created or one.now.resolved for one in found)
    monkeypatch.setattr(masks, "selection", lambda *_: None)
    assert found == [review(desk, matching, period, Unit.WEEK, TARGETS) for period in PERIODS]


def test_a_review_is_the_same_of_what_was_changed_since_the_tickets_were_read(
    desk: Database, sql: sa.Connection
) -> None:
    def reviews() -> list[Any]:
        return [
            review(desk, parse(TicketFilter, values), period, Unit.DAY, TARGETS)
            for values, _ in FILTERS
            for period in PERIODS
        ]

    reviews()
    sql.exec_driver_sql("update tickets set status = 'open', assignee = 'Zed' where id %% 3 = 0")
    sql.exec_driver_sql("update tickets set status = 'resolved', priority = 'high' where id %% 3 = 1")
    assert len(mirror.view(desk).beside) > 100
    found = reviews()
    mirror._mirrors.clear()
    assert found == reviews()
    assert not len(mirror.view(desk).beside)
