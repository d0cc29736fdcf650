"""Two desks behind the proxy of docker-compose.yml: haproxy.cfg as it stands, and a name server that knows them."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import httpx
import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.browser.conftest import PATIENCE, Desk, until
from tests.faults.test_database import SAFE
from ticketcore.embedded import EmbeddedServer

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
ADDRESSES = ("127.0.0.1", "127.0.0.2")
"""Where the desks are: as in compose they have one name and one port, and an address each."""


def haproxy() -> str:
    """The program; CI installs it, and a test without it fails."""
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "these tests want haproxy: apt-get install haproxy"
    return found


def free_port(*addresses: str) -> int:
    """A port that is free at all of these addresses."""
    while True:
        with contextlib.ExitStack() as bound, contextlib.suppress(OSError):
            port = 0
            for address in addresses:
                one = bound.enter_context(socket.socket())
                one.bind((address, port))
                port = one.getsockname()[1]
            return port


class NameServer:
    """Answers every question with the addresses in `known`, as Docker's does for the name of a service (RFC 1035)."""

    def __init__(self, *known: str) -> None:
        self.known = list(known)
        self._line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._line.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._line.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            asked, client = self._line.recvfrom(4096)
            if not asked:
                return
            question = asked[12 : asked.index(b"\0", 12) + 5]
            wants_ipv4 = question[-4:] == struct.pack("!HH", 1, 1)
            found = [socket.inet_aton(address) for address in self.known] if wants_ipv4 else []
            header = asked[:2] + struct.pack("!HHHHH", 0x8180, 1, len(found), 0, 0)
            answers = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, 1, 4) + one for one in found)
            self._line.sendto(header + question + answers, client)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            host, port = self.address.split(":")
            line.sendto(b"", (host, int(port)))
        self._thread.join()
        self._line.close()


class Proxied:
    """Two desks on one database, and the proxy in front of them."""

    def __init__(self, folder: Path) -> None:
        self.database = EmbeddedServer(folder / "database", options=SAFE)
        self.folder = folder
        port = free_port(*ADDRESSES)
        self.desks = {address: self._desk(address, port) for address in ADDRESSES}
        self.names = NameServer(*ADDRESSES)
        self.port = free_port("127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "PROXY_BIND": f"127.0.0.1:{self.port}", "RESOLVER": self.names.address, "DESK_PORT": str(port),
        }  # fmt: skip

    def _desk(self, address: str, port: int) -> Desk:
        folder = self.folder / address
        folder.mkdir()
        desk = Desk(
            folder, DATABASE_URL=self.database.url, STREAMLIT_SERVER_ADDRESS=address, DESK_OPEN="1",
            FORWARDED_ALLOW_IPS="*", DESK_RATE_CREATE="0", DESK_RATE_CLASSIFY="3",
        )  # fmt: skip
        desk.api.close()
        desk.port, desk.url = port, f"http://{address}:{port}"
        desk.api = httpx.Client(base_url=f"{desk.url}/api", timeout=PATIENCE)
        return desk

    def start(self) -> None:
        for desk in self.desks.values():
            desk.start()
        with (self.folder / "proxy.log").open("wb") as log:
            self.proxy = subprocess.Popen(
                [haproxy(), "-db", "-f", ROOT / "haproxy.cfg"],
                env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(self.all_are_up)

    def all_are_up(self) -> bool:
        """Whether the proxy lets requests through to each desk."""
        return self.reaches(*ADDRESSES)

    def reaches(self, *addresses: str) -> bool:
        """Whether requests come to these desks and no other; what a desk is working on is cut when it is given up."""
        assert self.proxy.poll() is None, self.log()
        with contextlib.suppress(httpx.TransportError, httpx.HTTPStatusError):
            return self.reached() == set(addresses)
        return False

    def reached(self) -> set[str]:
        """The desks that a client without cookies comes to, in some calls."""
        with httpx.Client() as client:
            reached = set()
            for _ in range(6):
                client.cookies.clear()
                reached.add(self.ask(client))
            return reached

    def log(self) -> str:
        return (self.folder / "proxy.log").read_text()

    def ask(self, client: httpx.Client) -> str:
        """The address of the desk that answers this client, by what the desk itself wrote down."""
        name = uuid.uuid4().hex
        answer = client.get(f"{self.url}/api/health/ready/", headers={"X-Request-ID": name}, timeout=PATIENCE)
        answer.raise_for_status()
        found: list[str] = []

        def is_noted() -> bool:
            found[:] = [address for address, desk in self.desks.items() if name in desk.log()]
            return bool(found)

        until(is_noted)
        [address] = found
        return address

    def connections(self, address: str) -> int:
        """How many connections the desk with this address has open to its port."""
        desk = self.desks[address]
        return sum(
            1 for line in psutil.Process(desk.process.pid).net_connections("tcp")
            if line.status == psutil.CONN_ESTABLISHED and line.laddr == (address, desk.port)
        )  # fmt: skip

    def stop(self) -> None:
        self.proxy.terminate()
        for desk in self.desks.values():
            desk.process.terminate()
        for process in (self.proxy, *(desk.process for desk in self.desks.values())):
            try:
                process.wait(20)
            finally:
                process.kill()
        for desk in self.desks.values():
            desk.api.close()
        self.names.close()
        self.database.stop()


@pytest.fixture(scope="module")
def scale() -> Iterator[Proxied]:
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        scale = Proxied(Path(folder))
        try:
            scale.start()
            yield scale
        finally:
            scale.stop()


@pytest.fixture
def browser(scale: Proxied) -> Iterator[httpx.Client]:
    """A client that keeps its cookies, as browsers do."""
    with httpx.Client(base_url=scale.url, timeout=PATIENCE) as browser:
        assert browser.get("/").status_code == 200
        yield browser


@contextlib.asynccontextmanager
async def dashboard(scale: Proxied, browser: httpx.Client) -> AsyncIterator[ClientConnection]:
    """The WebSocket of a page that has run once."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    address = f"{scale.url.replace('http', 'ws')}/_stcore/stream"
    async with connect(
        address, subprotocols=["streamlit"], origin=scale.url, additional_headers={"Cookie": cookies},  # type: ignore[arg-type,list-item]
        max_size=None, ping_interval=None,  # as browsers, which would wait for ever
    ) as line:  # fmt: skip
        await run(line)
        yield line


async def run(line: ClientConnection) -> int:
    """Runs the page; how many elements it showed. None of them is an error."""
    message = BackMsg()
    message.rerun_script.SetInParent()
    await line.send(message.SerializeToString())
    shown = 0
    while True:
        told = ForwardMsg()
        told.ParseFromString(await line.recv())  # type: ignore[arg-type]
        if told.WhichOneof("type") == "delta":
            shown += 1
            assert told.delta.new_element.WhichOneof("type") not in ("exception", "alert")
        if told.WhichOneof("type") == "script_finished":
            return shown


async def silence(line: ClientConnection) -> NoReturn:
    """Reads what comes, for ever.

    Raises:
        ConnectionClosed: nothing comes any more.
    """
    while True:
        await line.recv()


def apart(work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns, within a minute; on a loop of its own, for that of a browser may be running here."""

    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await work

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(bounded())).result()


