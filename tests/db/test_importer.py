"""An import stores what the file says, all of it or nothing, and names every row that it cannot store."""

import csv
import io
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.oracle import CATEGORIES, LINE_BREAKS, PRIORITIES, STATUSES, trimmed
from ticketcore.database import Database
from ticketcore.errors import Conflict, DatabaseUnavailable, InvalidInput
from ticketcore.importer import Format, Imported, load, names_from

CSV, JSON = Format.CSV, Format.JSON_LINES
OWN = (
    "title", "description", "category", "priority", "status", "created_at", "resolved_at",
    "suggested_category", "suggested_priority", "suggestion_source",
)  # fmt: skip
PAST = "2024-02-29T23:59:59.123456+02:00"
LATER = "2024-03-01T08:00:00Z"
BOM = "\ufeff"


def bring(db: Database, content: str | bytes, kind: Format = CSV, **options: Any) -> Imported:
    return load(db, io.BytesIO(content if isinstance(content, bytes) else content.encode()), kind, **options)


def faults(found: Imported) -> dict[int, dict[str, str]]:
    """What is wrong in which line."""
    assert len({fault.line for fault in found.faults}) == len(found.faults)
    return {fault.line: fault.errors for fault in found.faults}


def stored(sql: sa.Connection, fields: Sequence[str] = OWN) -> list[tuple[Any, ...]]:
    """The fields of every ticket in the order of their numbers, words as text."""
    columns = ", ".join(name if name.endswith("_at") else f"{name}::text" for name in fields)
    return [tuple(row) for row in sql.execute(sa.text(f"select {columns} from tickets order by id"))]


def titles(sql: sa.Connection) -> list[str]:
    return [title for (title,) in stored(sql, ["title"])]


def history(sql: sa.Connection) -> list[tuple[Any, ...]]:
    rows = sql.execute(
        sa.text("""
            select t.title, kind, field, old_value, new_value, at, source, actor
            from ticket_events e join tickets t on t.id = ticket_id order by ticket_id, e.id""")
    )
    return [tuple(row) for row in rows]


def is_empty(sql: sa.Connection) -> bool:
    return sql.scalar(sa.text("select (select count(*) from tickets) + (select count(*) from ticket_events)")) == 0


