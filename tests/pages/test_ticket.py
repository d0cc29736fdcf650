"""One ticket on a page of its own: its text, its fields, its history, and changes that are never lost."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from tests.pages.conftest import Filing, Sql, change, field, links, run, shows, texts, unescaped, values, visit
from ticketcore import desk

CHANGES = "select source, field, old_value, new_value from ticket_events where kind = 'changed' order by id"


@pytest.fixture
def ticket(file_ticket: Filing) -> str:
    """The id of an open ticket, as an address has it."""
    filed = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    number = file_ticket(
        "Charged twice", "June was charged\n  twice.", category="billing", priority="high", created_at=filed,
        suggested_category="technical", suggested_priority="low", suggestion_source="small-model_1",
    )  # fmt: skip
    return str(number)


def test_the_page_shows_text_fields_suggestion_history_and_times_of_the_viewer_s_zone(ticket: str) -> None:
    at = visit("ticket.py", id=ticket)
    assert shows(at, ">Charged twice</div>")
    assert shows(at, ">June was charged\n  twice.</div>")
    assert values(at, "Status", "Category", "Priority") == ["open", "billing", "high"]
    assert shows(at, "Suggested when filed: Technical, Low (by small-model_1)")
    assert shows(at, f"#{ticket} · filed 02 Jul 2026, 00:30")
    assert shows(at, "**Filed** by postgres · ")
    assert ("Back to the list", "tickets") in links(at)


@pytest.mark.parametrize(
    ("label", "column", "old", "new"),
    [
        ("Status", "status", "open", "in_progress"),
        ("Status", "status", "open", "closed"),
        ("Category", "category", "billing", "account"),
        ("Priority", "priority", "high", "critical"),
    ],
)
def test_a_change_is_stored_at_once_and_stands_in_the_history_as_made_on_the_dashboard(
    ticket: str, sql: Sql, label: str, column: str, old: str, new: str
) -> None:
    at = change(visit("ticket.py", id=ticket), label, new)
    assert sql(f"select {column}::text, version from tickets") == [(new, 2)]
    assert sql(CHANGES) == [("dashboard", column, old, new)]
    assert field(at, label).value == new
    words = f"**{label} {old.replace('_', ' ')} → {new.replace('_', ' ')}**"
    assert any(words in text and text.endswith("on the dashboard") for text in texts(at))
    assert [unescaped(toast.value) for toast in at.toast] == [f"{label} is now {new.replace('_', ' ')}."]


def test_several_changes_in_a_row_are_all_stored(ticket: str, sql: Sql) -> None:
    at = visit("ticket.py", id=ticket)
    for label, new in (("Status", "in_progress"), ("Priority", "low"), ("Status", "resolved"), ("Status", "open")):
        change(at, label, new)
    assert [row[3] for row in sql(CHANGES)] == ["in_progress", "low", "resolved", "open"]
    assert sql("select status, priority, resolved_at, version from tickets") == [("open", "low", None, 5)]


def test_a_reload_changes_nothing(ticket: str, sql: Sql) -> None:
    at = change(visit("ticket.py", id=ticket), "Status", "closed")
    run(run(at))
    visit("ticket.py", id=ticket)
    assert sql("select version from tickets") == [(2,)]


def test_what_somebody_else_changed_shows_without_a_reload(ticket: str, sql: Sql) -> None:
    at = visit("ticket.py", id=ticket)
    sql("update tickets set status = 'resolved', title = 'Charged thrice', priority = 'low'")
    run(at)
    assert values(at, "Status", "Priority") == ["resolved", "low"]
    assert shows(at, ">Charged thrice</div>")
    assert shows(at, "Title rewritten")


def test_what_somebody_else_changed_meanwhile_is_not_overwritten_and_the_message_names_both_values(
    ticket: str, sql: Sql
) -> None:
    at = visit("ticket.py", id=ticket)
    sql("update tickets set status = 'in_progress'")
    change(at, "Status", "closed")
    assert sql("select status, version from tickets") == [("in_progress", 2)]
    (message,) = [unescaped(warning.value) for warning in at.warning]
    assert "in progress" in message
    assert "closed" in message
    assert field(at, "Status").value == "in_progress"


def test_a_choice_that_is_stored_already_is_no_conflict(ticket: str, sql: Sql) -> None:
    """As when a browser sends it once more, because the page was drawn anew in the meantime."""
    at = visit("ticket.py", id=ticket)
    sql("update tickets set status = 'closed'")
    change(at, "Status", "closed")
    assert sql("select status, version from tickets") == [("closed", 2)]
    assert not at.warning
    assert "Status is now closed." in [unescaped(toast.value) for toast in at.toast]


def test_the_agent_can_choose_again_after_a_conflict_and_the_message_goes(ticket: str, sql: Sql) -> None:
    at = visit("ticket.py", id=ticket)
    sql("update tickets set priority = 'low'")
    change(at, "Status", "closed")
    assert sql("select status, priority from tickets") == [("open", "low")]
    change(at, "Status", "closed")
    assert sql("select status, priority from tickets") == [("closed", "low")]
    assert not at.warning


def test_the_message_of_a_conflict_does_not_wait_for_the_next_visit(ticket: str, sql: Sql) -> None:
    at = visit("ticket.py", id=ticket)
    sql("update tickets set priority = 'low'")
    assert change(at, "Status", "closed").warning
    at.query_params = {}
    run(at.switch_page("browse.py"))
    at.query_params = {"id": ticket}
    run(at.switch_page("ticket.py"))
    assert not at.warning


@pytest.fixture
def read_only(sql: Sql) -> Iterator[None]:
    """From here on the server answers and stores nothing, as a standby does."""
    yield
    sql("set default_transaction_read_only = off")
    sql("alter system reset default_transaction_read_only")
    sql("select pg_reload_conf()")


def read_by_the_desk(statement: str) -> object:
    with desk.current().itself.db.read() as connection:
        return connection.scalar(sa.text(statement))


def test_a_choice_that_could_not_be_stored_is_said_and_does_not_stay_on_the_screen(
    ticket: str, sql: Sql, read_only: None
) -> None:
    at = visit("ticket.py", id=ticket)
    sql("alter system set default_transaction_read_only = on")
    sql("select pg_reload_conf()")
    while read_by_the_desk("show default_transaction_read_only") != "on":  # the signal takes a moment
        time.sleep(0.01)
    change(at, "Status", "closed")
    assert shows(at, "Status was not changed.")
    assert sql("select status from tickets") == [("open",)]
    assert field(run(at), "Status").value == "open"


@pytest.mark.parametrize(
    "named",
    [
        "",
        " ",
        "abc",
        "0",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "NaN",
        "None",
        "１",
        "²",
        "1 or 1=1",
        "1\x00",
        "<b>1</b>",
        ["1", "x"],
    ],
)
def test_an_address_that_names_no_ticket_is_explained(ticket: str, named: str | list[str]) -> None:
    at = visit("ticket.py", id=named)
    assert len(at.info) == 1
    assert not at.selectbox
    assert ("Back to the list", "tickets") in links(at)


def test_an_address_without_an_id_is_explained(ticket: str) -> None:
    at = visit("ticket.py")
    assert "its address ends in ?id=" in at.info[0].value


@pytest.mark.parametrize("named", ["999999", str(2**31), str(2**63 - 1), str(2**63), str(2**70), "9" * 5_000])
def test_a_ticket_that_does_not_exist_gets_a_kind_message(ticket: str, named: str) -> None:
    at = visit("ticket.py", id=named)
    assert [element.icon for element in at.info] == [":material/search_off:"]
    assert not at.selectbox


def test_leading_zeros_do_not_matter(ticket: str) -> None:
    assert shows(visit("ticket.py", id="000" + ticket), "Charged twice")


def test_an_empty_desk_leads_to_the_form_from_here_too() -> None:
    at = visit("ticket.py", id="1")
    assert len(at.info) == 1
    assert links(at)


def test_the_page_asks_the_database_little(ticket: str, statements: list[str]) -> None:
    at = visit("ticket.py", id=ticket)
    statements.clear()
    run(at)
    assert len(statements) <= 6  # changed? the ticket, its duplicates, its history (twice: is it there?), changed?


def test_two_visitors_see_each_other_s_changes(ticket: str) -> None:
    mine, theirs = visit("ticket.py", id=ticket), visit("ticket.py", id=ticket)
    change(mine, "Status", "in_progress")
    assert field(run(theirs), "Status").value == "in_progress"
    change(theirs, "Status", "resolved")
    assert field(run(mine), "Status").value == "resolved"
