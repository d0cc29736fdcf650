"""Changing many tickets at once: ticked or all that match, seen before, told after, and taken back."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import Filing, Sql, change, click, field, listed, run, shows, visit
from ticketcore import bulk

CHANGED = "select ticket_id, field, old_value, new_value, actor, source from ticket_events where kind = 'changed'"


@pytest.fixture
def four(file_ticket: Filing) -> None:
    for title, category, status in (
        ("A", "billing", "open"),
        ("B", "billing", "in_progress"),
        ("C", "account", "open"),
        ("D", "billing", "closed"),
    ):
        file_ticket(title, category=category, status=status)


def together(**params: str) -> AppTest:
    at = visit("browse.py", **params)
    field(at, "Change several").set_value(True)
    return run(at)


def test_all_that_match_are_changed_after_a_preview_and_each_is_told(four: None, sql: Sql) -> None:
    at = together(category="Billing")
    change(at, "Your name", "Ann")
    change(change(at, "All 3 that match", True), "New status", "closed")
    assert shows(at, "Status: 1 open, 1 in progress → closed") or shows(at, "**Status:** 1 ")
    assert sql(CHANGED) == []
    click(at, "Change 2 of 3 tickets")
    assert sorted(sql(CHANGED)) == [
        (1, "status", "open", "closed", "Ann", "dashboard"),
        (2, "status", "in_progress", "closed", "Ann", "dashboard"),
    ]
    assert [message.value for message in at.success] == ["2 tickets changed\\, 1 already like this or gone\\."]
    told = at.dataframe[0].value if "Outcome" in at.dataframe[0].value else at.dataframe[1].value
    assert told.values.tolist() == [["#4", "Unchanged", 1], ["#2", "Changed", 2], ["#1", "Changed", 2]]


def test_undo_gives_back_what_nobody_changed_since(four: None, sql: Sql) -> None:
    sql("update tickets set assignee = 'Ben' where id = 3")
    at = change(change(together(category="Billing"), "All 3 that match", True), "New assignee", "Ben")
    click(at, "Change 3 of 3 tickets")
    assert sql("select assignee from tickets order by id") == [("Ben",)] * 4
    sql("update tickets set priority = 'low' where id = 2")
    click(at, "Undo")
    assert sql("select assignee from tickets order by id") == [(None,), ("Ben",), ("Ben",), (None,)]
    assert [message.value for message in at.success] == [
        "2 tickets as before again\\; 1 changed by others since and left alone\\."
    ]
    assert "Undo" not in {button.label for button in at.button}
    click(at, "Dismiss")
    assert not at.success


def test_nothing_can_be_changed_before_it_is_chosen(four: None) -> None:
    at = together()
    assert field(at, "All 4 that match").disabled, "every ticket of the desk is not changed at once"
    assert shows(at, "Tick tickets in the table")
    change(at, "New status", "closed")
    assert not [button for button in at.button if button.label.startswith("Change ")]


def test_what_is_like_this_already_cannot_be_changed(four: None, sql: Sql) -> None:
    at = change(change(together(status="Closed"), "All 1 that match", True), "New status", "closed")
    assert field(at, "Change 0 of 1 ticket").disabled
    assert sql(CHANGED) == []


def test_more_than_may_be_changed_at_once_cannot_be_chosen(four: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST", 2)
    assert field(together(category="Billing"), "All 3 that match").disabled


def test_a_list_of_somebodys_work_is_a_link(four: None, sql: Sql) -> None:
    sql("update tickets set assignee = 'Ben Hartmann' where id in (1, 3)")
    at = visit("browse.py", assignee="Ben Hartmann")
    assert listed(at) == ["C", "A"]
    at = visit("browse.py", assignee="Nobody at all")
    assert shows(at, "No ticket matches this filter.")
    click(at, "Clear filter")
    assert len(listed(at)) == 4