def as_csv(rows: Sequence[Sequence[object]], **dialect: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue()


EVERY_FIELD = {
    "title": "Refund",
    "description": "I paid twice.",
    "category": "billing",
    "priority": "high",
    "status": "closed",
    "created_at": PAST,
    "resolved_at": LATER,
    "suggested_category": "account",
    "suggested_priority": "low",
    "suggestion_source": "gpt",
}
EVERY_FIELD_STORED = (
    "Refund", "I paid twice.", "billing", "high", "closed",
    datetime(2024, 2, 29, 21, 59, 59, 123456, UTC), datetime(2024, 3, 1, 8, 0, tzinfo=UTC), "account", "low", "gpt",
)  # fmt: skip


@pytest.mark.parametrize("signature", ["", BOM], ids=["plain", "signature"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_every_field_of_a_csv_file_is_stored(
    db: Database, sql: sa.Connection, delimiter: str, end: str, signature: str
) -> None:
    lines = [delimiter.join(EVERY_FIELD), delimiter.join(EVERY_FIELD.values())]
    assert bring(db, signature + end.join(lines) + end) == Imported(1, 0, [], [])
    assert stored(sql) == [EVERY_FIELD_STORED]


@pytest.mark.parametrize("signature", ["", BOM], ids=["plain", "signature"])
def test_every_field_of_json_lines_is_stored(db: Database, sql: sa.Connection, signature: str) -> None:
    lines = ["", json.dumps(EVERY_FIELD), "  ", '{"description": "B", "title": "A", "category": null}\r', ""]
    assert bring(db, signature + "\n".join(lines), JSON) == Imported(2, 0, [], [])
    first, second = stored(sql)
    assert first == EVERY_FIELD_STORED
    assert second[:5] == ("A", "B", "general", "medium", "open")
    assert second[6:] == (None,) * 4


def test_a_file_of_pandas_is_read_as_it_is(db: Database, sql: sa.Connection, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "title": ["One, two", 'A "quoted" word', "Ünï😀"],
            "description": ["first\nsecond", "a;b\tc", "d"],
            "created_at": pd.to_datetime(["2024-01-01T00:00:00.000Z", "2024-01-02T03:04:05.678Z", None]),
            "resolved_at": pd.to_datetime([None, "2024-01-03T00:00:00Z", None]),
            "status": ["open", "resolved", None],
        }
    )
    frame.to_csv(tmp_path / "a.csv")
    assert bring(db, (tmp_path / "a.csv").read_bytes()).ignored_columns == ["column 1"]
    expected = [
        ("One, two", "first\nsecond", "open", datetime(2024, 1, 1, tzinfo=UTC), None),
        (
            'A "quoted" word', "a;b\tc", "resolved",
            datetime(2024, 1, 2, 3, 4, 5, 678_000, UTC), datetime(2024, 1, 3, tzinfo=UTC),
        ),
    ]  # fmt: skip
    found = stored(sql, ["title", "description", "status", "created_at", "resolved_at"])
    assert found[:2] == expected
    assert found[2][:3] == ("Ünï😀", "d", "open")


def test_a_comma_in_the_name_of_a_column_is_not_taken_for_the_delimiter(db: Database, sql: sa.Connection) -> None:
    bring(db, "a, b, c, d;title;description\n1;A;x, y\n")
    assert stored(sql, ["title", "description"]) == [("A", "x, y")]


def test_what_is_not_given_becomes_the_default_and_now(db: Database, sql: sa.Connection) -> None:
    before = datetime.now(UTC)
    bring(db, "title,description,category,status,created_at\nA,B,,,\nC,D\n")
    after = datetime.now(UTC)
    rows = stored(sql)
    assert [row[:5] for row in rows] == [
        ("A", "B", "general", "medium", "open"),
        ("C", "D", "general", "medium", "open"),
    ]
    assert before <= rows[0][5] <= rows[1][5] <= after


def test_a_resolved_ticket_without_times_was_resolved_when_it_arrived(db: Database, sql: sa.Connection) -> None:
    bring(db, "title,description,status\nA,B,resolved\n")
    ((created_at, resolved_at),) = stored(sql, ["created_at", "resolved_at"])
    assert created_at == resolved_at
    assert [event[1:5] for event in history(sql)] == [("created", "status", None, "resolved")]


def test_the_history_tells_the_past_of_an_import(db: Database, sql: sa.Connection) -> None:
    text = (
        "title,description,status,created_at,resolved_at\n"
        "A,x,open,2024-01-01T00:00:00Z,\n"
        "B,x,closed,2024-01-02T00:00:00Z,2024-01-05T12:00:00Z\n"
        "C,x,resolved,2024-01-03T00:00:00Z,2024-01-03T00:00:00Z\n"
    )
    bring(db, text, actor="kim")
    first, second, third = (datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3))
    done = datetime(2024, 1, 5, 12, tzinfo=UTC)
    assert history(sql) == [
        ("A", "created", "status", None, "open", first, "import", "kim"),
        ("B", "created", "status", None, "open", second, "import", "kim"),
        ("B", "changed", "status", "open", "closed", done, "import", "kim"),
        ("C", "created", "status", None, "resolved", third, "import", "kim"),
    ]
    assert stored(sql, ["created_at", "updated_at", "resolved_at"]) == [
        (first, first, None),
        (second, done, done),
        (third, third, third),
    ]
    assert stored(sql, ["version"]) == [("1",)] * 3


def test_tickets_keep_the_order_of_the_file(db: Database, sql: sa.Connection) -> None:
    bring(db, "title,description\n" + "".join(f"{number},x\n" for number in range(3_000)))
    assert titles(sql) == [str(number) for number in range(3_000)]


@pytest.mark.parametrize("kind", [CSV, JSON])
def test_a_file_may_have_names_of_its_own(db: Database, sql: sa.Connection, kind: Format) -> None:
    rows = [
        {"Subject": "A", "Body text": "B", "category": "billing", "title": "not this", "Kind of=": "low"},
        {"Subject": "C", "Body text": "D", "category": "account", "title": "nor this", "Kind of=": "high"},
    ]
    text = as_csv([list(rows[0]), *[list(row.values()) for row in rows]])
    content = text if kind is CSV else "\n".join(json.dumps(row) for row in rows)
    names = names_from(["title=Subject", "description=Body text", "priority=Kind of="])
    assert bring(db, content, kind, names=names).ignored_columns == ["title"]
    assert stored(sql, OWN[:4]) == [("A", "B", "billing", "low"), ("C", "D", "account", "high")]


@pytest.mark.parametrize("pair", ["title", "title=", "=Subject", "", "colour=red", "id=number", "updated_at=changed"])
def test_a_name_for_no_field_is_refused(pair: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        names_from([pair])
    assert set(refused.value.errors) == {"map"}


def test_two_names_for_one_field_are_refused() -> None:
    with pytest.raises(InvalidInput, match="title is named twice"):
        names_from(["title=A", "title=B"])


@pytest.mark.parametrize("kind", [CSV, JSON])
def test_what_the_desk_works_out_itself_is_left_out_and_other_columns_are_reported(
    db: Database, sql: sa.Connection, kind: Format
) -> None:
    row = {
        "id": "700", "title": "A", "Assignee": "Kim", "description": "B", "updated_at": "yesterday", "version": "x",
        "resolution_hours": "-", "age_hours": "-", "reopened": "perhaps", "Team": "two",
    }  # fmt: skip
    content = as_csv([list(row), list(row.values())]) if kind is CSV else json.dumps(row)
    assert bring(db, content, kind) == Imported(1, 0, [], ["Assignee", "Team"])
    assert stored(sql, ["id", "title", "description", "version"]) == [("1", "A", "B", "1")]


@pytest.mark.parametrize(
    ("content", "kind", "names", "expected"),
    [
        ("title,category\nA,billing\n", CSV, {}, {"description": "there is no column description"}),
        ("a\nb\n", CSV, {}, {"title": "there is no column title", "description": "there is no column description"}),
        ("title,description\nA,B\n", CSV, {"title": "Subject"}, {"title": "there is no column Subject"}),
        ("title,description\nA,B\n", CSV, {"status": "State"}, {"status": "there is no column State"}),
        ("title,description,title\nA,B,C\n", CSV, {}, {"title": "there are 2 columns title"}),
        ('{"title": "A"}\n{"title": "B"}\n', JSON, {}, {"description": "there is no column description"}),
        ('{"title": "A", "description": "B"}\n', JSON, {"status": "State"}, {"status": "there is no column State"}),
        ("", CSV, {}, {"file": "is empty"}),
        ("\n \n\n", CSV, {}, {"file": "is empty"}),
        (BOM, CSV, {}, {"file": "is empty"}),
        ("", JSON, {}, {"file": "is empty"}),
        ("title,description\nA,B\n".encode("utf-16"), CSV, {}, {"file": "is not text in UTF-8"}),
        ("title,description\nA,B\n".encode("utf-16-le"), CSV, {}, {"file": "is not text in UTF-8"}),
        ("title,description,Größe\nA,B,C\n".encode("latin-1"), CSV, {}, {"file": "is not text in UTF-8"}),
        (b"PK\x03\x04" + bytes(range(256)) * 8, CSV, {}, {"file": "is not text in UTF-8"}),
        ('"title,description\nA,B\n', CSV, {}, {"file": "its header has a quote that is never closed"}),
        ('"title"x,description\nA,B\n', CSV, {}, {"file": "its header has text behind a closing quote"}),
        ("title,description\rA,B\r", CSV, {}, {"file": "its header has a carriage return outside of quotes"}),
        ("title" * 300_000, CSV, {}, {"file": "does not begin with a header"}),
        ("title" * 30_000 + ",description\n", CSV, {}, {"file": "its header has a name that is too long"}),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_file_that_cannot_be_meant_is_refused_as_a_whole(
    db: Database,
    sql: sa.Connection,
    content: str | bytes,
    kind: Format,
    names: dict[str, str],
    expected: dict[str, str],
) -> None:
    for skip_invalid in (False, True):
        with pytest.raises(InvalidInput) as refused:
            bring(db, content, kind, names=names, skip_invalid=skip_invalid)
        assert refused.value.errors == expected
        assert is_empty(sql)


@pytest.mark.parametrize(
    ("content", "kind"),
    [("title,description", CSV), ("title,description\r\n\r\n", CSV), ("\n\n", JSON)],
    ids=["header", "header and blank line", "blank lines"],
)
def test_a_file_without_rows_brings_nothing(db: Database, sql: sa.Connection, content: str, kind: Format) -> None:
    assert bring(db, content, kind) == Imported(0, 0, [], [])
    assert is_empty(sql)


WORDS = {"category": CATEGORIES, "priority": PRIORITIES, "status": STATUSES}
FUTURE = (datetime.now(UTC) + timedelta(days=2)).isoformat()
MOMENT = "must be a date and time with its offset, such as 2026-05-01T08:00:00Z"
TOGETHER = "goes with suggested_category and suggested_priority: all three or none of them"
BAD: list[tuple[dict[str, object], dict[str, str]]] = [
    ({"title": " \u2003"}, {"title": "must not be blank"}),
    ({"title": "two\nlines"}, {"title": "must be a single line"}),
    ({"title": "a\u2028b"}, {"title": "must be a single line"}),
    ({"title": "a" * 201}, {"title": "must be at most 200 characters long"}),
    ({"title": "a\x00b"}, {"title": "must not contain NUL characters"}),
    ({"description": "\t"}, {"description": "must not be blank"}),
    ({"description": "😀" * 20_001}, {"description": "must be at most 20,000 characters long"}),
    ({"description": "a\x00"}, {"description": "must not contain NUL characters"}),
    *[
        ({field: value}, {field: f"must be one of {', '.join(words)}"})
        for field, words in WORDS.items()
        for value in ("x", words[0].upper(), f"{words[0]} ", "\x00")
    ],
    ({"created_at": "yesterday at 8:00"}, {"created_at": "input should be a valid datetime"}),
    *[({"created_at": value}, {"created_at": MOMENT}) for value in ("2024-01-01", "45321", "45321.5", "-1", "\x00")],
    ({"created_at": "2024-01-01T08:00:00"}, {"created_at": "must say its offset from UTC, such as Z or +02:00"}),
    ({"created_at": "1024-01-01T08:00:00Z"}, {"created_at": "must lie between the years 1900 and 9000"}),
    ({"created_at": FUTURE}, {"created_at": "must not be in the future"}),
    (
        {"status": "closed", "created_at": PAST, "resolved_at": FUTURE},
        {"resolved_at": "must not be in the future"},
    ),
    (
        {"created_at": PAST, "resolved_at": LATER},
        {"resolved_at": "must not be given unless the ticket is resolved or closed"},
    ),
    (
        {"status": "in_progress", "created_at": PAST, "resolved_at": LATER},
        {"resolved_at": "must not be given unless the ticket is resolved or closed"},
    ),
    ({"status": "resolved", "resolved_at": LATER}, {"resolved_at": "must not be given without created_at"}),
    (
        {"status": "resolved", "created_at": LATER, "resolved_at": PAST},
        {"resolved_at": "must not be before created_at"},
    ),
    (
        {"status": "closed", "created_at": PAST},
        {"resolved_at": "is required beside created_at when the ticket is resolved or closed"},
    ),
    ({"suggestion_source": "gpt"}, {"suggestion_source": TOGETHER}),
    ({"suggested_category": "billing", "suggested_priority": "low"}, {"suggestion_source": TOGETHER}),
    ({"suggested_category": "billing", "suggestion_source": "gpt"}, {"suggestion_source": TOGETHER}),
    ({"suggested_category": "red"}, {"suggested_category": f"must be one of {', '.join(CATEGORIES)}"}),
    (
        {"suggested_category": "billing", "suggested_priority": "low", "suggestion_source": "a\x00"},
        {"suggestion_source": "must not contain NUL characters"},
    ),
    (
        {"title": " ", "description": " ", "category": "x", "status": "y"},
        {
            "title": "must not be blank",
            "description": "must not be blank",
            "category": f"must be one of {', '.join(CATEGORIES)}",
            "status": f"must be one of {', '.join(STATUSES)}",
        },
    ),
]
GOOD = {"title": "A", "description": "B"}


def similar(found: dict[int, dict[str, str]], expected: dict[int, dict[str, str]]) -> bool:
    """Equal, but for what pydantic adds to its own messages."""
    return {
        line: {field: re.sub("^(input should be a valid datetime).*", r"\1", text) for field, text in errors.items()}
        for line, errors in found.items()
    } == expected


def test_every_bad_row_of_a_csv_file_is_named_by_its_line_and_nothing_is_stored(
    db: Database, sql: sa.Connection
) -> None:
    rows: list[list[object]] = [list(OWN)]
    expected: dict[int, dict[str, str]] = {}
    line = 2
    for values, errors in BAD:
        for row in (GOOD, {**GOOD, **values}):
            rows.append([row.get(field, "") for field in OWN])
            if row is not GOOD:
                expected[line] = errors
            line += 1 + str(row["title"]).count("\n")
    assert any(line != number * 2 + 3 for number, line in enumerate(expected)), "a row of several lines is among them"
    found = bring(db, as_csv(rows, lineterminator="\n"))
    assert similar(faults(found), expected)
    assert (found.imported, found.skipped) == (0, 0)
    assert is_empty(sql)


TYPES: list[tuple[dict[str, object], dict[str, str]]] = [
    ({"title": 7}, {"title": "must be a text"}),
    ({"title": ""}, {"title": "must not be blank"}),
    ({"title": None}, {"title": "is required"}),
    ({"description": ["a"]}, {"description": "must be a text"}),
    ({"description": {"a": 1}}, {"description": "must be a text"}),
    ({"title": "\ud800"}, {"title": "must not contain lone surrogates (broken Unicode)"}),
    ({"category": ""}, {"category": f"must be one of {', '.join(CATEGORIES)}"}),
    ({"priority": 1}, {"priority": f"must be one of {', '.join(PRIORITIES)}"}),
    ({"status": True}, {"status": f"must be one of {', '.join(STATUSES)}"}),
    ({"created_at": 1_700_000_000}, {"created_at": MOMENT}),
    ({"created_at": True}, {"created_at": MOMENT}),
    ({"created_at": ""}, {"created_at": MOMENT}),
    ({"suggested_category": "billing", "suggested_priority": "low", "suggestion_source": 5},
     {"suggestion_source": "must be a text"}),
]  # fmt: skip


def test_every_bad_row_of_json_lines_is_named_by_its_line_and_nothing_is_stored(
    db: Database, sql: sa.Connection
) -> None:
    lines, expected = [], {}
    for values, errors in BAD + TYPES:
        lines += [json.dumps(GOOD), "", json.dumps({**GOOD, **values})]
        expected[len(lines)] = errors
    assert similar(faults(bring(db, "\n".join(lines), JSON)), expected)
    assert is_empty(sql)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-05-06T07:08:09Z", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06 07:08:09.5+02:00", datetime(2024, 5, 6, 5, 8, 9, 500_000, UTC)),
        ("2024-05-06 07:08:09.123456+00", datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)),
        ("2024-05-06 07:08:09-05", datetime(2024, 5, 6, 12, 8, 9, tzinfo=UTC)),
        ("2024-05-06T07:08+0530", datetime(2024, 5, 6, 1, 38, tzinfo=UTC)),
    ],
)
def test_a_time_may_be_written_as_others_write_it(
    db: Database, sql: sa.Connection, written: str, moment: datetime
) -> None:
    bring(db, f"title,description,created_at\nA,B,{written}\n")
    bring(db, json.dumps({**GOOD, "created_at": written}), JSON)
    assert stored(sql, ["created_at"]) == [(moment,)] * 2


