"""The database alone keeps every rule of a ticket: raw SQL that breaks one is refused, what keeps them is let in."""

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from tests.oracle import CATEGORIES, LINE_BREAKS, PRIORITIES, STATUSES, WHITESPACE
from ticketcore.errors import InvalidInput
from ticketcore.models import NewTicket
from ticketcore.validation import parse

pytestmark = pytest.mark.usefixtures("db")

CHECK, NOT_NULL, UNKNOWN_VALUE = "23514", "23502", "22P02"
FOREIGN_KEY, UNIQUE, GENERATED = "23503", "23505", "428C9"
"""SQLSTATEs, from appendix A of PostgreSQL's manual."""

TICKET = {"title": "'A'", "description": "'B'", "category": "'billing'", "priority": "'low'"}
KEY = "'6f1c0c3e-8f0b-4f0e-9f57-0d3f0e1a2b3c'"


def statement(**columns: str) -> str:
    """An insert of a ticket, with these SQL expressions instead of the usual ones, or beside them."""
    values = {**TICKET, **columns}
    return f"insert into tickets ({', '.join(values)}) values ({', '.join(values.values())})"


def insert(sql: sa.Connection, **columns: str) -> int:
    return int(sql.exec_driver_sql(f"{statement(**columns)} returning id").scalar_one())


def refusal(sql: sa.Connection, attempt: str) -> str | None:
    """The SQLSTATE with which PostgreSQL refuses it; none if it is let in."""
    try:
        sql.exec_driver_sql(attempt)
    except DBAPIError as error:
        return str(error.orig.pgcode)
    return None


def content(sql: sa.Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in sql.exec_driver_sql("select * from tickets order by id")]


def quoted(text: str) -> str:
    """A SQL literal in ASCII."""
    return "U&'" + "".join(f"\\+{ord(character):06x}" for character in text) + "'"


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        *[(column, "null", NOT_NULL) for column in (*TICKET, "status")],
        *[(column, text, CHECK) for column in ("title", "description") for text in ("''", "' '", "' a'", "'a '")],
        ("title", "repeat('a', 201)", CHECK),
        ("title", "repeat('😀', 201)", CHECK),
        ("title", "E'one\\ntwo'", CHECK),
        ("description", "repeat('a', 20001)", CHECK),
        ("description", "repeat('😀', 20001)", CHECK),
        *[(column, "'urgent'", UNKNOWN_VALUE) for column in ("category", "priority", "status")],
        *[(column, "''", UNKNOWN_VALUE) for column in ("category", "priority", "status")],
        ("category", "'Billing'", UNKNOWN_VALUE),
        ("suggestion_source", "'a-model'", CHECK),
        ("suggested_category", "'billing'", CHECK),
        ("suggested_priority", "'low'", CHECK),
        ("suggested_priority", "'urgent'", UNKNOWN_VALUE),
        ("request_key", "'not a key'", UNKNOWN_VALUE),
    ],
)
def test_a_ticket_that_breaks_a_rule_is_neither_filed_nor_changed_into(
    sql: sa.Connection, column: str, value: str, code: str
) -> None:
    insert(sql)
    before = content(sql)
    assert refusal(sql, statement(**{column: value})) == code
    assert refusal(sql, f"update tickets set {column} = {value}") == code
    assert content(sql) == before


@pytest.mark.parametrize("column", ["title", "description"])
def test_no_whitespace_of_unicode_begins_or_ends_a_text(sql: sa.Connection, column: str) -> None:
    for space in WHITESPACE:
        for text in (space, space + "a", "a" + space):
            assert refusal(sql, statement(**{column: quoted(text)})) == CHECK, ascii(text)
    assert content(sql) == []


def test_a_title_is_one_line_and_a_description_need_not_be(sql: sa.Connection) -> None:
    for line_break in LINE_BREAKS:
        assert refusal(sql, statement(title=quoted(f"a{line_break}b"))) == CHECK, ascii(line_break)
        assert refusal(sql, statement(description=quoted(f"a{line_break}b"))) is None, ascii(line_break)


@pytest.mark.parametrize("missing", TICKET)
def test_what_is_required_has_no_default(sql: sa.Connection, missing: str) -> None:
    given_columns = [column for column in TICKET if column != missing]
    values = ", ".join(TICKET[column] for column in given_columns)
    attempt = f"insert into tickets ({', '.join(given_columns)}) values ({values})"
    assert refusal(sql, attempt) == NOT_NULL


def test_the_longest_texts_and_every_word_of_the_enums_are_let_in(sql: sa.Connection) -> None:
    insert(sql, title="repeat('😀', 200)", description="repeat('😀', 20000)")
    insert(sql, title=quoted("a\tb\u200b"), description="'.'")
    for column, words in (("category", CATEGORIES), ("priority", PRIORITIES), ("status", STATUSES)):
        for word in words:
            insert(sql, **{column: f"'{word}'"})
    assert len(content(sql)) == 2 + 12


def test_a_new_ticket_is_open_and_created_now(sql: sa.Connection) -> None:
    insert(sql)
    row = sql.exec_driver_sql(
        "select status::text, abs(extract(epoch from clock_timestamp() - created_at)), pg_typeof(created_at)::text"
        " from tickets"
    ).one()
    assert row[0] == "open"
    assert row[1] < 5
    assert row[2] == "timestamp with time zone"


