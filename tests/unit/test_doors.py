"""What stands before dashboard and API: who is turned away, and what browsers are told."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.unit.test_access import SIGN_IN
from ticketcore.doors import Gate, SameOrigin, Shield
from ticketcore.settings import Settings, read

OPEN, CLOSED, SIGNED = read({"DESK_OPEN": "1"}), read({}), read(SIGN_IN)


async def answer(_request: object) -> Response:
    response = PlainTextResponse("in")
    response.set_cookie("_streamlit_user", "x", httponly=True)
    return response


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


def visitor(settings: Settings, client: str = "127.0.0.1", host: str = "localhost:8501", **options: Any) -> TestClient:
    def reading() -> Settings:
        return settings

    app = Starlette(
        routes=[
            Route("/api/health/live/", answer), Route("/api/tickets/", answer, methods=["GET", "POST"]),
            Route("/", answer, methods=["GET", "POST"]), Route("/api/docs", answer),
            WebSocketRoute("/_stcore/stream", talk),
        ],
        middleware=[
            Middleware(Shield, reading, ["let x = 1"]), Middleware(Gate, reading), Middleware(SameOrigin, reading),
        ],
    )  # fmt: skip
    return TestClient(app, base_url=f"http://{host}", client=(client, 4711), **options)


def connects(client: TestClient, **headers: str) -> bool:
    try:
        with client.websocket_connect(
            f"ws://{client.base_url.netloc.decode()}/_stcore/stream", headers=headers
        ) as socket:
            return socket.receive_text() == "in"
    except WebSocketDisconnect:
        return False


@pytest.mark.parametrize(
    ("client", "host", "is_in"),
    [
        ("127.0.0.1", "localhost:8501", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.8.9.1", "desk.localhost", True),
        ("::1", "[::1]:8501", True),
        ("::ffff:127.0.0.1", "localhost", True),
        ("192.168.1.7", "localhost", False),
        ("10.0.0.1", "desk.example.org", False),
        ("127.0.0.1", "desk.example.org", False),  # a proxy, or a name that was pointed here
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1.evil", "localhost", False),
        ("2001:db8::1", "localhost", False),
    ],
)
def test_without_sign_in_only_this_machine_is_answered(client: str, host: str, is_in: bool) -> None:
    for settings, expected in ((CLOSED, is_in), (OPEN, True), (SIGNED, True)):
        someone = visitor(settings, client, host)
        for path in ("/", "/api/tickets/"):
            answer = someone.get(path)
            assert (answer.status_code == 200) == expected
            assert expected or (answer.status_code == 403 and "DESK_OPEN=1" in answer.text)
        assert connects(someone) == expected
        assert someone.get("/api/health/live/").status_code == 200, "whoever watches the desk may come from anywhere"


@pytest.mark.parametrize(
    ("headers", "is_in"),
    [
        ({}, True),
        ({"Origin": "http://localhost:8501"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "http://localhost:9999"}, False),
        ({"Origin": "http://localhost:8501.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://evil.example", "Authorization": "Bearer x"}, True),
    ],
)
def test_what_a_page_of_another_site_sends_is_refused(headers: dict[str, str], is_in: bool) -> None:
    someone = visitor(OPEN)
    assert (someone.post("/api/tickets/", headers=headers).status_code == 200) == is_in
    assert connects(someone, **headers) == is_in
    assert someone.get("/api/tickets/", headers=headers).status_code == 200, "a link from elsewhere may lead here"


@pytest.mark.parametrize("sign", ["X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via", "Forwarded"])
def test_who_came_a_longer_way_is_not_on_this_machine(sign: str) -> None:
    assert visitor(CLOSED).get("/api/tickets/", headers={sign: "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize(
    "host", ["[", "evil@localhost", "localhost/evil.com", "localhost:x", "127.999.1.1", "notlocalhost", "", "a b"]
)
def test_a_host_that_is_none_is_not_this_machine(host: str) -> None:
    assert visitor(CLOSED).get("/api/tickets/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("origin", ["http://[", "", "//", "x"])
def test_an_origin_that_is_none_is_foreign(origin: str) -> None:
    assert visitor(OPEN).post("/api/tickets/", headers={"Origin": origin}).status_code == 403


def test_the_address_that_sign_in_returns_to_is_the_desks_own_too() -> None:
    behind_a_proxy = visitor(SIGNED, host="inner:8501")
    assert connects(behind_a_proxy, Origin="https://desk.example.org")
    assert not connects(behind_a_proxy, Origin="https://else.example.org")


def test_every_answer_tells_browsers_what_the_desk_never_does() -> None:
    for settings in (OPEN, SIGNED):
        for path in ("/", "/api/tickets/", "/api/docs", "/nothing"):
            headers = visitor(settings).get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
            assert policy["frame-ancestors"] == "'none'"
            assert policy["default-src"] == "'none'"
            assert "unsafe-eval" not in policy.get("script-src", "").replace("wasm-unsafe-eval", "")
            assert ("'unsafe-inline'" in policy.get("script-src", "")) == (path == "/api/docs")


def test_a_session_is_kept_to_https_where_the_desk_is_reached_by_it() -> None:
    assert "Secure" in visitor(SIGNED).get("/").headers["set-cookie"]
    plain = read({**SIGN_IN, "OIDC_REDIRECT_URL": "http://127.0.0.1:8501/oauth2callback"})
    assert "Secure" not in visitor(plain).get("/").headers["set-cookie"]


def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: dict[str, Any], _receive: object, _send: object) -> None:
        seen.append(scope["type"])

    stack = Shield(Gate(SameOrigin(app, lambda: CLOSED), lambda: CLOSED), lambda: CLOSED)  # type: ignore[arg-type]
    asyncio.run(stack({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
