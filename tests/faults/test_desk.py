"""The desk is killed in the middle of things, and two desks share one database: nothing is lost, nothing is doubled."""

import asyncio
import contextlib
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import httpx
import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from tests.browser.conftest import Desk, until


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk in a process of its own, which a test may kill."""
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        desk = Desk(Path(folder), DESK_RATE_CREATE="0")
        desk.start()
        yield desk
        desk.stop()
        desk.api.close()


def insisting(address: str, key: str, title: str) -> int:
    """The number of a ticket that is filed with this key, tried until it is answered."""
    body = {"title": title, "description": "A"}
    deadline = time.monotonic() + 90
    while True:
        try:
            answer = httpx.post(f"{address}/api/tickets/", json=body, headers={"Idempotency-Key": key}, timeout=10)
            if answer.status_code == 201:
                return int(answer.json()["id"])
            assert answer.status_code == 503, answer.text
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_each_once(desk: Desk, answered: dict[str, int]) -> None:
    rows = dict(desk.sql("select title, id from tickets"))
    assert rows == answered
    assert desk.sql("select count(*) from tickets") == [(len(answered),)]
    assert desk.sql("select count(*), count(distinct ticket_id) from ticket_events") == [(len(answered), len(answered))]


def test_a_desk_that_is_killed_while_tickets_are_filed(desk: Desk) -> None:
    keys = {f"Ticket {number}": str(uuid.uuid4()) for number in range(120)}
    with ThreadPoolExecutor(12) as clients:
        filed = {title: clients.submit(insisting, desk.url, key, title) for title, key in keys.items()}
        until(lambda: sum(one.done() for one in filed.values()) > 20)
        desk.kill()
        desk.start()
        answered = {title: one.result() for title, one in filed.items()}
    assert_each_once(desk, answered)
    assert "is not shut down" not in desk.log()


def test_a_desk_that_is_killed_in_the_middle_of_an_import_and_an_export(desk: Desk) -> None:
    file = "title,description\n" + "".join(f"Row {number},{'x' * 500}\n" for number in range(40_000))
    headers = {"Content-Type": "text/csv"}

    def bring() -> None:
        with contextlib.suppress(httpx.TransportError):
            httpx.post(f"{desk.url}/api/tickets/import/", content=file, headers=headers, timeout=60)

    under_way = threading.Thread(target=bring)
    under_way.start()
    until(lambda: desk.sql(
        "select count(*) from pg_stat_activity where query ilike '%copy%' and pid <> pg_backend_pid()"
    )[0][0] > 0)  # fmt: skip
    desk.kill()
    under_way.join()
    desk.start()
    assert desk.sql("select count(*) from tickets") == [(0,)], "all rows or none"
    again = desk.api.post("/tickets/import/", content=file, headers=headers, timeout=90)
    assert (again.status_code, again.json()["imported"]) == (201, 40_000)

    with httpx.stream("GET", f"{desk.url}/api/tickets/export/?format=csv", timeout=30) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        desk.kill()
        with pytest.raises(httpx.TransportError):  # a file that is broken off is not taken for a whole one
            for _ in pieces:
                pass
    desk.start()
    whole = desk.api.get("/tickets/export/?format=csv", timeout=60).text
    assert whole.count("\n") == 40_001
    assert desk.sql("select count(*) from tickets") == [(40_000,)]


def test_two_desks_on_one_database_file_each_ticket_once(desk: Desk) -> None:
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        other = Desk(Path(folder), DESK_RATE_CREATE="0")
        other.environment["DATABASE_URL"] = f"postgresql://postgres@/postgres?host={desk.folder / 'postgres'}"
        other.start()
        try:
            keys = {f"Ticket {number}": str(uuid.uuid4()) for number in range(60)}
            with ThreadPoolExecutor(16) as clients:
                twice = {
                    title: [clients.submit(insisting, address, key, title) for address in (desk.url, other.url)]
                    for title, key in keys.items()
                }
                answered = {title: {one.result() for one in both} for title, both in twice.items()}
            assert all(len(numbers) == 1 for numbers in answered.values()), "both were told of the same ticket"
            assert_each_once(desk, {title: numbers.pop() for title, numbers in answered.items()})
            listed = [httpx.get(f"{address}/api/tickets/?limit=1000").json() for address in (desk.url, other.url)]
            assert listed[0] == listed[1]
        finally:
            other.process.terminate()
            other.process.wait(20)
            other.api.close()


def test_bodies_that_are_far_too_large_or_deep_are_refused_early_and_cost_no_memory(desk: Desk) -> None:
    def size() -> int:
        return int(psutil.Process(desk.process.pid).memory_info().rss)

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000_000

    json = {"Content-Type": "application/json"}
    deep = "[" * 100_000
    for _ in range(3):  # the first of anything costs something
        desk.api.post("/tickets/", content=deep, headers=json)
    before = size()
    for _ in range(5):
        with contextlib.suppress(httpx.TransportError):  # the desk hangs up on whoever goes on sending
            answer = desk.api.post("/tickets/", content=endless(), headers=json)
            assert answer.status_code == 413
        refused = desk.api.post("/tickets/", content=deep, headers=json)
        assert refused.status_code in (400, 422)
    line = HTTPConnection("127.0.0.1", desk.port, timeout=10)
    line.putrequest("POST", "/api/tickets/")
    for name, value in {**json, "Content-Length": str(100 << 20)}.items():
        line.putheader(name, value)
    line.endheaders()
    assert line.getresponse().status == 413, "before a byte of it was sent"
    line.close()
    assert size() - before < 20 << 20
    assert desk.tickets() == []


def test_two_hundred_visitors_of_one_process_are_all_served(desk: Desk) -> None:
    desk.file("Seen by everybody")
    address = f"ws://127.0.0.1:{desk.port}/_stcore/stream"

    async def visit() -> int:
        """Opens a session as a browser does, and waits for the first words of its page."""
        async with connect(address, subprotocols=["streamlit"], origin=desk.url, max_size=None) as line:  # type: ignore[arg-type]
            message = BackMsg()
            message.rerun_script.SetInParent()
            await line.send(message.SerializeToString())
            seen = 0
            while True:
                told = ForwardMsg()
                told.ParseFromString(await line.recv())
                seen += 1
                if told.WhichOneof("type") == "script_finished":
                    await asyncio.sleep(1)
                    return seen

    async def everybody() -> list[int]:
        async with asyncio.timeout(100):
            return await asyncio.gather(*(visit() for _ in range(200)))

    with ThreadPoolExecutor(1) as apart:  # a loop may be running here already: that of a browser
        seen = apart.submit(lambda: asyncio.run(everybody())).result()
    assert len(seen) == 200
    assert min(seen) > 5
    assert desk.api.get("/health/ready/").status_code == 200
    until(lambda: desk.api.get("/tickets/").status_code == 200, seconds=5)
