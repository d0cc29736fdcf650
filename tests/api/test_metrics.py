"""What Prometheus reads: requests, durations, suggestions, connections, and tickets by status."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.oracle import put
from ticketcore import api
from ticketcore.database import Database
from ticketcore.desk import Desk

Sample = Callable[..., float | None]


@pytest.fixture
def sample(client: TestClient) -> Sample:
    """The value of a sample now; None where there is none."""

    def read(name: str, **labels: str) -> float | None:
        answer = client.get("/api/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        for family in text_string_to_metric_families(answer.text):
            for one in family.samples:
                if one.name == name and one.labels == labels:
                    return float(one.value)
        return None

    return read


def test_tickets_are_counted_by_status(sample: Sample, sql: sa.Connection) -> None:
    put(sql, [{"status": "open"}] * 3 + [{"status": "in_progress"}])
    assert [sample("desk_tickets", status=status) for status in ("open", "in_progress", "resolved", "closed")] == [
        3, 1, 0, 0,
    ]  # fmt: skip
    assert sample("desk_database_up") == 1


def test_requests_are_counted_by_route_and_status_and_timed(client: TestClient, sample: Sample) -> None:
    read = {"method": "GET", "path": "/tickets/{ticket_id}/"}
    name = {"name": "desk_requests_total", **read}
    before = {status: sample(**name, status=status) or 0 for status in ("200", "404")}
    took = sample("desk_request_duration_seconds_count", **read) or 0
    number = client.post("/api/tickets/", json={"title": "A", "description": "B"}).json()["id"]
    for path in (f"/api/tickets/{number}/", f"/api/tickets/{number}", "/api/tickets/987654/"):
        client.get(path)
    after = {status: sample(**name, status=status) or 0 for status in ("200", "404")}
    assert {status: after[status] - before[status] for status in after} == {"200": 2, "404": 1}
    assert sample("desk_request_duration_seconds_count", **read) == took + 3


def test_whoever_scans_makes_no_names(client: TestClient, sample: Sample) -> None:
    for path in ("/api/wp-admin/1", "/api/wp-admin/2", "/api/.env"):
        client.request("BREW", path)
    assert (sample("desk_requests_total", method="other", path="other", status="404") or 0) >= 3
    assert "wp-admin" not in client.get("/api/metrics").text


def test_suggestions_are_counted_by_who_gave_them(client: TestClient, sample: Sample) -> None:
    before = sample("desk_suggestions_total", source="rules") or 0
    client.post("/api/tickets/classify/", json={"description": "Refund, no rush"})
    assert sample("desk_suggestions_total", source="rules") == before + 1


def test_the_connections_of_the_pool_are_told(sample: Sample, db: Database) -> None:
    with db.read(), db.read():
        assert (sample("desk_connections", state="in_use") or 0) >= 2
    assert sample("desk_connections", state="limit") == 40


def test_while_the_database_is_away_everything_else_is_told(desk: Desk) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with TestClient(api.build(lambda: replace(desk, _db=away))) as client:
        answer = client.get("/metrics/")
    assert answer.status_code == 200
    samples = {one.name: one.value for family in text_string_to_metric_families(answer.text) for one in family.samples}
    assert samples["desk_database_up"] == 0
    assert "desk_tickets" not in samples
    assert samples["process_resident_memory_bytes"] > 10_000_000
    away.close()
