"""Every error is problem+json that says what is wrong, with which field; nothing is stored, and nothing leaks."""

import json
import logging
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import put, stored
from ticketcore import api
from ticketcore.desk import Desk

GOOD = {"title": "Refund", "description": "I paid twice."}
JSON = {"Content-Type": "application/json"}
CALLS = (("POST", "/api/tickets/"), ("PATCH", "/api/tickets/1/"), ("POST", "/api/tickets/classify/"))


@pytest.fixture(scope="module")
def server(newest_server: str) -> str:
    """One server is enough here: none of these requests is for the database to answer."""
    return newest_server


def problem(answer: Any, status: int | None = None) -> dict[str, Any]:
    """The problem that the answer states, in the shape of RFC 9457."""
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= set(found) <= {"type", "title", "status", "detail", "errors"}
    assert found["status"] == answer.status_code
    assert all(isinstance(found[key], str) and found[key] for key in ("type", "title", "detail"))
    assert 400 <= answer.status_code < 600
    if status:
        assert answer.status_code == status
    for field, message in found.get("errors", {}).items():
        assert field in found["detail"]
        assert message in found["detail"]
    return found


def faults(answer: Any) -> dict[str, str]:
    """The fields that a 422 names, with what is wrong with them."""
    errors: dict[str, str] = problem(answer, 422)["errors"]
    assert errors
    return errors


@pytest.fixture(autouse=True)
def ticket(sql: sa.Connection, client: TestClient) -> Any:
    """The one ticket of the desk, which no error may change."""
    del client  # asked for so that the tables are emptied
    (row,) = put(sql, [{}])
    yield row
    assert stored(sql) == [row]


@pytest.mark.parametrize(
    "body",
    [b'{"title":', b"{'title': 'a'}", b"title", b"{", b"\xff\xfe", b'{"description": "\xff"}', b"\x00", b"}" * 50],
    ids=ascii,
)
def test_what_is_not_json_is_said_to_be_none(client: TestClient, body: bytes) -> None:
    for method, path in CALLS:
        answer = client.request(method, path, content=body, headers=JSON)
        found = problem(answer)
        assert answer.status_code in (400, 422)
        assert not any(field.isdigit() for field in found.get("errors", {})), "a place in the text is no field"
        assert "jSON" not in found["detail"]


@pytest.mark.parametrize("opening", ["[", '{"title":', '{"description":[', "[{"])
def test_json_nested_without_end_is_refused(client: TestClient, opening: str) -> None:
    for method, path in CALLS:
        for body in (opening * 100_000, '{"title": ' + "[" * 50_000 + "]" * 50_000 + "}"):
            problem(client.request(method, path, content=body, headers=JSON))


@pytest.mark.parametrize("body", ["[]", "[{}]", "null", '"title"', "7", "true", "NaN", "1e999", "9" * 5_000])
def test_what_is_no_object_is_refused(client: TestClient, body: str) -> None:
    for method, path in CALLS:
        problem(client.request(method, path, content=body, headers=JSON))


def test_a_missing_body_is_said_to_be_required(client: TestClient) -> None:
    for method, path in CALLS:
        for headers in (JSON, {}):
            assert faults(client.request(method, path, headers=headers)) == {"body": "is required"}


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data; boundary=x", ""],
)
def test_another_kind_of_content_is_refused(client: TestClient, kind: str) -> None:
    for method, path in CALLS:
        answer = client.request(method, path, content=json.dumps(GOOD), headers={"Content-Type": kind})
        problem(answer)
        assert answer.status_code in (400, 415, 422)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", " \u2003\n"),
        ("title", "a" * 201),
        ("title", "two\nlines"),
        ("title", "a\x00b"),
        ("title", "\ud800"),
        ("title", None),
        ("title", 7),
        ("title", ["a"]),
        ("description", "\t"),
        ("description", "a" * 20_001),
        ("description", "\x00"),
        ("description", "a\udfffb"),
        ("description", {}),
        ("category", "red"),
        ("category", "Billing"),
        ("category", ""),
        ("priority", None),
        ("priority", 3),
        ("status", "reopened"),
        ("status", ["open"]),
        ("id", 7),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("colour", "red"),
        ("query", "red"),
        ("path", "red"),
        ("body", "red"),
    ],
    ids=ascii,
)
def test_a_bad_field_is_named_and_nothing_is_stored(client: TestClient, field: str, value: object) -> None:
    for method, path in CALLS[:2]:
        answer = client.request(method, path, content=json.dumps({**GOOD, field: value}), headers=JSON)
        assert set(faults(answer)) == {field}


def test_a_field_whose_name_is_no_text_is_refused(client: TestClient) -> None:
    body = '{"title": "a", "description": "b", "\\ud800": 1}'
    for method, path in CALLS[:2]:
        faults(client.request(method, path, content=body, headers=JSON))