def test_a_clock_that_is_a_little_ahead_is_no_fault(db: Database, sql: sa.Connection) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=40)
    bring(db, f"title,description,created_at\nA,B,{soon.isoformat()}\n")
    assert stored(sql, ["created_at"]) == [(soon,)]


def test_lines_are_counted_as_an_editor_counts_them(db: Database, sql: sa.Connection) -> None:
    text = (
        '"title","description","note\non two lines"\n'  # 1 and 2
        '"A","one\ntwo\r\nthree\n\nfive",x\n'  # 3 to 7
        "\n"  # 8
        ' ,"x"\n'  # 9
        '"B","one\ntwo",x,y\n'  # 10 and 11
        '"C","a\rb"\n'  # 12
        '"D",'  # 13
    )
    found = bring(db, text, skip_invalid=True)
    assert faults(found) == {
        9: {"title": "must not be blank"},
        10: {"row": "has 4 cells; the header has 3"},
        13: {"description": "is required"},
    }
    assert found.ignored_columns == ["note\non two lines"]
    assert stored(sql, ["title", "description"]) == [("A", "one\ntwo\r\nthree\n\nfive"), ("C", "a\rb")]


BROKEN = b"title,description,note\n" + b"\n".join(
    (
        b"A,fine,x",
        b"B,caf\xe9,x",  # 3
        b'"C"x,d,e',  # 4
        b"\xff,\xc3\x28,x",  # 5
        b"D,fine,\xe9",  # 6
        b"E,one\rtwo,x",  # 7
        b'F,"one\ntwo\xed\xa0\x80",x',  # 8
        b"G,fine,x",
        b'H,"never closed\nI,x,y',  # 11
    )
)


