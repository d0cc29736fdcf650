"""Signing in at a real OpenID provider, being refused, signing out, and whatever somebody might try instead."""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from itsdangerous import URLSafeTimedSerializer
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import PATIENCE, REPOSITORY, Desk, settle, until

SECRET = "s" * 40
CLIENT_SECRET = "the-client-secret-of-the-tests"
ROLES = "@example.org=viewer,group:staff=agent,lea@example.org=lead"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.provider", str(port)], cwd=REPOSITORY, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx.get(f"{url}/.well-known/openid-configuration").status_code == 200
        except httpx.TransportError:
            return False

    until(is_up)
    yield url
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def guarded(issuer: str) -> Iterator[Desk]:
    """A desk with sign-in, with one ticket."""
    with tempfile.TemporaryDirectory(prefix="guarded-") as folder:
        desk = Desk(Path(folder))
        desk.environment |= {
            "OIDC_ISSUER": issuer, "OIDC_CLIENT_ID": "desk", "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_REDIRECT_URL": f"{desk.url}/oauth2callback", "COOKIE_SECRET": SECRET, "DESK_ROLES": ROLES,
        }  # fmt: skip
        try:
            desk.start()
            desk.sql("""insert into tickets (title, description, category, priority)
                        values ('A secret title', 'And text', 'billing', 'high')""")
            yield desk
            log = desk.log()
            assert SECRET not in log
            assert CLIENT_SECRET not in log
        finally:
            desk.stop()
            desk.api.close()


@pytest.fixture(scope="module")
def other(guarded: Desk) -> Iterator[Desk]:
    """Another process of the same desk: over the same database, at the same address as far as browsers know."""
    with tempfile.TemporaryDirectory(prefix="other-") as folder:
        desk = Desk(Path(folder))
        own = ("OIDC", "COOKIE", "DESK_ROLES")
        desk.environment |= {name: value for name, value in guarded.environment.items() if name.startswith(own)}
        desk.environment["DATABASE_URL"] = f"postgresql://postgres@/postgres?host={guarded.folder / 'postgres'}"
        try:
            desk.start()
            yield desk
        finally:
            desk.kill()
            desk.api.close()


Faults = list[str]


@pytest.fixture
def faults() -> Faults:
    return []


@pytest.fixture
def visitor(chromium: Browser, guarded: Desk, faults: Faults) -> Iterator[Callable[[], Page]]:
    """Opens a window of a browser that has never been here; what its console says of the desk's pages is a fault."""
    opened: list[BrowserContext] = []

    def console(message: Any) -> None:
        is_own = message.location.get("url", "").startswith(guarded.url)
        is_probe = re.search(r"/_stcore/(health|host-config)$", message.location.get("url", ""))
        if message.type == "error" and is_own and not is_probe:
            faults.append(message.text)

    def visitor() -> Page:
        opened.append(context := chromium.new_context(base_url=guarded.url, viewport={"width": 1280, "height": 900}))
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.on("console", console)
        page.on("pageerror", lambda error: faults.append(f"uncaught: {error}"))
        return page

    yield visitor
    for context in opened:
        context.close()
    assert not faults


def sign_in(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_url(lambda url: not url.startswith("about") and "oauth2" not in url)
    settle(page)


def as_somebody(page: Page, desk: Desk, **claims: Any) -> None:
    """Gives the browser a session cookie as Streamlit would write it, signed with the secret that is given."""
    secret = claims.pop("secret", SECRET)
    told = {"iat": int(time.time()), "email_verified": True, **claims,
            "origin": desk.url, "is_logged_in": True, "provider": "default"}  # fmt: skip
    value = URLSafeTimedSerializer(secret, salt="_streamlit_user").dumps(json.dumps(told))
    page.context.add_cookies(
        [{"name": "_streamlit_user", "value": value, "url": desk.url, "httpOnly": True, "sameSite": "Lax"}]
    )
    page.goto("/tickets")
    settle(page)


def test_somebody_signs_in_works_and_signs_out(guarded: Desk, visitor: Callable[[], Page]) -> None:
    page = visitor()
    page.goto("/tickets")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_text("A secret title")).to_have_count(0)
    sign_in(page, "ann")
    expect(page.get_by_role("button", name="Submit ticket")).to_be_visible()
    page.goto("/ticket?id=1")
    expect(page.get_by_text("A secret title")).to_be_visible()
    page.get_by_label("Internal note").fill("Called back")
    page.get_by_role("button", name="Add note").click()
    until(lambda: guarded.sql("select actor from ticket_events where kind = 'noted'") == [("ann@else.org",)])
    page.locator(".st-key-me button").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.goto("/tickets")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_text("A secret title")).to_have_count(0)


