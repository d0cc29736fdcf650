"""Tickets are filed once, read back as they are, listed in every order by every filter, and never changed blindly."""

import random
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from typing import Any

import pytest
import sqlalchemy as sa

from tests.oracle import CATEGORIES, PRIORITIES, STATUSES, Row, in_order, matching, put, stored
from ticketcore import listing, tickets
from ticketcore.database import Database
from ticketcore.errors import Conflict, InvalidInput, NotFound
from ticketcore.filters import Sort, TicketFilter
from ticketcore.models import Category, NewTicket, Priority, Source, Status, Ticket, TicketChanges
from ticketcore.neighbours import neighbours
from ticketcore.suggestion import Opinion, Suggestion
from ticketcore.validation import parse

NEW = NewTicket(title="Refund", description="I paid twice.", category=Category.BILLING, priority=Priority.HIGH)
SORTS = ("newest", "oldest", "severest")


def create(db: Database, **options: Any) -> Ticket:
    return tickets.create(db, options.pop("new", NEW), source=Source.API, **options)


def update(db: Database, ticket: int, expected_version: int | None = None, **values: str) -> Ticket:
    changes = parse(TicketChanges, values)
    return tickets.update(db, ticket, changes, source=Source.DASHBOARD, actor="Me", expected_version=expected_version)


def at_once(*attempts: Callable[[], object]) -> list[object]:
    """What each attempt returned or raised, all of them begun at the same moment."""
    start = threading.Barrier(len(attempts))

    def run(attempt: Callable[[], object]) -> object:
        start.wait(10)
        try:
            return attempt()
        except Conflict as conflict:
            return conflict

    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(run, attempts))


def test_what_was_filed_is_what_is_stored_and_read_back(db: Database, sql: sa.Connection) -> None:
    before = datetime.now(UTC)
    ticket = create(db)
    (row,) = stored(sql)
    assert (row.title, row.description, row.category, row.priority, row.status) == (
        "Refund", "I paid twice.", "billing", "high", "open",
    )  # fmt: skip
    assert (ticket.id, ticket.title, ticket.description) == (row.id, "Refund", "I paid twice.")
    assert (ticket.category, ticket.priority, ticket.status) == ("billing", "high", "open")
    assert (
        before - timedelta(seconds=5) < ticket.created_at == row.created_at < datetime.now(UTC) + timedelta(seconds=5)
    )
    assert ticket.created_at.tzinfo is UTC
    assert (ticket.version, ticket.updated_at, ticket.resolved_at) == (1, ticket.created_at, None)
    assert (ticket.suggested_category, ticket.suggested_priority, ticket.suggestion_source) == (None, None, None)
    assert tickets.get(db, ticket.id) == ticket


def test_what_nobody_was_shown_is_stored_apart_from_what_was_suggested(db: Database) -> None:
    shadow = Suggestion(Opinion(Category.GENERAL, "rules"), Opinion(Priority.MEDIUM, "default"))
    suggestion = Suggestion(Opinion(Category.ACCOUNT, "desk model"), Opinion(Priority.LOW, "rules"), shadow=shadow)
    create(db, suggestion=suggestion)
    create(db)
    stored = "select suggestion_source, shadow_category, shadow_priority, shadow_source from tickets order by id"
    with db.read() as connection:
        rows = connection.exec_driver_sql(stored).all()
    assert rows == [("desk model + rules", "general", "medium", "rules + default"), (None, None, None, None)]


def test_what_was_suggested_is_stored_beside_what_was_chosen(db: Database) -> None:
    suggestion = Suggestion(Opinion(Category.ACCOUNT, "a-model"), Opinion(Priority.LOW, "a-model"))
    ticket = tickets.get(db, create(db, suggestion=suggestion).id)
    assert (ticket.category, ticket.priority) == ("billing", "high")
    assert (ticket.suggested_category, ticket.suggested_priority, ticket.suggestion_source) == (
        "account", "low", "a-model",
    )  # fmt: skip


def test_a_submission_sent_twice_makes_one_ticket(db: Database, sql: sa.Connection) -> None:
    key = uuid.uuid4()
    first = create(db, request_key=key)
    assert create(db, request_key=key) == first
    assert len(stored(sql)) == 1
    assert sql.exec_driver_sql("select count(*) from ticket_events").scalar() == 1
    assert create(db, request_key=uuid.uuid4()).id != first.id
    assert create(db).id != create(db).id