def test_a_row_that_cannot_be_read_is_a_fault_of_its_line_and_the_next_one_is_read(
    db: Database, sql: sa.Connection
) -> None:
    found = bring(db, BROKEN, skip_invalid=True)
    assert faults(found) == {
        3: {"description": "is not valid UTF-8"},
        4: {"row": "has text behind a closing quote"},
        5: {"title": "is not valid UTF-8", "description": "is not valid UTF-8"},
        6: {"row": "is not valid UTF-8"},
        7: {"row": "has a carriage return outside of quotes"},
        8: {"description": "is not valid UTF-8"},
        11: {"row": "has a quote that is never closed"},
    }
    assert (found.imported, found.skipped) == (2, 7)
    assert titles(sql) == ["A", "G"]


def test_a_line_that_is_no_json_object_is_a_fault_of_its_line(db: Database, sql: sa.Connection) -> None:
    good = json.dumps(GOOD).encode()
    lines = [
        good,
        b"{",  # 2
        b"[]",  # 3
        b"null",  # 4
        b'"A"',  # 5
        b"{'title': 'A'}",  # 6
        b"[" * 100_000,  # 7
        b"9" * 5_000,  # 8
        b'{"title": "\xe9", "description": "B"}',  # 9
        b'{"title": "\xe9',  # 10
        b"\x00",  # 11
        good + good,  # 12
        b'{"title": "A", "description": "B", "note": "\xe9"}',  # 13
        b'{"title": "' + b"a" * (1 << 21) + b'"}',  # 14
        good,
    ]
    found = bring(db, b"\n".join(lines), JSON, skip_invalid=True)
    no_json, no_object = {"row": "is not valid JSON"}, {"row": "is not a JSON object"}
    assert faults(found) == {
        2: no_json,
        3: no_object,
        4: no_object,
        5: no_object,
        6: no_json,
        7: no_json,
        8: no_json,
        9: {"title": "is not valid UTF-8"},
        10: {"row": "is not valid UTF-8"},
        11: no_json,
        12: no_json,
        13: {"row": "is not valid UTF-8"},
        14: {"row": "is longer than 1,048,576 bytes"},
    }
    assert titles(sql) == ["A", "A"]


