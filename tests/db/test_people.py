"""Assignee and reporter, internal notes, and tickets that tell of the same."""

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from tests.oracle import WHITESPACE, put
from ticketcore import bulk, listing, tickets
from ticketcore.database import Database
from ticketcore.errors import InvalidInput, NotFound
from ticketcore.filters import TicketFilter
from ticketcore.models import NewNote, NewTicket, Source, TicketChanges
from ticketcore.validation import parse

WHO = {"source": Source.DASHBOARD, "actor": "Ann"}


def entries(sql: sa.Connection, number: int) -> list[tuple[object, ...]]:
    query = (
        "select kind, field, old_value, new_value, actor, source from ticket_events where ticket_id = :id order by id"
    )
    return [tuple(row) for row in sql.execute(sa.text(query), {"id": number})]


def test_people_are_optional_kept_and_cleared_and_the_history_tells_of_it(db: Database, sql: sa.Connection) -> None:
    new = parse(NewTicket, {"title": "A", "description": "B", "reporter": "  j.doe@example.com "})
    ticket = tickets.create(db, new, source=Source.API)
    assert (ticket.assignee, ticket.reporter) == (None, "j.doe@example.com")
    for assignee in ("Ben", "Ben", None):
        ticket = tickets.update(db, ticket.id, parse(TicketChanges, {"assignee": assignee}), **WHO)
        assert ticket.assignee == assignee
    assert ticket.version == 3
    assert entries(sql, ticket.id)[1:] == [
        ("changed", "assignee", None, "Ben", "Ann", "dashboard"),
        ("changed", "assignee", "Ben", None, "Ann", "dashboard"),
    ]


@pytest.mark.parametrize("person", ["", "   ", "a" * 201, "two\nlines", "nul\x00", 7])
@pytest.mark.parametrize("field", ["assignee", "reporter"])
def test_a_person_is_a_line_of_text(field: str, person: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(TicketChanges, {field: person})
    assert set(caught.value.errors) == {field}


@pytest.mark.parametrize("column", ["assignee", "reporter"])
@pytest.mark.parametrize("person", ["", " a", "a ", "a\nb", "a" * 201])
def test_the_database_refuses_what_is_no_person(sql: sa.Connection, db: Database, column: str, person: str) -> None:
    put(sql, [{}])
    with pytest.raises(IntegrityError):
        sql.execute(sa.text(f"update tickets set {column} = :person"), {"person": person})


def test_a_list_of_somebodys_work_is_that_and_no_other(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"category": "billing" if number % 2 else "general"} for number in range(9)])
    sql.exec_driver_sql("update tickets set assignee = case mod(id, 3) when 0 then 'Ann' when 1 then 'Ben' end")
    for names, category, expected in (
        (["Ann"], [], [9, 6, 3]),
        (["Ann", "Ben"], [], [9, 7, 6, 4, 3, 1]),
        (["Ann"], ["general"], [9, 3]),
        (["Cy"], [], []),
    ):
        chosen = parse(TicketFilter, {"assignee": names, "category": category})
        assert [row.id for row in listing.summaries(db, chosen, limit=10)] == expected
        assert listing.count(db, chosen).number == len(expected)
        assert ("assignee", "Ann") in chosen.params() or "Ann" not in names


def test_a_note_is_an_entry_of_the_history_and_no_new_version(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}, {}])
    before = tickets.get(db, 1)
    note = tickets.note(db, 1, parse(NewNote, {"text": "  Called back.\n\nNobody there. "}), **WHO)
    assert note == tickets.history(db, 1)[-1]
    assert entries(sql, 1)[1:] == [("noted", "note", None, "Called back.\n\nNobody there.", "Ann", "dashboard")]
    assert tickets.get(db, 1) == before
    assert len(entries(sql, 2)) == 1


@pytest.mark.parametrize("number", [0, -1, 3, 2**63, 10**30])
def test_a_note_needs_a_ticket(db: Database, sql: sa.Connection, number: int) -> None:
    put(sql, [{}, {}])
    with pytest.raises(NotFound):
        tickets.note(db, number, NewNote(text="A"), **WHO)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from(WHITESPACE + "ab'\\😀"), max_size=12))
def test_the_database_lets_in_exactly_the_notes_that_the_model_leaves_as_they_are(
    db: Database, sql: sa.Connection, text: str
) -> None:
    put(sql, [{}])
    try:
        accepted = parse(NewNote, {"text": text}).text == text
    except InvalidInput:
        accepted = False
    insert = sa.text(
        "insert into ticket_events (ticket_id, at, source, kind, field, new_value)"
        " select max(id), now(), 'sql', 'noted', 'note', :text from tickets"
    )
    try:
        sql.execute(insert, {"text": text})
    except IntegrityError:
        assert not accepted
    else:
        assert accepted


def test_a_duplicate_names_the_other_and_the_other_knows_its_duplicates(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}, {}, {}])
    changes = parse(TicketChanges, {"duplicate_of": 1, "status": "closed"})
    for number in (3, 2):
        ticket = tickets.update(db, number, changes, **WHO)
        assert (ticket.duplicate_of, ticket.status, ticket.version) == (1, "closed", 2)
    assert tickets.duplicates(db, 1) == [2, 3]
    assert tickets.duplicates(db, 2) == []
    assert ("changed", "duplicate_of", None, "1", "Ann", "dashboard") in entries(sql, 3)
    tickets.update(db, 3, parse(TicketChanges, {"duplicate_of": None}), **WHO)
    assert tickets.duplicates(db, 1) == [2]


@pytest.mark.parametrize(
    ("number", "of", "message"),
    [
        (1, 1, "must be another ticket"),
        (1, 99, "there is no ticket #99"),
        (1, 2, "is a duplicate of #1"),
        (1, 3, "is a duplicate of #1"),
    ],
)
def test_no_ticket_is_a_duplicate_of_itself_however_far_around(
    db: Database, sql: sa.Connection, number: int, of: int, message: str
) -> None:
    put(sql, [{}, {}, {}])
    sql.exec_driver_sql("update tickets set duplicate_of = id - 1 where id in (2, 3)")
    with pytest.raises(InvalidInput, match=message):
        tickets.update(db, number, parse(TicketChanges, {"duplicate_of": of}), **WHO)
    with pytest.raises(InvalidInput, match=message):
        bulk.update(db, [number], parse(TicketChanges, {"duplicate_of": of}), **WHO)
    assert tickets.get(db, number).duplicate_of is None


def test_a_chain_of_duplicates_is_possible(db: Database, sql: sa.Connection) -> None:
    put(sql, [{}, {}, {}])
    tickets.update(db, 3, parse(TicketChanges, {"duplicate_of": 2}), **WHO)
    tickets.update(db, 2, parse(TicketChanges, {"duplicate_of": 1}), **WHO)
    assert [tickets.get(db, number).duplicate_of for number in (1, 2, 3)] == [None, 1, 2]