def test_a_submission_sent_ten_times_at_once_makes_one_ticket_and_ten_equal_answers(
    db: Database, sql: sa.Connection
) -> None:
    key = uuid.uuid4()
    answers = at_once(*[lambda: create(db, request_key=key)] * 10)
    assert len(stored(sql)) == 1
    assert answers == [tickets.get(db, stored(sql)[0].id)] * 10


@pytest.mark.parametrize("other", [{"category": "account"}, {"priority": "low"}], ids=str)
def test_a_submission_that_is_repeated_with_other_dropdowns_finds_its_ticket_as_it_is(
    db: Database, sql: sa.Connection, other: dict[str, str]
) -> None:
    """After a lost connection the dropdowns may have fallen back to their defaults; the text is what was submitted."""
    key = uuid.uuid4()
    first = create(db, request_key=key)
    assert create(db, request_key=key, new=parse(NewTicket, {**NEW.model_dump(), **other})) == first
    assert len(stored(sql)) == 1


@pytest.mark.parametrize("other", [{"title": "Another"}, {"description": "Other"}], ids=str)
def test_a_request_key_of_another_ticket_is_a_conflict_that_shows_it(
    db: Database, sql: sa.Connection, other: dict[str, str]
) -> None:
    key = uuid.uuid4()
    first = create(db, request_key=key)
    with pytest.raises(Conflict, match=f"#{first.id}") as caught:
        create(db, request_key=key, new=parse(NewTicket, {**NEW.model_dump(), **other}))
    assert caught.value.current == first
    assert len(stored(sql)) == 1


def test_a_submission_that_is_repeated_after_the_ticket_moved_on_finds_it(db: Database) -> None:
    key = uuid.uuid4()
    first = create(db, request_key=key)
    moved = update(db, first.id, status="closed")
    assert create(db, request_key=key) == moved


@pytest.mark.parametrize("number", [0, -1, 2, 2**31, 2**63 - 1, 2**63, -(2**63), 10**400])
def test_a_number_that_no_ticket_has_is_not_found(db: Database, number: int) -> None:
    assert create(db).id == 1
    for ask in (tickets.get, tickets.history, update):
        with pytest.raises(NotFound):
            ask(db, number)
    with pytest.raises(InvalidInput) as caught:
        listing.newest(db, TicketFilter(), limit=1, after=number)
    assert set(caught.value.errors) == {"after"}


def test_what_a_change_does_not_name_stays_as_it_was(db: Database) -> None:
    ticket = create(db)
    values = {"title": "New", "description": "Text", "category": "account", "priority": "low", "status": "resolved"}
    expected = ticket.model_dump(include=set(values))
    for name, value in values.items():
        changed = update(db, ticket.id, **{name: value})
        expected[name] = value
        assert changed.model_dump(include=set(values)) == expected
        assert tickets.get(db, ticket.id) == changed
    assert changed.version == 6
    together = update(db, ticket.id, status="open", priority="critical")
    assert (together.status, together.priority, together.version) == ("open", "critical", 7)
    assert (together.created_at, together.resolved_at) == (ticket.created_at, None)


def test_a_change_that_names_nothing_or_nothing_new_changes_nothing(db: Database) -> None:
    ticket = create(db)
    assert update(db, ticket.id) == ticket
    assert update(db, ticket.id, status="open", title="Refund") == ticket
    assert len(tickets.history(db, ticket.id)) == 1


def test_a_change_of_a_ticket_that_is_no_longer_as_it_was_read_is_refused(db: Database) -> None:
    ticket = create(db)
    mine = update(db, ticket.id, expected_version=1, priority="low")
    assert mine.version == 2
    for values in ({"priority": "critical"}, {"priority": "low"}, {}):
        with pytest.raises(Conflict, match=f"#{ticket.id}") as caught:
            update(db, ticket.id, expected_version=1, **values)
        assert caught.value.current == mine
    for version in (0, -1, 3, 2**31, 2**63):
        with pytest.raises(Conflict):
            update(db, ticket.id, expected_version=version, priority="critical")
    assert tickets.get(db, ticket.id) == mine


def test_of_two_changes_at_once_exactly_one_wins_and_the_other_is_told(db: Database) -> None:
    ticket = create(db)
    for version in range(1, 6):
        titles = [f"Left {version}", f"Right {version}"]
        answers = at_once(*[lambda t=title, v=version: update(db, ticket.id, v, title=t) for title in titles])
        (winner,) = [answer for answer in answers if isinstance(answer, Ticket)]
        (loser,) = [answer for answer in answers if isinstance(answer, Conflict)]
        assert (winner.title, winner.version) == (titles[answers.index(winner)], version + 1)
        assert loser.current == winner == tickets.get(db, ticket.id)