@pytest.mark.parametrize("length", [20_001, 80_000, 131_073, 3_000_000])
@pytest.mark.parametrize("breaks", [0, 7], ids=["one line", "several lines"])
def test_a_cell_that_is_too_long_is_a_fault_of_its_field_and_the_next_row_is_read(
    db: Database, sql: sa.Connection, length: int, breaks: int
) -> None:
    cell = ("😀" * (length // (breaks + 1)) + '"\n') * breaks + "😀" * (length // (breaks + 1) + breaks)
    rows = [("note", "description", "title"), ("x", "B", "A"), ("x,\ny", cell, "long"), ("x", "B", "C")]
    found = bring(db, as_csv(rows, lineterminator="\n"), skip_invalid=True)
    (fault,) = found.faults
    assert (fault.line, list(fault.errors)) == (3, ["description"])
    assert re.search("at most 20,000 characters|far too long", fault.errors["description"])
    assert titles(sql) == ["A", "C"]


def test_a_cell_that_is_too_long_in_a_column_of_no_account_is_a_fault_of_the_row(
    db: Database, sql: sa.Connection
) -> None:
    rows = [("title", "description", "note"), ("A", "B", "x" * 200_000), ("C", "D", "x" * 100_000)]
    assert list(faults(bring(db, as_csv(rows), skip_invalid=True))[2]) == ["row"]
    assert titles(sql) == ["C"]


@pytest.mark.parametrize("kind", [CSV, JSON])
def test_the_longest_description_is_stored(db: Database, sql: sa.Connection, kind: Format) -> None:
    long = "😀" * 19_999 + "!"
    title = "漢" * 200
    content = as_csv([("title", "description"), (title, long)]) if kind is CSV else (
        json.dumps({"title": title, "description": long})
    )  # fmt: skip
    assert bring(db, content, kind).imported == 1
    assert stored(sql, ["title", "description"]) == [(title, long)]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("'=1+1", "=1+1"),
        ("''=1+1", "'=1+1"),
        ("'+49 30 1234", "+49 30 1234"),
        ("'-", "-"),
        ("'@everyone", "@everyone"),
        ("'\t=x", "=x"),
        ("=1+1", "=1+1"),
        ("'quoted'", "'quoted'"),
        ("''", "''"),
        ("' =", "' ="),
        ("x'=1", "x'=1"),
    ],
    ids=ascii,
)
def test_a_quote_against_formulas_is_taken_off_in_csv_alone(
    db: Database, sql: sa.Connection, cell: str, text: str
) -> None:
    bring(db, as_csv([("description", "title"), (cell, "csv")]))
    bring(db, json.dumps({"title": "json", "description": cell}), JSON)
    assert stored(sql, ["title", "description"]) == [("csv", text), ("json", trimmed(cell))]