def test_who_signs_out_is_signed_out_in_every_tab_and_a_kept_cookie_is_worth_nothing(
    guarded: Desk, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    sign_in(page, "lea")
    other = page.context.new_page()
    other.goto("/tickets")
    expect(other.get_by_text("1 ticket", exact=True)).to_be_visible()
    kept = page.context.cookies()
    page.locator(".st-key-me button").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()
    expect(other.get_by_role("button", name="Sign in again")).to_be_visible()
    expect(other.get_by_text("1 ticket", exact=True)).to_have_count(0)
    thief = visitor()
    thief.context.add_cookies(kept)
    thief.goto("/tickets")
    expect(thief.get_by_role("button", name="Sign in again")).to_be_visible()


def test_another_process_of_the_desk_accepts_the_session_and_knows_when_it_was_signed_out(
    other: Desk, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    sign_in(page, "vic")
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}

    def inside() -> int:
        return httpx.get(f"{other.url}/_stcore/metrics", cookies=cookies).status_code

    assert inside() == 200
    page.locator(".st-key-me button").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").wait_for()
    until(lambda: inside() == 403)


def test_a_sign_in_that_begins_at_one_process_may_end_at_another(
    guarded: Desk, other: Desk, visitor: Callable[[], Page]
) -> None:
    """As behind a proxy that gives each request to the next of them."""
    page = visitor()

    def to_the_other(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        back = answer.headers["location"]
        assert back.startswith(f"{guarded.url}/oauth2callback")
        there = urlsplit(back)._replace(netloc=urlsplit(other.url).netloc).geturl()
        route.fulfill(content_type="text/html", body=f"<meta http-equiv=refresh content='0; url={there}'>")

    page.route(lambda url: "oauth2/authorize" in url, lambda route: (
        to_the_other(route) if route.request.method == "POST" else route.continue_()
    ))  # fmt: skip
    sign_in(page, "ann")
    assert page.url.startswith(other.url)
    page.goto(guarded.url)  # the address that people know; the cookie is from the other process
    expect(page.get_by_role("button", name="Submit ticket")).to_be_visible()


def test_a_page_that_is_open_when_the_session_ends_shows_nothing_any_more(
    guarded: Desk, visitor: Callable[[], Page]
) -> None:
    before = len(guarded.log())
    page = visitor()
    as_somebody(page, guarded, email="lea@example.org", sub="late", iat=int(time.time()) - 12 * 3600 + 8)
    expect(page.get_by_text("1 ticket", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Sign in again")).to_be_visible()
    expect(page.get_by_text("1 ticket", exact=True)).to_have_count(0)
    assert "Traceback" not in guarded.log()[before:]


def test_a_file_that_a_page_made_is_for_those_who_are_signed_in(guarded: Desk, visitor: Callable[[], Page]) -> None:
    page = visitor()
    as_somebody(page, guarded, email="vic@example.org")
    page.goto("/stats")
    settle(page)
    with page.expect_download() as begun:
        page.get_by_role("button", name="Figures").click()
    assert begun.value.path().stat().st_size > 1_000
    assert urlsplit(begun.value.url).path.startswith("/media/")
    assert httpx.get(begun.value.url).status_code == 403
    answer = httpx.get(begun.value.url, cookies={one["name"]: one["value"] for one in page.context.cookies()})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert httpx.get(f"{guarded.url}/_stcore/metrics").status_code == 403


@pytest.mark.parametrize("name", ["eve", "mal"])
def test_who_has_no_role_is_refused_kindly(name: str, visitor: Callable[[], Page]) -> None:
    page = visitor()
    sign_in(page, name)
    expect(page.get_by_text("who has no role at this desk yet")).to_be_visible()
    expect(page.get_by_role("link", name="Tickets")).to_have_count(0)
    page.goto("/tickets")
    expect(page.get_by_text("who has no role at this desk yet")).to_be_visible()


def test_who_does_not_want_to_sign_in_does_not(visitor: Callable[[], Page]) -> None:
    page = visitor()
    page.goto("/")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_session_that_is_too_old_or_forged_or_another_desks_opens_nothing(
    guarded: Desk, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    as_somebody(page, guarded, email="lea@example.org")
    expect(page.get_by_text("1 ticket", exact=True)).to_be_visible()
    for claims in ({"iat": int(time.time()) - 13 * 3600}, {"secret": "x" * 40}, {"email_verified": False}):
        page = visitor()
        as_somebody(page, guarded, **{"email": "lea@example.org", **claims})
        expect(page.get_by_role("button", name=re.compile("^Sign"))).to_be_visible()
        expect(page.get_by_text("1 ticket", exact=True)).to_have_count(0)


def test_a_download_has_the_rights_of_whoever_opened_the_dialog_and_nobody_elses(
    guarded: Desk, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    as_somebody(page, guarded, email="vic@example.org")
    page.get_by_role("button", name="Export").click()
    link = page.get_by_role("link", name="Download").get_attribute("href")
    assert link
    with httpx.Client(base_url=guarded.url) as anybody:
        assert "A secret title" in anybody.get(link).text
        path, query = urlsplit(link).path, parse_qsl(urlsplit(link).query)
        without = [pair for pair in query if pair[0] != "seal"]
        seal = dict(query)["seal"]
        for changed in (
            without,
            [*without, ("seal", f"{seal[:-3]}abc")],
            [*(pair for pair in without if pair[0] != "format"), ("format", "jsonl"), ("seal", seal)],
        ):
            assert anybody.get(f"{path}?{urlencode(changed)}").status_code == 401
        assert anybody.get(f"/api/tickets/?seal={seal}").status_code == 401


def test_a_lead_makes_a_token_that_works_until_it_is_revoked(guarded: Desk, visitor: Callable[[], Page]) -> None:
    assert guarded.api.get("/tickets/").status_code == 401
    page = visitor()
    sign_in(page, "lea")
    page.get_by_role("link", name="Access").click()
    page.get_by_label("Name", exact=True).fill("Mail gate")
    page.get_by_role("button", name="Make token").click()
    made = page.get_by_test_id("stCode").inner_text().strip()
    headers = {"Authorization": f"Bearer {made}"}
    assert [one["title"] for one in guarded.api.get("/tickets/", headers=headers).json()] == ["A secret title"]
    assert guarded.api.post("/tickets/", json={"title": "A", "description": "B"}, headers=headers).status_code == 403
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("revoked")).to_be_visible()
    assert guarded.api.get("/tickets/", headers=headers).status_code == 401
    assert made.split("_", 2)[2] not in guarded.log()


def test_a_page_of_another_site_can_neither_post_nor_frame_nor_connect(
    guarded: Desk, visitor: Callable[[], Page], faults: Faults
) -> None:
    answer = guarded.api.post(
        "/tickets/", json={"title": "A", "description": "B"}, headers={"Origin": "http://evil.example"}
    )
    assert answer.status_code == 403
    answer = httpx.get(guarded.url)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"].partition("style-src")[0]
    with socket.create_connection(("127.0.0.1", guarded.port)) as line:
        line.sendall(
            f"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{guarded.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Origin: http://127.0.0.1:1\r\n\r\n".encode()
        )
        assert b" 403 " in line.recv(200)


def test_every_page_works_under_the_policy_that_browsers_are_told(
    guarded: Desk, visitor: Callable[[], Page], faults: Faults
) -> None:
    """The console would tell of whatever the content security policy keeps out."""
    page = visitor()
    as_somebody(page, guarded, email="lea@example.org")
    violations: list[str] = []
    page.expose_function("violated", lambda told: violations.append(told))  # noqa: PLW0108 - Playwright marks it
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', e => violated(e.violatedDirective + e.blockedURI))"
    )
    for path in ("/", "/tickets", "/stats", "/ticket?id=1", "/access"):
        page.goto(path)
        settle(page)
        page.wait_for_timeout(500)
    page.goto("/stats")
    expect(page.locator("canvas, svg.marks").first).to_be_visible()
    assert not violations


def test_without_sign_in_the_network_is_not_answered(desk: Desk) -> None:
    """By the machine's own address on the network, where it has one; by a name that is not this machine's, always."""
    assert httpx.get(f"{desk.url}/api/tickets/", headers={"Host": "desk.example.org"}).status_code == 403
    assert httpx.get(desk.url, headers={"Host": "desk.example.org"}).status_code == 403
    assert httpx.get(f"{desk.url}/api/health/live", headers={"Host": "desk.example.org"}).status_code == 200
    assert httpx.get(f"{desk.url}/api/tickets/").status_code == 200
