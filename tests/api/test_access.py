"""Who may do what over the API: every call with every kind of token, limits, and addresses that are signed."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests.oracle import put
from tests.unit.test_access import SIGN_IN
from ticketcore import api, seals, tokens
from ticketcore.access import Person, Role
from ticketcore.chain import Chain
from ticketcore.classifier import Classifier
from ticketcore.database import Database
from ticketcore.desk import Desk
from ticketcore.errors import InvalidInput
from ticketcore.settings import read

NEW = {"title": "Refund", "description": "I paid twice."}
Asking = Callable[..., Any]


def build(db: Database, **environment: str) -> tuple[Desk, FastAPI, TestClient]:
    chosen = read({**SIGN_IN, **environment})
    desk = Desk(chosen, db, Chain(Classifier(chosen)))
    app = api.build(lambda: desk)
    return desk, app, TestClient(Starlette(routes=[Mount("/api", app)]), follow_redirects=False)


@pytest.fixture
def guarded(db: Database, sql: sa.Connection) -> Iterator[tuple[Desk, FastAPI, TestClient]]:
    """The API of a desk with sign-in that has two tickets."""
    put(sql, [{}, {}])
    built = build(db)
    with built[2]:
        yield built
    built[0].close()
    sql.exec_driver_sql("truncate api_tokens restart identity")


@pytest.fixture
def token(db: Database) -> Callable[..., str]:
    return lambda role, name="A program", days=1: tokens.make(db, name, Role(role), days=days, by="Lea")


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


CALLS: dict[tuple[str, str], tuple[str, dict[str, Any], str]] = {
    # what the API offers: an example of it, and the role that it takes
    ("GET", "/tickets/"): ("/tickets/", {}, "viewer"),
    ("POST", "/tickets/"): ("/tickets/", {"json": NEW}, "agent"),
    ("PATCH", "/tickets/"): ("/tickets/", {"json": {"ids": [1], "changes": {"status": "closed"}}}, "lead"),
    ("GET", "/tickets/stats/"): ("/tickets/stats/", {}, "viewer"),
    ("POST", "/tickets/classify/"): ("/tickets/classify/", {"json": {"description": "Help"}}, "agent"),
    ("GET", "/tickets/export/"): ("/tickets/export/?format=csv", {}, "viewer"),
    ("POST", "/tickets/import/"): (
        "/tickets/import/", {"content": "title,description\nA,B\n", "headers": {"Content-Type": "text/csv"}}, "lead",
    ),
    ("GET", "/tickets/{ticket_id}/"): ("/tickets/1/", {}, "viewer"),
    ("PATCH", "/tickets/{ticket_id}/"): ("/tickets/1/", {"json": {"status": "closed"}}, "agent"),
    ("GET", "/tickets/{ticket_id}/events/"): ("/tickets/1/events/", {}, "viewer"),
    ("POST", "/tickets/{ticket_id}/notes/"): ("/tickets/1/notes/", {"json": {"text": "Called back"}}, "agent"),
    ("GET", "/metrics/"): ("/metrics/", {}, "viewer"),
    ("GET", "/health/live/"): ("/health/live/", {}, "nobody"),
    ("GET", "/health/ready/"): ("/health/ready/", {}, "nobody"),
}  # fmt: skip


def test_the_matrix_has_every_call_of_the_api(guarded: tuple[Desk, FastAPI, TestClient]) -> None:
    document = guarded[1].openapi()
    offered = {
        (method.upper(), re.sub(r"\{ticket_id[^}]*\}", "{ticket_id}", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert offered == set(CALLS)


@pytest.mark.parametrize("call", list(CALLS), ids=" ".join)
@pytest.mark.parametrize("role", ["nobody", "viewer", "agent", "lead"])
def test_each_role_is_let_do_what_it_may_and_nothing_else(
    guarded: tuple[Desk, FastAPI, TestClient], token: Callable[..., str], sql: sa.Connection, call: tuple[str, str],
    role: str,
) -> None:  # fmt: skip
    _, _, client = guarded
    path, options, needed = CALLS[call]
    order = ["nobody", "viewer", "agent", "lead"]
    headers = {**options.get("headers", {}), **({} if role == "nobody" else bearer(token(role)))}
    before = sql.exec_driver_sql("select count(*), sum(version) from tickets").one()
    answer = client.request(call[0], f"/api{path}", **{**options, "headers": headers})
    if order.index(role) >= order.index(needed):
        assert answer.status_code in (200, 201), answer.text
    else:
        assert answer.status_code == (401 if role == "nobody" else 403)
        assert answer.headers["content-type"] == "application/problem+json"
        assert ("www-authenticate" in answer.headers) == (role == "nobody")
        assert sql.exec_driver_sql("select count(*), sum(version) from tickets").one() == before
        assert "A title" not in answer.text


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Basic YTpi", "desk_1_x", "Bearer desk_1_" + "x" * 43, "Bearer desk_99_" + "x" * 43,
     "Bearer desk_1_' or 1=1--", "Bearer desk_999999999999999999_" + "x" * 43, "Bearer é".encode().decode("latin-1")],
)  # fmt: skip
def test_what_is_no_token_opens_nothing(
    guarded: tuple[Desk, FastAPI, TestClient], token: Callable[..., str], header: str
) -> None:
    token("lead")
    answer = guarded[2].get("/api/tickets/", headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]
    assert answer.status_code == 401


def test_a_token_is_shown_once_and_only_its_digest_is_stored(
    guarded: tuple[Desk, FastAPI, TestClient], token: Callable[..., str], sql: sa.Connection
) -> None:
    made = token("viewer")
    stored = str(sql.exec_driver_sql("select * from api_tokens").all())
    assert made.split("_", 2)[2] not in stored
    assert len({token("viewer") for _ in range(20)}) == 20


def test_a_token_that_is_revoked_between_two_calls_ends_there(
    guarded: tuple[Desk, FastAPI, TestClient], token: Callable[..., str], db: Database
) -> None:
    made, other = token("viewer"), token("viewer")
    client = guarded[2]
    assert client.get("/api/tickets/", headers=bearer(made)).status_code == 200
    tokens.revoke(db, int(made.split("_")[1]))
    assert client.get("/api/tickets/", headers=bearer(made)).status_code == 401
    assert client.get("/api/tickets/", headers=bearer(other)).status_code == 200


def test_a_token_ends_when_it_expires(
    guarded: tuple[Desk, FastAPI, TestClient], token: Callable[..., str], sql: sa.Connection
) -> None:
    made = token("viewer")
    sql.exec_driver_sql("update api_tokens set expires_at = now() - interval '1 second'")
    assert guarded[2].get("/api/tickets/", headers=bearer(made)).status_code == 401


def test_the_last_use_is_known_to_the_minute(
    guarded: tuple[Desk, FastAPI, TestClient], token: Callable[..., str], sql: sa.Connection
) -> None:
    made = token("viewer")
    used = sa.text("select last_used_at from api_tokens")
    assert sql.execute(used).scalar() is None
    guarded[2].get("/api/tickets/", headers=bearer(made))
    first = sql.execute(used).scalar()
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=20)
    guarded[2].get("/api/tickets/", headers=bearer(made))
    assert sql.execute(used).scalar() == first
    sql.exec_driver_sql("update api_tokens set last_used_at = now() - interval '2 minutes'")
    guarded[2].get("/api/tickets/", headers=bearer(made))
    assert sql.execute(used).scalar() >= first


@pytest.mark.parametrize(("name", "days"), [("", 1), ("two\nlines", 1), ("A", 0), ("A", 367)])
def test_a_token_that_makes_no_sense_is_not_made(db: Database, sql: sa.Connection, name: str, days: int) -> None:
    with pytest.raises(InvalidInput):
        tokens.make(db, name, Role.VIEWER, days=days, by=None)
    assert sql.exec_driver_sql("select count(*) from api_tokens").scalar() == 0


def test_the_history_tells_of_a_program_by_the_name_of_its_token(
    guarded: tuple[Desk, FastAPI, TestClient], token: Callable[..., str], sql: sa.Connection
) -> None:
    client, headers = guarded[2], bearer(token("agent", "Mail gate"))
    filed = client.post("/api/tickets/", json=NEW, headers=headers).json()
    keyed = client.post("/api/tickets/", json=NEW, headers={**headers, "Idempotency-Key": "a"}).json()
    client.patch(f"/api/tickets/{filed['id']}/", json={"status": "closed"}, headers=headers)
    client.post(f"/api/tickets/{filed['id']}/notes/", json={"text": "N"}, headers=headers)
    told = sql.execute(
        sa.text("select kind, actor from ticket_events where ticket_id in (:filed, :keyed) order by id"),
        {"filed": filed["id"], "keyed": keyed["id"]},
    ).all()
    assert sorted(kind for kind, _ in told) == ["changed", "created", "created", "noted"]
    assert {actor for _, actor in told} == {"Mail gate"}


def test_a_token_without_sign_in_has_its_role_and_whoever_sends_none_has_all(
    client: TestClient, token: Callable[..., str]
) -> None:
    headers = bearer(token("viewer"))
    assert client.post("/api/tickets/", json=NEW, headers=headers).status_code == 403
    assert client.post("/api/tickets/", json=NEW).status_code == 201
    assert client.get("/api/tickets/", headers=bearer("desk_1_" + "x" * 43)).status_code == 401


# What one may do too often


def test_who_asks_too_often_is_told_when_to_come_back(db: Database, token: Callable[..., str]) -> None:
    desk, _, client = build(db, DESK_RATE_CREATE="3", DESK_RATE_CLASSIFY="2")
    with client:
        ann, ben = bearer(token("agent", "Ann's")), bearer(token("agent", "Ben's"))
        for path, body, most in (("/api/tickets/", NEW, 3), ("/api/tickets/classify/", {"description": "Help"}, 2)):
            answers = [client.post(path, json=body, headers=ann) for _ in range(most + 2)]
            assert [answer.status_code < 300 for answer in answers] == [True] * most + [False] * 2
            assert answers[-1].status_code == 429
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
            assert client.post(path, json=body, headers=ben).status_code < 300, "others are not held up"
        assert client.get("/api/tickets/", headers=ann).status_code == 200
    desk.close()


def test_no_limit_is_none(db: Database, token: Callable[..., str]) -> None:
    desk, _, client = build(db, DESK_RATE_CREATE="0")
    with client:
        headers = bearer(token("agent"))
        assert {client.post("/api/tickets/", json=NEW, headers=headers).status_code for _ in range(30)} == {201}
    desk.close()


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize("path", ["/api/tickets/", "/api/tickets/classify", "/api/tickets/1/"])
def test_a_body_that_nobody_could_mean_is_refused(client: TestClient, path: str, is_announced: bool) -> None:
    body = b'{"title": "' + b"a" * (1 << 20) + b'"}'

    def pieces() -> Iterator[bytes]:
        yield from (body[place : place + 65_536] for place in range(0, len(body), 65_536))

    headers = {"Content-Type": "application/json"}
    method = "PATCH" if path.endswith("1/") else "POST"
    answer = client.request(method, path, content=body if is_announced else pieces(), headers=headers)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_file_to_import_may_be_longer(client: TestClient) -> None:
    rows = "title,description\n" + "".join(f"T{number},{'d' * 1_000}\n" for number in range(1_200))
    assert len(rows) > 1 << 20
    answer = client.post("/api/tickets/import/", content=rows, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201


# Addresses that are signed

QUERY = [("status", "open"), ("format", "csv"), ("progress", "abc")]
ANN = Person("ann@example.org", Role.VIEWER)


def test_a_signed_address_brings_the_file_without_a_token(guarded: tuple[Desk, FastAPI, TestClient]) -> None:
    desk, _, client = guarded
    answer = client.get(f"/api/tickets/export/?{seals.sealed(desk.settings, QUERY, ANN)}")
    assert answer.status_code == 200
    assert answer.text.count("\n") == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda pairs: [pair for pair in pairs if pair[0] != "status"],
        lambda pairs: [("status", "closed"), *pairs[1:]],
        lambda pairs: [*pairs, ("category", "billing")],
        lambda pairs: [*pairs[:-1], ("seal", pairs[-1][1][:-2] + "xx")],
        lambda pairs: [*pairs[:-1], ("seal", "")],
        lambda pairs: pairs[:-1],
    ],
    ids=["less", "another filter", "more", "forged", "empty", "none"],
)
def test_an_address_that_was_tampered_with_brings_nothing(
    guarded: tuple[Desk, FastAPI, TestClient], change: Callable[[Any], Any]
) -> None:
    desk, _, client = guarded
    pairs = parse_qsl(seals.sealed(desk.settings, QUERY, ANN))
    answer = client.get(f"/api/tickets/export/?{urlencode(change(pairs))}")
    assert answer.status_code in (401, 422)
    assert "A title" not in answer.text


def signed(secret: str, role: str | None, *, age: int = 0) -> str:
    class Then(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - age

    serializer = URLSafeTimedSerializer(secret, salt="desk-download", signer=Then)
    return urlencode([*QUERY, ("seal", serializer.dumps(["ann@example.org", role, urlencode(QUERY)]))])


def test_an_address_lives_for_minutes_and_has_the_right_secret_and_a_role(
    guarded: tuple[Desk, FastAPI, TestClient],
) -> None:
    secret = SIGN_IN["COOKIE_SECRET"]

    def status(query: str) -> int:
        return int(guarded[2].get(f"/api/tickets/export/?{query}").status_code)

    assert status(signed(secret, "viewer", age=240)) == 200
    assert status(signed(secret, "viewer", age=301)) == 401
    assert status(signed("y" * 32, "lead")) == 401
    assert status(signed(secret, None)) == 401


def test_a_signed_address_is_good_for_its_file_alone(guarded: tuple[Desk, FastAPI, TestClient]) -> None:
    desk, _, client = guarded
    query = seals.sealed(desk.settings, QUERY, Person("lea@example.org", Role.LEAD))
    for method, path in (("GET", "/api/tickets/"), ("GET", "/api/tickets/1/"), ("POST", "/api/tickets/")):
        assert client.request(method, f"{path}?{query}", json=NEW).status_code == 401


def test_without_sign_in_a_seal_opens_nothing_that_is_not_open(client: TestClient) -> None:
    assert client.get(f"/api/tickets/export/?{signed('', 'lead')}").status_code == 401


# What somebody may try


@pytest.mark.parametrize(
    "path",
    ["/api/tickets/../../etc/passwd", "/api/tickets/%2e%2e/%2e%2e/etc/passwd", "/api/docs/../../app.py",
     "/api/static-offline-docs/../../../../etc/passwd", "/api/static-offline-docs/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
     "/api/tickets/1%00/", "/api//etc/passwd"],
)  # fmt: skip
def test_no_path_leads_out_of_the_api(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404, 422)
    assert "root:" not in answer.text


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: evil=1", "a\nX: 1", "é", "a" * 5_000])
def test_no_header_of_a_request_gets_into_the_answer_but_a_plain_name(client: TestClient, value: str) -> None:
    encoded = value.encode("utf-8")
    answer = client.get("/api/tickets/", headers={"X-Request-ID": encoded})  # type: ignore[dict-item]
    assert "set-cookie" not in answer.headers
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


def test_no_answer_is_broken_up_by_what_is_asked_for(client: TestClient) -> None:
    answer = client.get("/api/tickets/export/", params={"format": "csv", "search": 'a"\r\nX-Evil: 1\r\n'})
    assert "x-evil" not in answer.headers
