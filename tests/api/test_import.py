"""A file that is sent to the API becomes tickets, all of them or none, and every bad row is named."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import stored
from ticketcore import api
from ticketcore.database import Database
from ticketcore.desk import Desk

PATH = "/api/tickets/import/"
GOOD = "title,description,category\nA,one,billing\nB,two,account\n"
BAD = 'title,description\nA,"one\ntwo"\n,x\nC,y\nD,\n'
BAD_ROWS = [
    {"line": 4, "errors": {"title": "is required"}},
    {"line": 6, "errors": {"description": "is required"}},
]


@pytest.fixture(scope="module")
def server(newest_server: str) -> str:
    """One server is enough here: the subject is not the SQL."""
    return newest_server


def send(client: TestClient, content: Any, kind: str | None = "text/csv", query: str = "") -> Any:
    headers = {} if kind is None else {"Content-Type": kind}
    return client.post(PATH + query, content=content, headers=headers)


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert answer.status_code == found["status"] == status
    assert found["type"] == "about:blank"
    assert found["title"]
    assert found["detail"]
    return found


def titles(sql: sa.Connection) -> list[str]:
    return [row.title for row in stored(sql)]


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/")], ids=["with slash", "without"])
@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8", 'Text/CSV;header=present;charset="UTF-8"'])
def test_a_csv_file_becomes_tickets(client: TestClient, sql: sa.Connection, path: str, kind: str) -> None:
    answer = client.post(path, content=GOOD, headers={"Content-Type": kind})
    assert answer.status_code == 201
    assert answer.json() == {"imported": 2, "skipped": 0, "errors": [], "ignored_columns": []}
    assert [(row.title, row.description, row.category) for row in stored(sql)] == [
        ("A", "one", "billing"),
        ("B", "two", "account"),
    ]
    assert set(sql.execute(sa.text("select source from ticket_events")).scalars()) == {"import"}


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl"])
def test_json_lines_become_tickets(client: TestClient, sql: sa.Connection, kind: str) -> None:
    lines = [{"title": "A", "description": "one", "Team": 1}, {"title": "B", "description": "two\n😀"}]
    answer = send(client, "\n".join(map(json.dumps, lines)), kind)
    assert answer.status_code == 201
    assert answer.json() == {"imported": 2, "skipped": 0, "errors": [], "ignored_columns": ["Team"]}
    assert [(row.title, row.description) for row in stored(sql)] == [("A", "one"), ("B", "two\n😀")]


def test_every_bad_row_is_listed_and_nothing_is_stored(client: TestClient, sql: sa.Connection) -> None:
    found = problem(send(client, BAD), 422)
    assert found["rows"] == BAD_ROWS
    assert found["detail"] == "2 rows are not valid, so nothing was stored."
    assert set(found) == {"type", "title", "status", "detail", "rows"}
    assert stored(sql) == []


def test_bad_rows_can_be_skipped(client: TestClient, sql: sa.Connection) -> None:
    answer = send(client, BAD, query="?skip_invalid=true")
    assert answer.status_code == 201
    assert answer.json() == {"imported": 2, "skipped": 2, "errors": BAD_ROWS, "ignored_columns": []}
    assert titles(sql) == ["A", "C"]


def test_a_file_of_bad_rows_alone_is_refused_even_if_they_may_be_skipped(
    client: TestClient, sql: sa.Connection
) -> None:
    found = problem(send(client, "title,description\n,x\n", query="?skip_invalid=true"), 422)
    assert found["rows"] == [{"line": 2, "errors": {"title": "is required"}}]
    assert stored(sql) == []


def test_a_file_may_have_names_of_its_own(client: TestClient, sql: sa.Connection) -> None:
    text = "Subject,Body text,Team\nA,one,x\n"
    answer = send(client, text, query="?map=title=Subject&map=description%3DBody+text")
    assert answer.status_code == 201
    assert answer.json()["ignored_columns"] == ["Team"]
    assert [(row.title, row.description) for row in stored(sql)] == [("A", "one")]


@pytest.mark.parametrize(
    ("content", "query", "fields"),
    [
        ("", "", {"file"}),
        (None, "", {"file"}),
        ("a,b\n1,2\n", "", {"title", "description"}),
        (GOOD, "?map=title=Subject", {"title"}),
        (GOOD, "?map=title", {"map"}),
        (GOOD, "?map=colour=red", {"map"}),
        (GOOD, "?map=title=title&map=title=title", {"map"}),
        (GOOD, "?skip_invalid=perhaps", {"skip_invalid"}),
        (GOOD, "?colour=red", {"colour"}),
        (GOOD, "?names=title%3Dtitle", {"names"}),
        (b"\xff\xfet\x00i\x00", "", {"file"}),
    ],
)
def test_what_cannot_be_meant_is_named(
    client: TestClient, sql: sa.Connection, content: Any, query: str, fields: set[str]
) -> None:
    found = problem(send(client, content, query=query), 422)
    assert set(found["errors"]) == fields
    assert "rows" not in found
    assert stored(sql) == []


@pytest.mark.parametrize(
    "kind", [None, "", "application/json", "text/plain", "multipart/form-data; boundary=x", "text/csv; charset=latin-1"]
)
def test_another_kind_of_content_is_415(client: TestClient, sql: sa.Connection, kind: str | None) -> None:
    assert "text/csv" in problem(send(client, GOOD, kind), 415)["detail"]
    assert stored(sql) == []


def test_the_same_file_again_is_a_conflict(client: TestClient, sql: sa.Connection) -> None:
    assert send(client, GOOD).status_code == 201
    assert "imported already" in problem(send(client, GOOD), 409)["detail"]
    assert titles(sql) == ["A", "B"]


def test_a_large_file_may_come_in_pieces(client: TestClient, sql: sa.Connection) -> None:
    def pieces() -> Iterator[bytes]:
        yield "title,description\nfirst,😀".encode()[:-2]
        yield "😀\n".encode()[2:]
        for number in range(40):
            yield f'{number},"{"x" * 4_000}\n"\n'.encode() * 25

    answer = send(client, pieces())
    assert (answer.status_code, answer.json()["imported"]) == (201, 1_001)
    rows = stored(sql)
    assert (rows[0].title, rows[0].description) == ("first", "😀")
    assert [row.title for row in rows[1:]] == [str(number) for number in range(40) for _ in range(25)]
    assert {row.description for row in rows[1:]} == {"x" * 4_000}


def test_a_name_that_is_no_text_does_not_break_the_answer(client: TestClient) -> None:
    answer = send(client, '{"title": "A", "description": "B", "\\ud800": 1}', "application/jsonl")
    assert (answer.status_code, answer.json()["ignored_columns"]) == (201, ["?"])


def test_an_import_says_when_the_database_is_away(desk: Desk) -> None:
    away = Desk(desk.settings, Database("postgresql://nobody@127.0.0.1:1/nothing"), desk.itself.suggestions)
    with TestClient(api.build(lambda: away)) as client:
        answer = client.post("/tickets/import/", content=GOOD, headers={"Content-Type": "text/csv"})
    problem(answer, 503)
    assert answer.headers["retry-after"]
    away.db.close()


def test_the_document_describes_the_import(client: TestClient) -> None:
    call = client.get("/api/openapi.json").json()["paths"]["/tickets/import/"]["post"]
    assert {"201", "409", "415", "422", "503"} <= set(call["responses"])
    body = call["requestBody"]
    assert body["required"] is True
    assert set(body["content"]) == {"text/csv", "application/x-ndjson", "application/jsonl"}
    assert {parameter["name"] for parameter in call["parameters"]} == {"skip_invalid", "map"}
    assert all(parameter["description"] for parameter in call["parameters"])


def test_the_examples_of_the_document_can_be_imported(client: TestClient) -> None:
    call = client.get("/api/openapi.json").json()["paths"]["/tickets/import/"]["post"]
    for kind, content in call["requestBody"]["content"].items():
        answer = send(client, content["example"] + "\n" * len(kind), kind)
        assert (answer.status_code, answer.json()["imported"]) == (201, 1)
