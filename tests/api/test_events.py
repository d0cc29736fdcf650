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