def test_good_rows_are_stored_if_bad_ones_are_to_be_skipped(db: Database, sql: sa.Connection) -> None:
    text = "title,description,status\n" + "".join(
        f"{number},x,{'open' if number % 3 else 'lost'}\n" for number in range(9_000)
    )
    refused = bring(db, text)
    assert (refused.imported, refused.skipped, len(refused.faults)) == (0, 0, 3_000)
    assert [fault.line for fault in refused.faults] == list(range(2, 9_002, 3))
    assert is_empty(sql)
    found = bring(db, text, skip_invalid=True)
    assert (found.imported, found.skipped, found.faults) == (6_000, 3_000, refused.faults)
    assert titles(sql) == [str(number) for number in range(9_000) if number % 3]


def test_the_last_row_keeps_all_others_out(db: Database, sql: sa.Connection) -> None:
    text = "title,description\n" + "A,B\n" * 20_000
    assert faults(bring(db, text + "C,\n")) == {20_002: {"description": "is required"}}
    assert is_empty(sql)
    assert bring(db, text).imported == 20_000
    assert len(titles(sql)) == 20_000


@pytest.mark.parametrize("kind", [CSV, JSON])
def test_the_same_file_again_is_refused(db: Database, sql: sa.Connection, kind: Format) -> None:
    content = "title,description,x\nA,B,C\nA,B,C\n" if kind is CSV else '{"title":"A","description":"B","x":"C"}\n' * 2
    assert bring(db, content, kind).imported == 2
    before = stored(sql), history(sql)
    for skip_invalid in (False, True):
        with pytest.raises(Conflict, match="imported already"):
            bring(db, content, kind, skip_invalid=skip_invalid)
    assert (stored(sql), history(sql)) == before
    assert bring(db, content + "\n", kind).imported == 2, "another file"
    assert bring(db, content, kind, names={"description": "x"}).imported == 2, "the same, read otherwise"
    assert [description for (description,) in stored(sql, ["description"])] == ["B"] * 4 + ["C"] * 2


