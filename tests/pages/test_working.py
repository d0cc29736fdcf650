"""Working on a ticket: under one's name, with notes, rewritten beside others, from one ticket to the next."""

import pytest

from tests.pages.conftest import Filing, Sql, change, click, field, links, run, shows, texts, values, visit

HISTORY = "select kind, field, old_value, new_value, actor from ticket_events where kind <> 'created' order by id"


@pytest.fixture
def ticket(file_ticket: Filing) -> str:
    """The id of an open ticket, as an address has it."""
    return str(file_ticket("Charged twice", "June was charged twice.", category="billing", priority="high"))


def test_who_gave_a_name_is_told_in_the_history_of_everything_they_do(ticket: str, sql: Sql) -> None:
    at = change(visit("ticket.py", id=ticket), "Your name", "  Ann *Lee* ")
    change(at, "Status", "in_progress")
    click(change(at, "Internal note", "Called back."), "Add note")
    click(at, "Assign to me")
    assert {row[4] for row in sql(HISTORY)} == {"Ann *Lee*"}
    assert shows(at, "**Status open → in progress** by Ann *Lee* · now · ") or shows(at, "by Ann *Lee* · a moment ago")
    change(at.switch_page("submit.py").run(), "Title", "Another")
    click(change(at, "Description", "Text"), "Submit ticket")
    assert sql("select actor from ticket_events order by id desc limit 1") == [("Ann *Lee*",)]


def test_nobody_is_told_where_no_name_was_given_and_nobody_can_take_a_ticket(ticket: str, sql: Sql) -> None:
    at = change(visit("ticket.py", id=ticket), "Status", "closed")
    assert sql(HISTORY) == [("changed", "status", "open", "closed", None)]
    assert "Assign to me" not in {button.label for button in at.button}


@pytest.mark.parametrize("name", ["a" * 201, "nul\x00"])
def test_what_is_no_name_is_said_and_used_for_nothing(ticket: str, sql: Sql, name: str) -> None:
    at = change(visit("ticket.py", id=ticket), "Your name", name)
    assert len(at.error) == 1
    change(at, "Status", "closed")
    assert sql(HISTORY) == [("changed", "status", "open", "closed", None)]


def test_taking_a_ticket_assigns_it_and_the_button_goes(ticket: str, sql: Sql) -> None:
    at = change(visit("ticket.py", id=ticket), "Your name", "Ann")
    assert shows(at, "Assigned to nobody")
    click(at, "Assign to me")
    assert sql("select assignee, version from tickets") == [("Ann", 2)]
    assert shows(at, "Assigned to Ann")
    assert shows(at, "**Assignee nobody → Ann** by Ann")
    assert "Assign to me" not in {button.label for button in at.button}


def test_a_note_is_shown_as_it_was_written_and_the_field_is_empty_again(ticket: str, sql: Sql) -> None:
    note = "<b>Called</b> back.\n\n# Nobody *there*"
    at = click(change(visit("ticket.py", id=ticket), "Internal note", note), "Add note")
    assert shows(at, ">&lt;b&gt;Called&lt;/b&gt; back.\n\n# Nobody *there*</div>")
    assert values(at, "Internal note") == [""]
    assert sql(HISTORY) == [("noted", "note", None, note, None)]


@pytest.mark.parametrize("note", ["", "   ", "a" * 20_001])
def test_a_note_that_cannot_be_kept_is_said_and_stays_in_the_field(ticket: str, sql: Sql, note: str) -> None:
    at = click(change(visit("ticket.py", id=ticket), "Internal note", note), "Add note")
    assert len(at.error) == 1
    assert values(at, "Internal note") == [note]
    assert sql(HISTORY) == []


def test_a_ticket_is_rewritten_and_what_was_not_touched_is_not_stored(ticket: str, sql: Sql) -> None:
    at = click(visit("ticket.py", id=ticket), "Edit")
    assert values(at, "Title", "Description", "Assignee", "Reporter") == [
        "Charged twice", "June was charged twice.", "", "",
    ]  # fmt: skip
    change(change(at, "Title", " Charged thrice "), "Reporter", "j.doe@example.com")
    click(at, "Save")
    assert sql("select title, reporter, assignee, version from tickets") == [
        ("Charged thrice", "j.doe@example.com", None, 2)
    ]
    assert [row[1] for row in sql(HISTORY)] == ["title", "reporter"]
    assert shows(at, ">Charged thrice</div>")