def test_numbers_are_given_by_the_database_alone_and_rise(sql: sa.Connection) -> None:
    ids = [insert(sql) for _ in range(3)]
    assert ids == sorted(set(ids))
    assert refusal(sql, statement(id="7")) == GENERATED
    assert refusal(sql, f"update tickets set id = 7 where id = {ids[0]}") == GENERATED
    assert refusal(sql, f"update tickets set id = default where id = {ids[0]}") == CHECK
    assert [row[0] for row in content(sql)] == ids


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        ("created_at + interval '1 microsecond'", CHECK),
        ("'2020-01-01Z'", CHECK),
        ("null", NOT_NULL),
        ("default", CHECK),
    ],
)
def test_the_creation_time_of_a_ticket_never_changes(sql: sa.Connection, moment: str, code: str) -> None:
    insert(sql)
    before = content(sql)
    assert refusal(sql, f"update tickets set created_at = {moment}, status = 'closed'") == code
    assert content(sql) == before
    assert refusal(sql, "update tickets set created_at = created_at, status = 'closed'") is None


def test_a_ticket_with_a_history_cannot_be_deleted(sql: sa.Connection) -> None:
    insert(sql)
    assert refusal(sql, "delete from tickets") == FOREIGN_KEY
    assert refusal(sql, "truncate tickets") == "0A000"  # feature_not_supported: another table refers to it
    assert len(content(sql)) == 1


def test_a_request_key_stands_for_one_ticket_and_no_key_for_any_number(sql: sa.Connection) -> None:
    first, second = insert(sql, request_key=KEY), insert(sql)
    insert(sql, request_key="null")
    assert refusal(sql, statement(request_key=KEY.upper())) == UNIQUE
    assert refusal(sql, f"update tickets set request_key = {KEY} where id = {second}") == UNIQUE
    assert sql.exec_driver_sql("select id from tickets where request_key is not null").scalars().all() == [first]


def test_a_suggestion_is_whole_or_absent(sql: sa.Connection) -> None:
    parts = {"suggestion_source": "'a-model'", "suggested_category": "'billing'", "suggested_priority": "'low'"}
    insert(sql, **parts)
    for absent in parts:
        assert refusal(sql, statement(**{**parts, absent: "null"})) == CHECK


def test_a_resolution_time_fits_the_status_even_without_the_trigger_that_keeps_it(
    sql: sa.Connection,
) -> None:
    sql.exec_driver_sql("set session_replication_role = replica")  # no triggers in this session; it ends with the test
    for status in STATUSES:
        done = status in ("resolved", "closed")
        wrong, right = ("null", "now()") if done else ("now()", "null")
        assert refusal(sql, statement(status=f"'{status}'", resolved_at=wrong)) == CHECK
        assert refusal(sql, statement(status=f"'{status}'", resolved_at=right)) is None


def test_words_sort_by_severity_and_in_the_order_of_a_tickets_life(sql: sa.Connection) -> None:
    for priority in ("medium", "critical", "low", "high"):
        insert(sql, priority=f"'{priority}'")
    for status in ("closed", "in_progress", "open", "resolved"):
        insert(sql, status=f"'{status}'")
    by_priority = "select priority::text from tickets group by tickets.priority order by tickets.priority"
    by_status = "select status::text from tickets group by tickets.status order by tickets.status"
    assert [row[0] for row in sql.exec_driver_sql(by_priority)] == ["low", "medium", "high", "critical"]
    assert [row[0] for row in sql.exec_driver_sql(by_status)] == ["open", "in_progress", "resolved", "closed"]


EVENT = {
    "ticket_id": "(select min(id) from tickets)",
    "at": "now()",
    "source": "'sql'",
    "kind": "'changed'",
    "field": "'title'",
    "old_value": "'A'",
    "new_value": "'B'",
}


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({}, None),
        ({"id": "7"}, GENERATED),
        ({"ticket_id": "0"}, FOREIGN_KEY),
        *[({column: "null"}, NOT_NULL) for column in ("ticket_id", "at", "source", "kind", "field")],
        ({"source": "'telephone'"}, CHECK),
        ({"kind": "'deleted'"}, CHECK),
        ({"kind": "'created'"}, CHECK),
        ({"old_value": "null"}, CHECK),
        ({"kind": "'created'", "old_value": "null"}, None),
    ],
    ids=str,
)
def test_an_entry_of_the_history_that_makes_no_sense_is_refused(
    sql: sa.Connection, columns: dict[str, str], code: str | None
) -> None:
    insert(sql)
    values = {**EVENT, **columns}
    attempt = f"insert into ticket_events ({', '.join(values)}) values ({', '.join(values.values())})"
    assert refusal(sql, attempt) == code


# The table is emptied after the last example only: what is let in does not depend on what is there.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from(WHITESPACE + "ab'\\😀\u200b\ufeff\u180e\u0345"), max_size=205))
@example("a" * 200)
@example("a" * 201)
@example("\u200b")
def test_the_database_lets_in_exactly_the_titles_that_the_models_leave_as_they_are(
    sql: sa.Connection, text: str
) -> None:
    try:
        accepted = parse(NewTicket, {"title": text, "description": "B"}).title == text
    except InvalidInput:
        accepted = False
    assert (refusal(sql, statement(title=quoted(text) if text else "''")) is None) == accepted