def test_the_same_file_at_once_through_two_doors_is_stored_once(db: Database, sql: sa.Connection) -> None:
    content = "title,description\n" + "A,B\n" * 50_000
    second: list[object] = []

    def meanwhile(_bytes_read: int) -> None:
        if not second:
            second.append(None)
            second[0] = bring(db, content).imported

    with pytest.raises(Conflict):
        bring(db, content, on_progress=meanwhile)
    assert second == [50_000]
    assert len(titles(sql)) == 50_000


def test_progress_ends_with_the_last_byte_and_never_goes_back(db: Database, sql: sa.Connection) -> None:
    content = BOM + "title,description\n" + "A,😀\n" * 60_000
    for text in (content, content + "B,\n", content.replace("\n", "\nB,\n", 1)):
        seen: list[int] = []
        bring(db, text, on_progress=seen.append)
        assert len(seen) > 2
        assert seen == sorted(seen)
        assert seen[-1] == len(text.encode())
    assert len(titles(sql)) == 60_000


def test_a_failure_in_the_middle_stores_nothing_and_is_not_disguised(db: Database, sql: sa.Connection) -> None:
    calls: list[int] = []

    def stop(bytes_read: int) -> None:
        calls.append(bytes_read)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(db, "title,description\n" + "A,B\n" * 50_000, on_progress=stop)
    assert len(calls) == 3
    assert is_empty(sql)
    assert bring(db, "title,description\nA,B\n").imported == 1, "the connection is as good as before"