def test_all_bad_fields_are_named_at_once(client: TestClient) -> None:
    wrong = {"title": "", "description": None, "category": "x", "priority": [], "status": 1, "colour": "red"}
    assert set(faults(client.post("/api/tickets/", json=wrong))) == set(wrong)
    assert set(faults(client.patch("/api/tickets/1/", json=wrong))) == set(wrong)
    assert set(faults(client.post("/api/tickets/", json={}))) == {"title", "description"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("category=red", "category"),
        ("category=billing&category=red", "category"),
        ("priority=urgent", "priority"),
        ("status=OPEN", "status"),
        ("status=open,closed", "status"),
        ("search=%00", "search"),
        ("search=" + "a" * 1_001, "search"),
        ("created_from=yesterday", "created_from"),
        ("created_from=2026-01-01", "created_from"),
        ("created_to=2026-01-01T00:00:00", "created_to"),
        ("created_from=0001-01-01T00:00:00%2B14:00", "created_from"),
        ("created_to=9999-12-31T23:59:59-14:00", "created_to"),
        ("offset=10", "offset"),
        ("Search=a", "Search"),
    ],
    ids=lambda value: value[:40],
)
def test_what_a_filter_cannot_mean_is_refused_by_its_name(client: TestClient, query: str, field: str) -> None:
    for path in ("/api/tickets/", "/api/tickets", "/api/tickets/stats/", "/api/tickets/stats"):
        assert {name.partition(".")[0] for name in faults(client.get(f"{path}?{query}"))} == {field}


def test_a_range_that_runs_backwards_is_refused(client: TestClient) -> None:
    query = "created_from=2026-01-02T00:00:00Z&created_to=2026-01-01T00:00:00Z"
    assert "created_to: must be after created_from" in problem(client.get(f"/api/tickets/?{query}"), 422)["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *[(f"limit={limit}", "limit") for limit in ("0", "-1", "1001", "ten", "1.5", "9" * 30, "9" * 5_000)],
        *[(f"after={after}", "after") for after in ("0", "-1", "2", "x", "9" * 30, "9" * 5_000)],
    ],
    ids=lambda value: value[:40],
)
def test_a_page_that_cannot_be_is_refused(client: TestClient, query: str, field: str) -> None:
    assert set(faults(client.get(f"/api/tickets/?{query}"))) == {field}


def test_the_largest_page_is_not_refused(client: TestClient) -> None:
    assert client.get("/api/tickets/?limit=1000").status_code == 200
    assert client.get("/api/tickets/?limit=1").status_code == 200


@pytest.mark.parametrize("number", ["x", "1.5", "%00", "%F0%9F%98%80", "9" * 5_000, "null", "1;2", "%ED%A0%80"])
def test_what_is_no_number_of_a_ticket_is_refused(client: TestClient, number: str) -> None:
    for answer in (
        client.get(f"/api/tickets/{number}/"),
        client.patch(f"/api/tickets/{number}/", json={"status": "closed"}),
    ):
        problem(answer)
        assert answer.status_code in (404, 422)


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/nowhere/", "/api/tickets/1/2/", "/api/tickets//", "/api/a.b"])
def test_an_unknown_path_is_404(client: TestClient, path: str) -> None:
    problem(client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[(method, "/api/tickets/") for method in ("PUT", "DELETE")],
        *[(method, "/api/tickets/1/") for method in ("PUT", "DELETE", "POST")],
        *[(method, "/api/tickets/stats/") for method in ("POST", "DELETE", "PATCH")],
        ("DELETE", "/api/tickets/classify"),
        ("GET", "/api/tickets/classify/"),
        ("POST", "/api/tickets/1/events/"),
        ("POST", "/api/health/ready"),
    ],
)
def test_a_method_that_a_path_does_not_know_is_405(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    problem(answer, 405)
    assert answer.headers["allow"]


class Broken:
    """A database that fails in a way that nobody foresaw."""

    def limited_to(self, _role: object) -> "Broken":
        return self

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("password=hunter2 in ticketcore/secret.py")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/tickets/", None),
        ("GET", "/tickets/1/", None),
        ("POST", "/tickets/", GOOD),
        ("PATCH", "/tickets/1/", {"status": "closed"}),
        ("GET", "/tickets/stats/", None),
        ("GET", "/health/ready/", None),
    ],
)
def test_a_failure_that_nobody_foresaw_is_logged_and_tells_the_client_nothing(
    desk: Desk, caplog: pytest.LogCaptureFixture, method: str, path: str, body: object
) -> None:
    broken = Desk(desk.settings, Broken(), desk.itself.suggestions)
    with TestClient(api.build(lambda: broken), raise_server_exceptions=False) as client:
        answer = client.request(method, path, json=body)
    problem(answer, 500)
    assert not any(word in answer.text for word in ("hunter2", "RuntimeError", "Traceback", "secret"))
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info
    assert path in record.getMessage()
