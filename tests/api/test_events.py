"""A ticket's history is an array, oldest entry first."""

import sqlalchemy as sa
from starlette.testclient import TestClient

KEYS = ("id", "ticket_id", "actor", "source", "kind", "field", "old_value", "new_value")


def test_the_history_tells_what_happened_oldest_first(client: TestClient, sql: sa.Connection) -> None:
    client.post("/api/tickets/", json={"title": "Another", "description": "B"})
    client.post("/api/tickets/", json={"title": "A", "description": "B"})
    client.patch("/api/tickets/2/", json={"status": "resolved"})
    sql.exec_driver_sql("update tickets set priority = 'low' where id = 2")
    for path in ("/api/tickets/2/events/", "/api/tickets/2/events"):
        answer = client.get(path)
        assert answer.status_code == 200
        user = sql.exec_driver_sql("select session_user::text").scalar()
        assert [tuple(event[key] for key in KEYS) for event in answer.json()] == [
            (2, 2, None, "api", "created", "status", None, "open"),
            (3, 2, None, "api", "changed", "status", "open", "resolved"),
            (4, 2, user, "sql", "changed", "priority", "medium", "low"),
        ]
        moments = [event["at"] for event in answer.json()]
        assert moments == sorted(moments)
        assert all(moment.endswith("Z") for moment in moments)


def test_a_ticket_that_is_not_there_has_no_history(client: TestClient) -> None:
    for number in ("1", "0", "-1", str(2**63)):
        answer = client.get(f"/api/tickets/{number}/events/")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_note_is_added_and_told_with_the_history(client: TestClient) -> None:
    client.post("/api/tickets/", json={"title": "A", "description": "B"})
    answer = client.post("/api/tickets/1/notes/", json={"text": " Called back. "})
    assert answer.status_code == 201
    note = client.get("/api/tickets/1/events/").json()[-1]
    assert answer.json() == note
    assert tuple(note[key] for key in KEYS) == (2, 1, None, "api", "noted", "note", None, "Called back.")
    assert client.get("/api/tickets/1/").json()["version"] == 1


def test_a_note_that_cannot_be_kept_is_refused_and_nothing_is_added(client: TestClient) -> None:
    client.post("/api/tickets/", json={"title": "A", "description": "B"})
    for body, status, field in (
        ({"text": "  "}, 422, "text"),
        ({"text": "a" * 20_001}, 422, "text"),
        ({}, 422, "text"),
        ({"text": "A", "by": "me"}, 422, "by"),
    ):
        answer = client.post("/api/tickets/1/notes/", json=body)
        assert (answer.status_code, set(answer.json()["errors"])) == (status, {field})
    assert client.post("/api/tickets/2/notes/", json={"text": "A"}).status_code == 404
    assert len(client.get("/api/tickets/1/events/").json()) == 1


def test_people_and_links_are_set_and_cleared_with_null(client: TestClient) -> None:
    for title in ("A", "B"):
        client.post("/api/tickets/", json={"title": title, "description": "C", "reporter": "j.doe@example.com"})
    changed = client.patch("/api/tickets/2/", json={"assignee": "Ann", "duplicate_of": 1, "status": "closed"})
    assert [changed.json()[key] for key in ("assignee", "reporter", "duplicate_of", "version")] == [
        "Ann", "j.doe@example.com", 1, 2,
    ]  # fmt: skip
    cleared = client.patch("/api/tickets/2/", json={"assignee": None, "reporter": None, "duplicate_of": None})
    assert [cleared.json()[key] for key in ("assignee", "reporter", "duplicate_of", "version")] == [None, None, None, 3]
    assert client.patch("/api/tickets/2/", json={"title": None}).status_code == 422
    wrong = client.patch("/api/tickets/2/", json={"duplicate_of": 2})
    assert (wrong.status_code, set(wrong.json()["errors"])) == (422, {"duplicate_of"})
    assert [ticket["id"] for ticket in client.get("/api/tickets/?assignee=Ann").json()] == []
