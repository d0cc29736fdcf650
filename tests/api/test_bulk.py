"""Many tickets are changed by one request: by their numbers or by a filter, at most 1,000, all of them or none."""

import json
import time
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import put, stored

JSON = {"Content-Type": "application/json"}
CLOSE = {"status": "closed"}


def patch(client: TestClient, body: Any) -> Any:
    return client.patch("/api/tickets/", content=json.dumps(body), headers=JSON)


def test_tickets_named_by_their_numbers_are_changed(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{}, {"status": "closed"}, {}])
    answer = patch(client, {"ids": [3, 2, 9, 3], "changes": CLOSE})
    assert answer.status_code == 200
    assert answer.json() == {
        "results": [
            {"id": 3, "outcome": "changed", "version": 2, "before": {"status": "open"}},
            {"id": 2, "outcome": "unchanged", "version": 1, "before": None},
            {"id": 9, "outcome": "not_found", "version": None, "before": None},
        ]
    }
    assert [row.status for row in stored(sql)] == ["open", "closed", "closed"]
    sources = sql.exec_driver_sql("select source from ticket_events where kind = 'changed'").scalars().all()
    assert sources == ["api"]
    assert client.patch("/api/tickets", json={"ids": [1], "changes": CLOSE}).status_code == 200


def test_tickets_that_match_a_filter_are_changed(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{"category": "billing"}, {"category": "account"}, {"category": "billing", "title": "Refund"}])
    chosen = {"category": ["billing"], "created_from": "2020-01-01T00:00:00Z"}
    answer = patch(client, {"filter": chosen, "changes": {"priority": "low", "status": "closed"}})
    assert [result["id"] for result in answer.json()["results"]] == [3, 1]
    now = [(row.priority, row.status) for row in stored(sql)]
    assert now == [("low", "closed"), ("medium", "open"), ("low", "closed")]
    assert patch(client, {"filter": {"search": "nothing like it"}, "changes": CLOSE}).json() == {"results": []}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["changes"]),
        ({"changes": CLOSE}, ["body"]),
        ({"ids": [1], "filter": {"status": ["open"]}, "changes": CLOSE}, ["body"]),
        ({"ids": None, "filter": None, "changes": CLOSE}, ["body"]),
        ({"ids": [1]}, ["changes"]),
        ({"ids": [1], "changes": {}}, ["changes"]),
        ({"ids": [1], "changes": {"status": None}}, ["changes.status"]),
        ({"ids": [1], "changes": {"status": "red", "id": 7}}, ["changes.id", "changes.status"]),
        ({"ids": ["1"], "changes": CLOSE}, ["ids"]),
        ({"ids": [True], "changes": CLOSE}, ["ids"]),
        ({"ids": [1.0], "changes": CLOSE}, ["ids"]),
        ({"ids": 1, "changes": CLOSE}, ["ids"]),
        ({"ids": list(range(1_001)), "changes": CLOSE}, ["ids"]),
        ({"filter": {}, "changes": CLOSE}, ["filter"]),
        ({"filter": {"status": [], "search": "", "created_to": ""}, "changes": CLOSE}, ["filter"]),
        ({"filter": {"status": ["red"]}, "changes": CLOSE}, ["filter.status"]),
        ({"filter": {"colour": "red"}, "changes": CLOSE}, ["filter.colour"]),
        ({"filter": {"limit": 5}, "changes": CLOSE}, ["filter.limit"]),
        ({"ids": [1], "changes": CLOSE, "force": True}, ["force"]),
        ([], ["body"]),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_cannot_be_meant_is_refused_by_its_name_and_changes_nothing(
    client: TestClient, sql: sa.Connection, body: Any, fields: list[str]
) -> None:
    rows = put(sql, [{}])
    answer = patch(client, body)
    assert (answer.status_code, sorted(answer.json()["errors"])) == (422, fields)
    assert stored(sql) == rows


def test_an_empty_filter_is_told_why_it_is_refused(client: TestClient) -> None:
    answer = patch(client, {"filter": {}, "changes": CLOSE})
    assert "every ticket" in answer.json()["errors"]["filter"]


def test_a_filter_that_matches_too_many_is_told_how_many(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{}] * 1_001)
    answer = patch(client, {"filter": {"status": ["open"]}, "changes": CLOSE})
    assert answer.status_code == 422
    assert answer.json()["errors"]["filter"].startswith("matches 1,001 tickets")
    assert {row.status for row in stored(sql)} == {"open"}


def test_a_thousand_take_less_than_two_seconds(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{"description": f"It fails since {number}." * 20} for number in range(1_000)])
    began = time.monotonic()
    answer = patch(client, {"ids": list(range(1, 1_001)), "changes": CLOSE})
    assert time.monotonic() - began < 2
    assert {result["outcome"] for result in answer.json()["results"]} == {"changed"}
    assert {row.status for row in stored(sql)} == {"closed"}