def other(address: str) -> str:
    [found] = set(ADDRESSES) - {address}
    return found


@pytest.mark.parametrize("environment", [{}, {"PROXY_BIND": "127.0.0.1:18500", "RESOLVER": "127.0.0.1:53"}])
def test_the_configuration_is_one_that_haproxy_understands_without_a_warning(environment: dict[str, str]) -> None:
    checked = subprocess.run(
        [haproxy(), "-c", "-f", ROOT / "haproxy.cfg"],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stdout + checked.stderr


def test_clients_without_cookies_reach_both_desks(scale: Proxied) -> None:
    assert scale.reached() == set(ADDRESSES)


def test_the_cookie_is_for_the_proxy_alone_and_no_script_reads_it(scale: Proxied) -> None:
    answer = httpx.get(scale.url)
    [cookie] = [line for line in answer.headers.get_list("set-cookie") if line.startswith("desk=")]
    assert re.fullmatch(r"desk=[0-9a-f]+; path=/; HttpOnly; SameSite=Lax", cookie)


def test_a_browser_stays_with_one_desk_and_so_do_its_dashboards(scale: Proxied, browser: httpx.Client) -> None:
    home = scale.ask(browser)
    assert {scale.ask(browser) for _ in range(10)} == {home}
    before = {address: scale.connections(address) for address in ADDRESSES}

    async def look() -> None:
        async with contextlib.AsyncExitStack() as opened:
            for _ in range(6):
                await opened.enter_async_context(dashboard(scale, browser))
            assert scale.connections(home) >= before[home] + 5  # idle ones may have ended meanwhile
            assert scale.connections(other(home)) <= before[other(home)] + 1  # the proxy looks after it now and then

    apart(look())


def test_a_ticket_filed_through_one_desk_is_seen_through_the_other(scale: Proxied, browser: httpx.Client) -> None:
    home = scale.ask(browser)
    with httpx.Client(base_url=scale.url, timeout=PATIENCE) as second:
        until(lambda: second.cookies.clear() or scale.ask(second) != home)  # type: ignore[func-returns-value]
        filed = browser.post("/api/tickets/", json={"title": "Through one", "description": "A"})
        assert filed.status_code == 201, filed.text
        assert second.get(f"/api/tickets/{filed.json()['id']}/").json() == filed.json()
        assert (scale.ask(browser), scale.ask(second)) == (home, other(home))


def test_large_files_go_in_and_come_out_whole(scale: Proxied, browser: httpx.Client) -> None:
    file = "title,description\n" + "".join(f"Row {number},{'x' * 500}\n" for number in range(30_000))
    sent = browser.post("/api/tickets/import/", content=file, headers={"Content-Type": "text/csv"}, timeout=90)
    assert (sent.status_code, sent.json()["imported"]) == (201, 30_000)
    query = "/api/tickets/export/?format=csv&search=Row&columns=title,description&sort=oldest"
    export = browser.get(query, timeout=90)
    direct = httpx.get(f"{scale.desks[ADDRESSES[0]].url}{query}", timeout=90)
    assert export.status_code == direct.status_code == 200
    assert export.content == direct.content
    assert sorted(export.text.splitlines()) == sorted(file.splitlines())


def test_callers_are_told_apart_by_the_address_that_the_proxy_saw(scale: Proxied, browser: httpx.Client) -> None:
    asked = {"description": "I was charged twice"}

    def answers(address: str, **headers: str) -> list[int]:
        with httpx.Client(transport=httpx.HTTPTransport(local_address=address), cookies=browser.cookies) as caller:
            url = f"{scale.url}/api/tickets/classify/"
            return [caller.post(url, json=asked, headers=headers, timeout=PATIENCE).status_code for _ in range(4)]

    assert answers("127.0.0.7") == [200, 200, 200, 429]
    assert answers("127.0.0.8") == [200, 200, 200, 429]
    pretended = {"X-Forwarded-For": "10.1.1.1", "Forwarded": "for=10.1.1.2", "X-Real-IP": "10.1.1.3"}
    assert answers("127.0.0.8", **pretended) == [429] * 4


def test_a_desk_that_is_killed_leaves_its_visitors_to_the_other(scale: Proxied, browser: httpx.Client) -> None:
    home = scale.ask(browser)
    filed = browser.post("/api/tickets/", json={"title": "Before the end", "description": "A"}).json()

    async def lose() -> None:
        async with dashboard(scale, browser) as line:
            scale.desks[home].kill()
            with pytest.raises(ConnectionClosed):
                await silence(line)

    async def look() -> int:
        async with dashboard(scale, browser) as line:
            return await run(line)

    try:
        apart(lose())
        assert browser.get("/").status_code == 200
        assert scale.ask(browser) == other(home)
        assert browser.get(f"/api/tickets/{filed['id']}/").json() == filed
        assert apart(look()) > 5
    finally:
        scale.desks[home].start()
    until(scale.all_are_up)
    assert scale.ask(browser) == other(home), "and there they stay"


def test_a_desk_that_hangs_is_found_out_and_its_dashboards_are_cut(scale: Proxied, browser: httpx.Client) -> None:
    home = scale.ask(browser)

    async def lose() -> None:
        async with dashboard(scale, browser) as line:
            scale.desks[home].process.send_signal(signal.SIGSTOP)
            with pytest.raises(ConnectionClosed):
                await silence(line)

    try:
        apart(lose())
        assert scale.ask(browser) == other(home)
    finally:
        scale.desks[home].process.send_signal(signal.SIGCONT)
    until(scale.all_are_up)


def test_a_desk_that_the_name_server_no_longer_knows_is_left_and_found_again(scale: Proxied) -> None:
    gone = ADDRESSES[1]

    scale.names.known.remove(gone)
    try:
        until(lambda: scale.reaches(ADDRESSES[0]))
    finally:
        scale.names.known.append(gone)
    until(scale.all_are_up)


def test_a_database_that_is_away_is_told_by_the_desks_and_no_dashboard_is_cut(
    scale: Proxied, browser: httpx.Client
) -> None:
    before, noted = scale.log(), {desk.url: len(desk.log()) for desk in scale.desks.values()}

    def looked(desk: Desk) -> int:
        return desk.log()[noted[desk.url] :].count("/api/health/ready/ 503")

    async def live_through_it() -> int:
        async with dashboard(scale, browser) as line:
            scale.database.stop()
            told = [await asyncio.to_thread(browser.get, "/api/tickets/") for _ in range(8)]
            assert {answer.status_code for answer in told} == {503}
            assert {answer.headers["content-type"] for answer in told} == {"application/problem+json"}
            # The proxy looks after a desk so often, and would have given it up by then.
            await asyncio.to_thread(until, lambda: min(looked(desk) for desk in scale.desks.values()) >= 4)
            assert scale.log() == before
            scale.database = EmbeddedServer(scale.folder / "database", options=SAFE)
            return await run(line)

    assert apart(live_through_it()) > 5
    assert browser.get("/api/tickets/").status_code == 200
