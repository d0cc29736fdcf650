"""The desk as a newcomer starts it, a Chromium in front of it, and a watch on everything that goes wrong in there."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg2
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from tests.unit.provider import Provider, says

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
MODEL = "small-model"
GOOD = {"category": "billing", "priority": "high"}
PATIENCE = float(os.environ.get("PATIENCE", "30"))
"""Seconds to wait for what should happen at once: other work may share the machine."""

PROBE = re.compile(r"/(tickets|ticket|stats|suggestions|access)/_stcore/(health|host-config)$")
"""Streamlit looks for its own address under the page's path before it finds it at the root."""

expect.set_options(timeout=PATIENCE * 1000)


class Desk:
    """The desk in a process of its own, in a folder of its own, with the embedded PostgreSQL."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**os.environ, "DESK_DATA": str(folder), "SUGGESTION_LEARN": "0", **environment}
        self.api = httpx.Client(base_url=f"{self.url}/api", timeout=PATIENCE)

    def start(self) -> None:
        with (self.folder / "desk.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)],
                cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(self.is_ready, seconds=90)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log()
        with contextlib.suppress(httpx.TransportError):
            return self.api.get("/health/ready").status_code == 200
        return False

    def stop(self) -> None:
        """Ends the desk as a terminal or a container does, and sees to it that nothing of it is left."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
        assert not (self.folder / "postgres" / "postmaster.pid").exists(), "the embedded PostgreSQL was left behind"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.folder / "desk.log").read_text()

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs one statement past the desk and returns its rows; it commits by itself."""
        connection = psycopg2.connect(f"postgresql://postgres@/{database}?host={self.folder / 'postgres'}")
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def file(self, title: str = "A title", description: str = "A description", **fields: str) -> dict[str, Any]:
        """A ticket, filed over the API."""
        answer = self.api.post("/tickets/", json={"title": title, "description": description, **fields})
        assert answer.status_code == 201, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket

    def tickets(self) -> list[dict[str, Any]]:
        """The tickets as the API has them, oldest first."""
        tickets: list[dict[str, Any]] = self.api.get("/tickets/").json()
        return tickets[::-1]

    def ticket(self, number: int) -> dict[str, Any]:
        ticket: dict[str, Any] = self.api.get(f"/tickets/{number}/").json()
        return ticket


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Returns as soon as the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def process() -> Iterator[tuple[Desk, Provider]]:
    """The running desk and the model that it asks, for all tests."""
    provider = Provider(says(GOOD))
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        desk = Desk(Path(folder), OPENAI_API_KEY="sk-for-tests", OPENAI_BASE_URL=provider.url, OPENAI_MODEL=MODEL)
        try:
            desk.start()
            yield desk, provider
        finally:
            desk.stop()
            desk.api.close()
            provider.close()


@pytest.fixture
def desk(process: tuple[Desk, Provider]) -> Iterator[Desk]:
    """The running desk, empty."""
    desk, _ = process
    before = len(desk.log())
    yield desk
    assert "Traceback" not in desk.log()[before:], desk.log()[before:]
    desk.sql("truncate tickets, ticket_events, saved_views restart identity")


@pytest.fixture
def provider(process: tuple[Desk, Provider]) -> Iterator[Provider]:
    """The model that the desk asks; it answers billing and high."""
    _, provider = process
    provider.requests.clear()
    yield provider
    provider.behaves(says(GOOD))


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


class Watch:
    """Everything that goes wrong in a browser window, except what a test expects."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.faults: list[str] = []
        self.expected = re.compile("(?!)")

    def over(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)
        page.on("websocket", lambda socket: self._address(socket.url))
        page.on("dialog", lambda dialog: self.faults.append(f"a dialog: {dialog.message}"))

    def _console(self, message: ConsoleMessage) -> None:
        is_probe = "404" in message.text and PROBE.search(message.location.get("url", ""))
        if message.type == "error" and not is_probe and not self.expected.search(message.text):
            self.faults.append(f"console: {message.text} ({message.location})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self._address(request.url)

    def _address(self, url: str) -> None:
        if urlsplit(url).hostname != "127.0.0.1":
            self.faults.append(f"leaves the desk: {url}")


Opening = Callable[..., Page]


@pytest.fixture
def watch(desk: Desk) -> Watch:
    return Watch(desk.url)


@pytest.fixture(scope="session")
def profiles(chromium: Browser) -> dict[str, BrowserContext]:
    """Browser profiles by their options; kept, because a cold cache costs a second for each window."""
    return {}


@pytest.fixture
def open_window(chromium: Browser, profiles: dict[str, BrowserContext], desk: Desk, watch: Watch) -> Iterator[Opening]:
    """Opens a browser window; the test fails if anything goes wrong in it, whether it looks there or not."""
    opened: list[Page] = []

    def open_window(address: str = "/", **options: Any) -> Page:
        usual = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "Europe/Berlin", "locale": "en-GB"}
        profile = profiles.get(repr(options))
        if profile is None:
            profile = profiles[repr(options)] = chromium.new_context(base_url=desk.url, **{**usual, **options})
            profile.set_default_timeout(PATIENCE * 1000)
        opened.append(page := profile.new_page())
        watch.over(page)
        page.goto(address)
        settle(page)
        return page

    yield open_window
    for page in opened:
        page.close()
    assert not watch.faults


@pytest.fixture
def page(open_window: Opening) -> Page:
    """A browser window that shows the start page."""
    return open_window()


def settle(page: Page) -> None:
    """Returns once the page is there and its script does not run."""
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