def test_a_history_tells_who_changed_what_oldest_first(db: Database) -> None:
    ticket = create(db)
    update(db, ticket.id, status="resolved")
    update(db, ticket.id, priority="low", title="Paid back")
    history = tickets.history(db, ticket.id)
    assert [(event.kind, event.field, event.old_value, event.new_value) for event in history[:2]] == [
        ("created", "status", None, "open"),
        ("changed", "status", "open", "resolved"),
    ]
    assert sorted((event.field, event.old_value, event.new_value) for event in history[2:]) == [
        ("priority", "high", "low"),
        ("title", "Refund", "Paid back"),
    ]
    assert [(event.source, event.actor) for event in history] == [("api", None)] + [("dashboard", "Me")] * 3
    assert [event.at for event in history] == sorted(event.at for event in history)


def crowd(sql: sa.Connection, number: int = 200) -> list[Row]:
    """Random tickets, a fifth of the moments for all of them; the seed is fixed."""
    chance = random.Random(4)
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(number // 5)]
    return put(
        sql,
        [
            {
                "title": chance.choice(["Refund", "A refund, please", "Crash", "Question"]),
                "description": chance.choice(["REFUND me.", "It crashes.", "How do I pay?"]),
                "category": chance.choice(CATEGORIES),
                "priority": chance.choice(PRIORITIES),
                "status": chance.choice(STATUSES),
                "created_at": chance.choice(moments),
            }
            for _ in range(number)
        ],
    )


@pytest.fixture(params=[7, 60, 1_000])
def walk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """How many tickets are looked at before the cells are probed: none of it may change what is found."""
    monkeypatch.setattr(listing, "WALK", request.param)
    for kept in (listing._walk, listing._walked):
        kept.cache_clear()
    yield request.param
    for kept in (listing._walk, listing._walked):
        kept.cache_clear()


CONDITIONS: dict[str, Any] = {
    "category": ("billing", "account"),
    "priority": ("critical", "low", "high"),
    "status": ("open",),
    "search": "refund",
    "range": (datetime(2026, 1, 1, 3, tzinfo=UTC), datetime(2026, 1, 2, 10, tzinfo=UTC)),
}
FILTERS = [dict(chosen) for chosen in chain.from_iterable(combinations(CONDITIONS.items(), size) for size in range(6))]
"""Every combination of conditions: 32."""


def as_filter(conditions: dict[str, Any]) -> dict[str, Any]:
    values = {name: value for name, value in conditions.items() if name != "range"}
    ends = dict(zip(("created_from", "created_to"), conditions.get("range", ()), strict=False))
    return {**values, **ends}


@pytest.mark.parametrize("sort", SORTS)
def test_pages_of_every_filter_in_every_order_are_what_plain_python_finds(
    db: Database, sql: sa.Connection, walk: int, sort: str
) -> None:
    rows = crowd(sql)
    for conditions in FILTERS:
        values = as_filter(conditions)
        expected = [row.id for row in in_order(matching(rows, **values), sort)]
        where = parse(TicketFilter, values)
        found = []
        size = 7 if where.search else 60  # small enough for the most severe of what is found to fill some pages
        for offset in range(0, len(expected) + 1, size):
            page = listing.summaries(db, where, sort=Sort(sort), limit=size, offset=offset)
            found += [summary.id for summary in page]
        assert found == expected, (sort, values)
        assert listing.count(db, where) == listing.Count(len(expected)), values


def test_following_each_page_by_its_last_ticket_visits_each_ticket_once(
    db: Database, sql: sa.Connection, walk: int
) -> None:
    rows = crowd(sql)
    for conditions in FILTERS:
        values = as_filter(conditions)
        where, after, found = parse(TicketFilter, values), None, []
        while page := listing.newest(db, where, limit=37, after=after):
            assert len(page) <= 37
            after = page[-1].id
            found += [ticket.id for ticket in page]
        assert found == [row.id for row in in_order(matching(rows, **values))], values


def test_a_list_goes_on_after_a_ticket_that_it_does_not_contain(db: Database, sql: sa.Connection) -> None:
    rows = crowd(sql)
    where = parse(TicketFilter, {"category": ["billing"], "status": ["open"]})
    expected = in_order(rows)
    for place, row in enumerate(expected[::20]):
        found = listing.newest(db, where, limit=200, after=row.id)
        rest = matching(expected[place * 20 + 1 :], category=["billing"], status=["open"])
        assert [ticket.id for ticket in found] == [other.id for other in rest]


@pytest.mark.parametrize("sort", SORTS)
def test_pages_deep_in_a_filtered_list_go_on_where_the_shallow_ones_end(
    db: Database, sql: sa.Connection, sort: str
) -> None:
    """Beyond 1,000 tickets a page is found by other means; no page at that border or after it may differ for that."""
    sql.exec_driver_sql("""
        insert into tickets (title, description, category, priority, status, created_at)
        select 'T' || n, 'D', case mod(n, 3) when 0 then 'billing' else 'account' end::ticket_category,
               (enum_range(null::ticket_priority))[1 + mod(n, 4)], (enum_range(null::ticket_status))[1 + mod(n * 7, 4)],
               timestamptz '2026-01-01Z' + interval '1 hour' * mod(n, 300)
        from generate_series(1, 2000) n""")
    values: dict[str, Any] = {"category": ["account"], "priority": ["low", "critical", "medium"]}
    expected = [row.id for row in in_order(matching(stored(sql), **values), sort)]
    assert len(expected) > 950
    where = parse(TicketFilter, values)
    for offset, limit in ((0, 50), (940, 50), (950, 50), (951, 50), (975, 1_000), (999, 1), (1_000, 1), (10_000, 50)):
        page = listing.summaries(db, where, sort=Sort(sort), limit=limit, offset=offset)
        assert [summary.id for summary in page] == expected[offset : offset + limit], (offset, limit)


def test_a_summary_carries_the_beginning_of_the_description_and_never_all_of_a_long_one(
    db: Database, sql: sa.Connection
) -> None:
    long = "".join(chr(0x4E00 + place) for place in range(20_000))
    put(sql, [{"description": long}, {"description": "short"}])
    newest, oldest = listing.summaries(db, TicketFilter(), limit=2)
    assert newest.excerpt == "short"
    assert long.startswith(oldest.excerpt)
    assert 150 <= len(oldest.excerpt) <= 200
    assert (newest.title, newest.category, newest.priority, newest.status) == ("A title", "general", "medium", "open")
    assert isinstance(newest.status, Status)


def test_an_empty_desk_lists_nothing(db: Database) -> None:
    assert listing.newest(db, TicketFilter(), limit=10) == []
    assert listing.summaries(db, TicketFilter(), limit=10) == []
    assert listing.count(db, TicketFilter()) == listing.Count(0)


def test_matches_are_counted_exactly_but_under_a_search_up_to_10000(db: Database, sql: sa.Connection) -> None:
    fill = """
        insert into tickets (title, description, category, priority)
        select 'needle', 'x', 'billing', 'low' from generate_series(1, {})"""
    needles, everything = parse(TicketFilter, {"search": "needle"}), TicketFilter()
    sql.exec_driver_sql(fill.format(10_000))
    exact = listing.count(db, needles)
    assert (exact.number, exact.capped, str(exact)) == (10_000, False, "10,000")
    sql.exec_driver_sql(fill.format(5))
    capped = listing.count(db, needles)
    assert (capped.number, capped.capped, str(capped)) == (10_000, True, "10,000+")
    whole = listing.count(db, everything)
    assert (whole.number, whole.capped, str(whole)) == (10_005, False, "10,005")


@pytest.mark.parametrize("sort", SORTS)
def test_the_neighbours_of_a_ticket_are_those_beside_it_in_the_list(
    db: Database, sql: sa.Connection, walk: int, sort: str
) -> None:
    rows = crowd(sql, 60)
    for conditions in FILTERS[::2]:
        values = as_filter(conditions)
        where = parse(TicketFilter, values)
        expected = [row.id for row in in_order(matching(rows, **values), sort)]
        for place, number in enumerate(expected):
            before = expected[place - 1] if place else None
            after = expected[place + 1] if place + 1 < len(expected) else None
            found = neighbours(db, where, Sort(sort), tickets.get(db, number))
            assert found == (before, after), (values, number)


@pytest.mark.parametrize("sort", SORTS)
def test_the_neighbours_of_a_ticket_that_the_list_does_not_contain_are_those_it_would_stand_between(
    db: Database, sql: sa.Connection, sort: str
) -> None:
    rows = crowd(sql, 60)
    where = parse(TicketFilter, {"priority": ["high", "low"]})
    shown = matching(rows, priority=("high", "low"))
    for row in rows:
        order = [one.id for one in in_order([*(one for one in shown if one is not row), row], sort)]
        place = order.index(row.id)
        before, after = order[place - 1] if place else None, order[place + 1] if place + 1 < len(order) else None
        assert neighbours(db, where, Sort(sort), tickets.get(db, row.id)) == (before, after)