def test_what_is_wrong_is_said_by_its_field_and_nothing_typed_is_lost(ticket: str, sql: Sql) -> None:
    at = click(visit("ticket.py", id=ticket), "Edit")
    change(change(at, "Title", "   "), "Assignee", "a" * 201)
    click(at, "Save")
    assert [error.value.split()[0] for error in at.error] == ["Title", "Assignee"]
    assert values(at, "Title", "Assignee") == ["   ", "a" * 201]
    assert sql("select version from tickets") == [(1,)]
    click(at, "Cancel")
    assert shows(at, ">Charged twice</div>")
    assert sql("select version from tickets") == [(1,)]


def test_who_was_faster_is_shown_beside_what_was_typed_and_the_agent_decides(ticket: str, sql: Sql) -> None:
    at = click(visit("ticket.py", id=ticket), "Edit")
    change(change(at, "Title", "Mine"), "Description", "My words.")
    sql("update tickets set title = 'Theirs', status = 'in_progress', priority = 'low'")
    click(at, "Save")
    assert sql("select title, description, version from tickets") == [("Theirs", "June was charged twice.", 2)]
    assert values(at, "Title", "Description") == ["Mine", "My words."]
    rows = at.dataframe[0].value.to_dict("records")
    assert [tuple(row.values()) for row in rows] == [
        ("Title", "Charged twice", "Theirs", "Mine"),
        ("Description", "June was charged twice.", "June was charged twice.", "My words."),
        ("Status", "Open", "In progress", "(untouched)"),
        ("Priority", "High", "Low", "(untouched)"),
    ]
    click(at, "Save mine anyway")
    assert sql("select title, description, status, priority, version from tickets") == [
        ("Mine", "My words.", "in_progress", "low", 3)
    ]


def test_a_second_change_in_between_is_shown_as_well_before_anything_is_stored(ticket: str, sql: Sql) -> None:
    at = change(click(visit("ticket.py", id=ticket), "Edit"), "Title", "Mine")
    sql("update tickets set title = 'Theirs'")
    run(at)
    sql("update tickets set title = 'Theirs again'")
    click(at, "Save mine anyway")
    assert sql("select title from tickets") == [("Theirs again",)]
    assert "Theirs again" in at.dataframe[0].value["Now"].tolist()
    click(at, "Give up mine")
    assert sql("select title, version from tickets") == [("Theirs again", 3)]
    assert shows(at, ">Theirs again</div>")


def test_marking_a_duplicate_closes_it_and_both_show_the_link(ticket: str, file_ticket: Filing, sql: Sql) -> None:
    other = file_ticket("Paid two times")
    at = visit("ticket.py", id=str(other))
    click(change(at, "Number of the other ticket", int(ticket)), "Close as duplicate")
    assert sql("select duplicate_of, status::text from tickets where id = %s", other) == [(int(ticket), "closed")]
    assert (f"Duplicate of #{ticket}", f"ticket?id={ticket}") in links(at)
    there = visit("ticket.py", id=ticket)
    assert (f"#{other} is a duplicate of this", f"ticket?id={other}") in links(there)
    click(at, "Not a duplicate")
    assert sql("select duplicate_of from tickets where id = %s", other) == [(None,)]


@pytest.mark.parametrize("number", [1, 99])
def test_a_duplicate_of_nothing_is_refused_in_words(ticket: str, sql: Sql, number: int) -> None:
    at = visit("ticket.py", id=ticket)
    click(change(at, "Number of the other ticket", number), "Close as duplicate")
    assert len(at.error) == 1
    assert sql("select status::text, version from tickets") == [("open", 1)]


def test_one_goes_from_ticket_to_ticket_in_the_order_of_the_list(file_ticket: Filing) -> None:
    for number in range(1, 5):
        file_ticket(f"No {number}", category="billing" if number % 2 else "account")
    at = visit("browse.py", category="Billing")
    at.switch_page("ticket.py")
    at.query_params = {"id": "3"}
    run(at)
    assert field(at, "Previous").disabled
    click(at, "Next")
    assert shows(at, ">No 1</div>")
    assert field(at, "Next").disabled
    click(at, "Previous")
    assert shows(at, ">No 3</div>")


def test_the_history_names_how_long_ago(ticket: str, sql: Sql) -> None:
    sql("update tickets set status = 'closed'")

    sql("update ticket_events set at = now() - interval '2 hours'")
    at = visit("ticket.py", id=ticket)
    assert any("**Filed** by postgres · 2 hours ago · " in text for text in texts(at))
