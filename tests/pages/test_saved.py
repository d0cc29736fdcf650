"""Saved views on the tickets page: saved under a name, shown with one click, private or the desk's."""

import pytest

from tests.pages.conftest import Filing, Sql, change, click, field, listed, shows, values, views_open


@pytest.fixture
def three(file_ticket: Filing) -> None:
    file_ticket("A refund", category="billing", created_at="2026-05-01T12:00:00Z")
    file_ticket("A refund too", category="account", created_at="2026-05-02T12:00:00Z")
    file_ticket("Other", category="billing", created_at="2026-05-03T12:00:00Z")


def test_one_click_shows_what_was_saved(three: None, sql: Sql) -> None:
    link = {"search": "refund", "category": "Billing", "from": "2026-05-01", "to": "2026-05-02", "sort": "Oldest first"}
    at = views_open(**link)
    assert listed(at) == ["A refund"]
    click(change(at, "Save this view as", "Refunds *of* May"), "Save view")
    assert values(at, "Save this view as") == [""]
    assert sql("select name, owner from saved_views") == [("Refunds *of* May", None)]
    there = views_open(status="Closed")
    click(there, "Refunds \\*of\\* May")
    assert listed(there) == ["A refund"]
    assert "Save view" not in {button.label for button in there.button}, "it is closed again"
    assert values(there, "Search", "Category", "Status", "Sort") == ["refund", ["billing"], [], "oldest"]


def test_a_view_of_one_s_own_is_shown_to_nobody_else(three: None, sql: Sql) -> None:
    at = change(views_open(category="Billing"), "Your name", "Ann")
    click(change(at, "Save this view as", "Mine"), "Save view")
    assert sql("select name, owner from saved_views") == [("Mine", "Ann")]
    assert field(at, "Mine")
    other = change(views_open(), "Your name", "Ben")
    assert "Mine" not in {button.label for button in other.button}
    click(at, "Remove")
    assert sql("select count(*) from saved_views") == [(0,)]


def test_who_gave_no_name_can_share_only(three: None) -> None:
    at = views_open()
    assert field(at, "Share it with the desk").disabled
    assert field(at, "Share it with the desk").value is True


def test_a_view_without_a_name_is_refused_in_words(three: None, sql: Sql) -> None:
    at = click(views_open(), "Save view")
    assert [error.value for error in at.error] == ["Name must not be blank"]
    assert shows(at, "A filter that you use often can be saved here")
    assert sql("select count(*) from saved_views") == [(0,)]
