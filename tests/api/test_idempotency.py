"""A request with an `Idempotency-Key` can be sent again: it makes one ticket, and no other request takes its place."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import stored
from ticketcore import tickets
from ticketcore.database import Database
from ticketcore.models import NewTicket, Source

NEW = {"title": "Refund", "description": "I paid twice.", "category": "billing", "priority": "high"}


def post(client: TestClient, key: str | bytes | None = "order-4711", **fields: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/tickets/", json={**NEW, **fields}, headers=headers)


def seen(answer: Any) -> tuple[Any, ...]:
    return answer.status_code, answer.content, answer.headers["location"], answer.headers["etag"]


def test_ten_retries_at_once_make_one_ticket_and_have_ten_equal_answers(client: TestClient, sql: sa.Connection) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: post(client), range(10)))
    (row,) = stored(sql)
    assert {seen(answer) for answer in answers} == {seen(answers[0])}
    assert (answers[0].status_code, answers[0].headers["location"]) == (201, f"/api/tickets/{row.id}/")
    assert sql.exec_driver_sql("select count(*) from ticket_events").scalar() == 1


def test_another_key_or_none_makes_another_ticket(client: TestClient, sql: sa.Connection) -> None:
    answers = [post(client, key) for key in ("a", "b", "A", "a b", None, None)]
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len(stored(sql)) == 6


@pytest.mark.parametrize(
    "other",
    [
        {"title": "Another"},
        {"description": "Other"},
        {"category": "account"},
        {"priority": "low"},
        {"status": "closed"},
    ],
    ids=str,
)
def test_the_same_key_with_another_body_is_a_conflict_and_stores_nothing(
    client: TestClient, sql: sa.Connection, other: dict[str, str]
) -> None:
    post(client)
    answer = post(client, **other)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert "#1" in answer.json()["detail"]
    assert [row.title for row in stored(sql)] == ["Refund"]


def test_what_means_the_same_is_the_same_body(client: TestClient) -> None:
    """What counts is what would be stored, not how it was written."""
    first = post(client)
    again = (
        '{"status":"open","priority":"high","category":"billing","description":" I paid twice.","title":"Ref\\u0075nd"}'
    )
    headers = {"Idempotency-Key": "order-4711", "Content-Type": "application/json"}
    assert seen(client.post("/api/tickets", content=again, headers=headers)) == seen(first)


def test_a_retry_finds_the_ticket_after_it_was_edited(client: TestClient, sql: sa.Connection) -> None:
    post(client)
    now = client.patch("/api/tickets/1/", json={"title": "Edited", "category": "general"}).json()
    again = post(client)
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, now, '"2"')
    assert post(client, title="Edited", category="general").status_code == 409
    assert len(stored(sql)) == 1


def test_a_key_is_not_used_up_by_a_request_that_was_refused(client: TestClient) -> None:
    assert post(client, title="").status_code == 422
    assert post(client).status_code == 201


def test_the_keys_of_the_api_and_the_drafts_of_the_dashboard_never_meet(
    client: TestClient, db: Database, sql: sa.Connection
) -> None:
    post(client)
    key, digest = sql.exec_driver_sql("select request_key, request_digest from tickets").one()
    assert key.version == 5
    assert len(digest) == 64
    draft = tickets.create(db, NewTicket(**NEW), source=Source.DASHBOARD, request_key=key)
    assert draft.id == 1, "without a digest the text decides"


@pytest.mark.parametrize(
    "key", ["", "x" * 256, "é".encode(), "a\tb", b"\x80", "a\x7f"], ids=lambda key: ascii(key)[:12]
)
def test_a_key_that_is_none_is_refused_by_its_name(client: TestClient, sql: sa.Connection, key: str | bytes) -> None:
    answer = post(client, key)
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {"Idempotency-Key"})
    assert stored(sql) == []


@pytest.mark.parametrize("key", ["x", "x" * 255, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ 09azAZ"], ids=lambda key: key[:12])
def test_any_printable_key_will_do(client: TestClient, key: str) -> None:
    assert seen(post(client, key)) == seen(post(client, key))