def test_a_database_that_dies_in_the_middle_is_said_to_be_away(db: Database, sql: sa.Connection) -> None:
    kill = sa.text(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query ilike 'copy%'"
    )
    killed: list[bool] = []

    def cut(_bytes_read: int) -> None:
        if not killed:
            killed.extend(sql.execute(kill).scalars())

    with pytest.raises(DatabaseUnavailable):
        bring(db, "title,description\n" + "A,B\n" * 300_000, on_progress=cut)
    assert killed == [True]
    assert is_empty(sql)


letters = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
unusual = st.lists(st.sampled_from([*"'\"=+-@\t\r\n,;\\N.", "\\N", "\u202e", "\u200f", "שלום", "😀", " "]), max_size=8)
texts = st.one_of(letters, unusual.map("".join)).filter(trimmed)
moments = st.timedeltas(timedelta(0), timedelta(days=45_000)).map(lambda age: datetime(2025, 1, 1, tzinfo=UTC) - age)


@st.composite
def tickets(draw: st.DrawFn) -> tuple[Any, ...]:
    title = draw(texts.filter(lambda text: not set(trimmed(text)) & set(LINE_BREAKS)))
    status = draw(st.sampled_from(STATUSES))
    created_at, later = sorted((draw(moments), draw(moments)))
    suggestion = draw(
        st.one_of(
            st.just((None,) * 3), st.tuples(st.sampled_from(CATEGORIES), st.sampled_from(PRIORITIES), st.just("m"))
        )
    )
    resolved_at = later if status in ("resolved", "closed") else None
    words = draw(st.sampled_from(CATEGORIES)), draw(st.sampled_from(PRIORITIES))
    return title, draw(texts), *words, status, created_at, resolved_at, *suggestion


def guarded(text: str) -> str:
    """As our export writes a text into a cell."""
    return f"'{text}" if re.match(r"'*[=+\-@\t\r]", text) else text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(tickets(), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    zone=st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
@example(
    rows=[("\\.", "\\N", "billing", "low", "open", datetime(2024, 1, 1, tzinfo=UTC), None, None, None, None)],
    delimiter=",",
    end="\n",
    zone=UTC,
)
def test_tickets_that_were_written_to_a_file_come_in_as_they_were(
    db: Database, sql: sa.Connection, rows: list[tuple[Any, ...]], delimiter: str, end: str, zone: timezone
) -> None:
    written = [[value.astimezone(zone) if isinstance(value, datetime) else value for value in row] for row in rows]
    cells = [[guarded(value) if isinstance(value, str) else value for value in row] for row in written]
    lines = [json.dumps(dict(zip(OWN, row, strict=True)), default=datetime.isoformat) for row in written]
    expected = [(trimmed(row[0]), trimmed(row[1]), *row[2:]) for row in rows]
    # Before Python 3.13, a carriage return is quoted only where it ends the lines.
    quoting = csv.QUOTE_MINIMAL if "\r" in end else csv.QUOTE_ALL
    for content, kind in (
        (as_csv([OWN, *cells], delimiter=delimiter, lineterminator=end, quoting=quoting), CSV),
        (end.join(lines), JSON),
    ):
        sql.execute(sa.text("truncate tickets, ticket_events"))
        assert bring(db, content, kind) == Imported(len(rows), 0, [], [])
        assert stored(sql) == expected


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from(
                [b'"', b",", b"\n", b"\r", b"a", b"\x00", b"\xff", b"{", b"}", b'"title":"x"', b"\xc3\xa4"]
            ),
            max_size=40,
        ).map(b"".join),
    ),
    kind=st.sampled_from([CSV, JSON]),
)
def test_whatever_the_bytes_every_row_is_a_ticket_or_a_fault(
    db: Database, sql: sa.Connection, content: bytes, kind: Format
) -> None:
    sql.execute(sa.text("truncate tickets, ticket_events"))
    try:
        found = bring(db, b"title,description\n" + content if kind is CSV else content, kind, skip_invalid=True)
    except InvalidInput:
        assert kind is JSON
        assert is_empty(sql)
        return
    assert found.imported == len(titles(sql))
    assert all(fault.errors for fault in found.faults)
    lines = [fault.line for fault in found.faults]
    assert lines == sorted(set(lines))
    assert all(1 <= line <= content.count(b"\n") + 2 for line in lines)
