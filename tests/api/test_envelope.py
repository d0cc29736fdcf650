"""Every answer says which request it is to, is not kept by caches, and has one line in the log without its secrets."""

import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from tests.oracle import put
from ticketcore import api, journal
from ticketcore.api.middleware import HeadAsGet
from ticketcore.desk import Desk

CALLS = [
    ("GET", "/api/tickets/", 200),
    ("GET", "/api/tickets/1/", 200),
    ("GET", "/api/tickets/7/", 404),
    ("POST", "/api/tickets/", 422),
    ("PUT", "/api/tickets/", 405),
    ("GET", "/api/nowhere", 404),
    ("GET", "/api/health/live", 200),
    ("GET", "/api/docs", 200),
    ("GET", "/api/openapi.json", 200),
]


@pytest.fixture(scope="module")
def server(newest_server: str) -> str:
    """One server is enough here: the subject is not the SQL."""
    return newest_server


@pytest.fixture(autouse=True)
def ticket(client: TestClient, sql: sa.Connection) -> None:
    del client  # asked for so that the tables are emptied
    put(sql, [{}])


class Broken:
    """A database that fails in a way that nobody foresaw."""

    def limited_to(self, _role: object) -> "Broken":
        return self

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("boom")


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "ticketcore.api" and hasattr(record, "fields")]


@pytest.mark.parametrize(("method", "path", "status"), CALLS)
def test_every_answer_has_the_number_of_its_request_and_is_not_stored(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answers = [client.request(method, path) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status] * 2
    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * 2
    numbers = {answer.headers["x-request-id"] for answer in answers}
    assert len(numbers) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", number) for number in numbers)


@pytest.mark.parametrize("own", ["a", "order-4711.retry_2", "x" * 100])
def test_the_callers_own_number_is_kept(client: TestClient, own: str) -> None:
    for method, path, _ in CALLS:
        assert client.request(method, path, headers={"X-Request-ID": own}).headers["x-request-id"] == own


@pytest.mark.parametrize("own", ["", " ", "x" * 101, "a b", "a\tb", "é", "a/b", 'a"b', "a=b", "٣"], ids=ascii)
def test_a_number_that_could_confuse_a_log_is_replaced(client: TestClient, own: str) -> None:
    answer = client.get("/api/tickets/", headers={"X-Request-ID": own.encode()})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize(("method", "path", "status"), CALLS)
def test_every_request_is_one_line_in_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture, method: str, path: str, status: int
) -> None:
    with caplog.at_level(logging.INFO):
        client.request(method, path)
    (record,) = lines(caplog)
    fields = record.fields
    assert record.getMessage() == f"{method} {fields['path']} {status}"
    assert (fields["method"], fields["path"].rstrip("/"), fields["status"]) == (method, path.rstrip("/"), status)
    assert 0 <= float(fields["ms"]) < 60_000


def test_the_log_never_has_what_is_searched_for_or_sent(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="ticketcore"):
        client.get("/api/tickets/?search=hunter2")
        client.get("/api/tickets/?updated_since=hunter2")
        body = {"title": "hunter2", "description": "hunter2", "category": "hunter2"}
        client.post("/api/tickets/", json=body, headers={"Idempotency-Key": "hunter2"})
        client.patch("/api/tickets/1/", json={"title": "hunter2"}, headers={"If-Match": '"hunter2"'})
    assert len(lines(caplog)) == 4
    assert "hunter2" not in "\n".join(journal.Logfmt().format(record) for record in caplog.records)


def test_a_line_logged_while_a_request_is_answered_names_the_request(desk: Desk) -> None:
    """Routes run in a thread of their own; what they log belongs to the request all the same."""
    written: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    class Talkative(Broken):
        def read(self) -> Any:
            logging.getLogger("ticketcore.database").warning("slow")
            raise RuntimeError("boom")

    handler = Kept()
    handler.setFormatter(journal.Logfmt())
    logging.getLogger("ticketcore").addHandler(handler)
    try:
        with TestClient(api.build(lambda: Desk(desk.settings, Talkative(), desk.itself.suggestions))) as client:
            answer = client.get("/tickets/1/", headers={"X-Request-ID": "mine"})
    finally:
        logging.getLogger("ticketcore").removeHandler(handler)
    assert [(line.split()[2], "request_id=mine" in line) for line in written] == [
        ("logger=ticketcore.database", True),
        ("logger=ticketcore.api", True),
    ]
    assert answer.headers["x-request-id"] == "mine"


def test_a_failure_that_nobody_foresaw_is_answered_like_everything_else(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    broken = api.build(lambda: Desk(desk.settings, Broken(), desk.itself.suggestions))
    with TestClient(broken) as client, caplog.at_level(logging.INFO):
        answer = client.get("/tickets/1/", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"], answer.headers["cache-control"]) == (
        500, "mine", "no-store",
    )  # fmt: skip
    assert [record.fields["status"] for record in lines(caplog)] == [500]


@pytest.mark.parametrize(
    "path",
    ["/api/tickets/", "/api/tickets", "/api/tickets/1", "/api/tickets/7/", "/api/tickets/1/events/",
     "/api/tickets/stats/", "/api/health/ready", "/api/docs", "/api/tickets/?limit=0", "/api/nowhere"],
)  # fmt: skip
def test_head_is_answered_as_get_without_the_body(client: TestClient, path: str) -> None:
    found, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (found.status_code, b"")
    for headers in (found.headers, head.headers):
        headers.pop("x-request-id")
    assert head.headers == found.headers


def test_head_where_nothing_can_be_read_is_405(client: TestClient) -> None:
    answer = client.head("/api/tickets/classify/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/tickets/", "GET, HEAD, POST, PATCH"),
        ("/api/tickets", "GET, HEAD, POST, PATCH"),
        ("/api/tickets/1/", "GET, HEAD, PATCH"),
        ("/api/tickets/1/events/", "GET, HEAD"),
        ("/api/tickets/stats/", "GET, HEAD"),
        ("/api/tickets/classify/", "POST"),
        ("/api/health/live", "GET, HEAD"),
    ],
)
def test_405_names_every_method_of_the_path(client: TestClient, path: str, methods: str) -> None:
    for method in ("DELETE", "OPTIONS", "TRACE"):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)


@pytest.mark.parametrize("version", ["2.0", "2.4"])
def test_head_of_a_stream_ends_it_at_its_first_piece(version: str) -> None:
    """An export, say, is not made only to be thrown away."""
    begun, ended = [], []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                begun.append(1)
                await anyio.sleep(0)
                yield b"more"
        finally:
            ended.append(1)

    async def process(scope: Scope, receive: Receive, send: Send) -> None:
        await HeadAsGet(StreamingResponse(endless()))({**scope, "asgi": {"spec_version": version}}, receive, send)

    answer = TestClient(process).head("/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(begun) <= 2
    assert ended
