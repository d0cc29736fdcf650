"""Finding tickets: the table, its filters, its order, its pages, and the address that reproduces all of it."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import (
    Filing,
    Sql,
    change,
    click,
    links,
    listed,
    run,
    shows,
    texts,
    unescaped,
    values,
    visit,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def some(file_ticket: Filing) -> None:
    """Six tickets that differ in every field; the first letter of the title is their order of arrival."""
    rows: list[tuple[str, str, str, str, str]] = [
        ("A", "the 100% refund", "billing", "low", "open"),
        ("B", "a_b under\\score", "billing", "critical", "in_progress"),
        ("C", "Straße «REFUND» 🎫", "technical", "high", "resolved"),
        ("D", 'it\'s "quoted"', "account", "medium", "closed"),
        ("E", "axb understood", "general", "high", "open"),
        ("F", "nothing special", "billing", "high", "in_progress"),
    ]
    for place, (title, description, category, priority, status) in enumerate(rows):
        moment = START + timedelta(hours=place)
        file_ticket(
            title, description, category=category, priority=priority, status=status, created_at=moment
        )  # fmt: skip


@pytest.fixture
def many(sql: Sql) -> None:
    """120 tickets, a minute apart, the odd ones about billing."""
    sql(
        "insert into tickets (title, description, category, priority, created_at)"
        " select 'Number ' || n, 'd', case n %% 2 when 1 then 'billing' else 'general' end::ticket_category, 'low',"
        " %s + n * interval '1 minute' from generate_series(1, 120) n",
        START,
    )


def number_said(at: AppTest) -> str:
    (said,) = [text for text in texts(at) if text.endswith((" ticket", " tickets"))]
    return said.replace("*", "")


def test_an_empty_desk_says_what_will_be_listed_and_offers_to_file_the_first_ticket() -> None:
    at = visit("browse.py")
    assert shows(at, "No tickets yet.")
    assert [label for label, _ in links(at)] == ["File the first ticket"]
    assert not at.dataframe


def test_an_empty_desk_under_a_filter_is_no_error() -> None:
    at = visit("browse.py", category="billing")
    assert shows(at, "No ticket matches this filter.") or shows(at, "No tickets yet.")


def test_the_table_is_newest_first_and_tells_title_excerpt_category_priority_status_and_time(
    some: None, file_ticket: Filing
) -> None:
    file_ticket("Long", "word " * 3_900 + "the end", created_at=START + timedelta(days=1))
    at = visit("browse.py")
    assert listed(at) == ["Long", "F", "E", "D", "C", "B", "A"]
    assert max(len(text) for text in listed(at, "excerpt")) < 200
    assert number_said(at) == "7 tickets"
    first = at.dataframe[0].value.iloc[1]
    assert (first.category, first.priority, first.status) == ("Billing", ["High"], ["In progress"])
    assert first.created_at.to_pydatetime() == START + timedelta(hours=5)
    columns = json.loads(at.dataframe[0].proto.columns)
    assert columns["created_at"]["type_config"]["timezone"] == "Europe/Berlin"


def test_one_ticket_is_called_one_ticket(file_ticket: Filing) -> None:
    file_ticket()
    assert number_said(visit("browse.py")) == "1 ticket"


@pytest.mark.parametrize(
    ("label", "chosen", "expected"),
    [
        ("Category", ["billing"], "FBA"),
        ("Category", ["account", "technical"], "DC"),
        ("Priority", ["high"], "FEC"),
        ("Priority", ["critical", "low"], "BA"),
        ("Status", ["in_progress"], "FB"),
        ("Status", ["open", "closed"], "EDA"),
        ("Search", "refund", "CA"),
        ("Search", "  refund ", "CA"),
        ("Search", "REFUND", "CA"),
        ("Search", "%", "A"),
        ("Search", "a_b", "B"),
        ("Search", "r\\s", "B"),
        ("Search", "🎫", "C"),
        ("Search", "'s \"q", "D"),
        ("Search", "d", "EDCBA"),
        ("Search", "   ", "FEDCBA"),
    ],
)
def test_each_field_of_the_bar_filters(some: None, label: str, chosen: Any, expected: str) -> None:
    at = change(visit("browse.py"), label, chosen)
    assert sorted(listed(at)) == sorted(expected)
    assert listed(at) == sorted(expected, reverse=True)
    assert number_said(at) == f"{len(expected)} ticket{'s' * (len(expected) != 1)}"


def test_all_fields_of_the_bar_combine_and_are_cleared_with_one_click(some: None) -> None:
    at = visit("browse.py", category="billing")
    for label, chosen in (("Priority", ["high", "low"]), ("Status", ["in_progress"])):
        change(at, label, chosen)
    assert listed(at) == ["F"]
    change(change(at, "Search", "nothing"), "Created from", START.date())
    assert listed(at) == ["F"]
    click(at, "Clear filter")
    assert listed(at) == list("FEDCBA")
    assert values(at, "Search", "Category", "Priority", "Status", "Created from") == ["", [], [], [], None]


def test_a_filter_that_matches_nothing_says_so_and_can_be_cleared(some: None) -> None:
    at = change(visit("browse.py"), "Search", "there is no such text")
    assert shows(at, "No ticket matches this filter.")
    assert number_said(at) == "0 tickets"
    assert listed(click(at, "Clear filter")) == list("FEDCBA")


def test_the_dates_of_the_bar_are_days_of_the_desk_both_included(file_ticket: Filing) -> None:
    # On 10 March 2026 Auckland is 13 hours ahead of UTC.
    midnight = datetime(2026, 3, 9, 11, tzinfo=UTC)
    file_ticket("the day before", created_at=midnight - timedelta(microseconds=1))
    file_ticket("its first moment", created_at=midnight)
    file_ticket("its last moment", created_at=midnight + timedelta(days=1, microseconds=-1))
    file_ticket("the day after", created_at=midnight + timedelta(days=1))
    day = date(2026, 3, 10)
    at = change(visit("browse.py"), "Created from", day)
    assert listed(at) == ["the day after", "its last moment", "its first moment"]
    change(at, "Created to", day)
    assert listed(at) == ["its last moment", "its first moment"]
    change(at, "Created from", None)
    assert listed(at) == ["its last moment", "its first moment", "the day before"]


def test_a_range_that_runs_backwards_is_explained(some: None) -> None:
    at = change(change(visit("browse.py"), "Created from", date(2026, 3, 2)), "Created to", date(2026, 3, 1))
    assert shows(at, "“Created from” is after “Created to”")
    assert not at.dataframe
    assert change(at, "Created to", date(2026, 3, 2)).dataframe


def test_the_list_can_be_sorted(some: None) -> None:
    at = visit("browse.py")
    assert listed(change(at, "Sort", "oldest")) == list("ABCDEF")
    assert listed(change(at, "Sort", "severest")) == list("BFECDA")
    assert listed(change(at, "Sort", "newest")) == list("FEDCBA")


def test_a_page_holds_fifty_tickets_and_the_pages_hold_all(many: None) -> None:
    at = visit("browse.py")
    assert number_said(at) == "120 tickets"
    assert at.pagination[0].num_pages == 3
    for page, first, last in ((1, 120, 71), (2, 70, 21), (3, 20, 1)):
        at.pagination[0].set_value(page)
        assert listed(run(at)) == [f"Number {n}" for n in range(first, last - 1, -1)]


def test_a_changed_filter_or_order_begins_at_the_first_page(many: None) -> None:
    at = visit("browse.py", page="3")
    assert listed(at)[0] == "Number 20"
    change(at, "Category", ["billing"])
    assert (at.pagination[0].value, listed(at)[0]) == (1, "Number 119")
    at.pagination[0].set_value(2)
    assert listed(run(at))[0] == "Number 19"
    change(at, "Sort", "oldest")
    assert (at.pagination[0].value, listed(at)[0]) == (1, "Number 1")


def test_a_page_that_is_no_longer_there_shows_tickets_all_the_same(many: None, sql: Sql) -> None:
    at = visit("browse.py", page="3", status="open")
    sql("update tickets set status = 'closed' where title not like 'Number 1%'")
    assert listed(run(at))
    assert at.pagination[0].num_pages == 1


@pytest.mark.parametrize("page", ["4", "0", "-1", "99999999999999999999", "two", "", "1.5", "NaN"])
def test_a_link_to_a_page_that_does_not_exist_shows_tickets(many: None, page: str) -> None:
    at = visit("browse.py", page=page)
    assert len(listed(at)) in (20, 50)


def test_a_link_in_the_api_s_words_reproduces_the_view(many: None, sql: Sql) -> None:
    sql("update tickets set status = 'in_progress'")
    at = visit("browse.py", category="billing", status="in_progress", search="number", sort="oldest", page="2")
    assert listed(at) == [f"Number {n}" for n in range(101, 120, 2)]
    assert values(at, "Search", "Category", "Status", "Sort") == ["number", ["billing"], ["in_progress"], "oldest"]
    assert at.pagination[0].value == 2
    assert not at.warning


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"category": "nonsense"}, "nonsense"),
        ({"status": ["open", "gone & <lost>"]}, "gone & <lost>"),
        ({"priority": "HIGH"}, "HIGH"),
        ({"sort": "sideways"}, "sideways"),
        ({"from": "yesterday"}, "yesterday"),
        ({"to": "2026-02-30"}, "2026-02-30"),
        ({"to": "1999-12-31"}, "1999-12-31"),
    ],
)
def test_what_a_link_names_and_does_not_exist_is_said(some: None, params: dict[str, Any], said: str) -> None:
    at = visit("browse.py", **params)
    assert any(said in text for text in texts(at)), texts(at)
    assert listed(at) == (["E", "A"] if "status" in params else list("FEDCBA"))


@pytest.mark.parametrize("day", ["0001-01-01", "1500-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_in_a_link_break_nothing(some: None, day: str) -> None:
    visit("browse.py", **{"from": day})
    visit("browse.py", **{"to": day})


@pytest.mark.parametrize("search", ["x" * 1_000, "🎫" * 1_000, "_" * 999 + "%", "a\n\tb", "\u202e"])
def test_any_search_in_a_link_is_answered(some: None, search: str) -> None:
    assert number_said(visit("browse.py", search=search)) == "0 tickets"


def test_a_search_that_cannot_be_made_is_explained_and_names_the_field(some: None) -> None:
    for at, fault in (
        (visit("browse.py", search="NUL\x00"), "must not contain NUL"),
        (change(visit("browse.py"), "Search", "NUL\x00"), "must not contain NUL"),
        (visit("browse.py", search="x" * 1_001), "at most 1,000 characters"),
    ):
        (warning,) = [unescaped(element.value) for element in at.warning]
        assert "Search" in warning
        assert fault in warning


@pytest.fixture
def opened(some: None, sql: Sql) -> AppTest:
    """The list with ticket E opened beside it."""
    at = visit("browse.py")
    at.session_state["browse_ticket"] = 5
    return run(at)


def test_a_ticket_opened_beside_the_list_shows_its_fields_and_a_link_to_its_own_page(opened: AppTest) -> None:
    assert [box.label for box in opened.selectbox] == ["Sort", "Status", "Category", "Priority"]
    assert [box.value for box in opened.selectbox][1:] == ["open", "general", "high"]
    assert ("Open ticket #5 on its own page", "ticket?id=5") in links(opened)
    assert listed(opened) == list("FEDCBA")


def test_a_status_changed_beside_the_list_is_stored_at_once_and_the_list_shows_it(opened: AppTest, sql: Sql) -> None:
    opened.selectbox[1].set_value("resolved")
    run(opened)
    assert sql("select status, version from tickets where id = 5") == [("resolved", 2)]
    assert sql("select source, field, old_value, new_value from ticket_events where kind = 'changed'") == [
        ("dashboard", "status", "open", "resolved")
    ]
    assert dict(zip(listed(opened), listed(opened, "status"), strict=True))["E"] == ["Resolved"]
    assert [toast.value for toast in opened.toast] == ["Status is now resolved\\."]
    run(opened)
    assert not opened.toast


def test_a_ticket_that_leaves_the_filter_by_its_change_stays_open_beside_the_list(some: None) -> None:
    at = visit("browse.py", status="open")
    at.session_state["browse_ticket"] = 5
    run(at).selectbox[1].set_value("closed")
    run(at)
    assert listed(at) == ["A"]
    assert at.selectbox[1].value == "closed"


def test_what_others_file_and_change_arrives_in_the_list(some: None, sql: Sql, file_ticket: Filing) -> None:
    at = visit("browse.py")
    file_ticket("G")
    sql("update tickets set title = 'A, changed' where title = 'A'")
    assert listed(run(at)) == ["G", "F", "E", "D", "C", "B", "A, changed"]


def test_the_list_asks_the_database_little_and_less_when_nothing_changed(some: None, statements: list[str]) -> None:
    at = visit("browse.py", category="billing", search="e", sort="oldest")
    first = [statement for statement in statements if "tickets" in statement]
    assert len(first) <= 5  # assignees, count and page here, the newest on the way
    statements.clear()
    run(at)
    assert len(statements) <= 3  # has anything changed, asked by the filter bar, the page and its watch
    statements.clear()
    at.session_state["browse_ticket"] = 5
    run(at)
    assert len([statement for statement in statements if "from tickets" in statement.lower()]) == 1
