"""Calls of the API over HTTP, beside an empty route and the hand-written SQL, in one run.

The server is a process of its own. What a call may cost is what an empty route costs that answers with the same
bytes, or takes and gives the same models, plus a multiple of what the hand-written SQL takes.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2

from ticketcore.export import Format

ROUNDS = 60
CLIENTS = 8
LIST = """select id, title, description, category, priority, status, created_at, updated_at, resolved_at, version,
                 suggested_category, suggested_priority, suggestion_source, assignee, reporter, duplicate_of
          from tickets where {where}
          order by created_at {way}, id {way} limit 100"""
FILTERS = {
    "all": ("", "true"),
    "one category": ("category=billing", "category = 'billing'"),
    "rare facets": (
        "category=general&priority=critical&status=open",
        "category = 'general' and priority = 'critical' and status = 'open'",
    ),
    "search": ("search=invoice", "(title ilike '%invoice%' or description ilike '%invoice%')"),
    "search in facets": (
        "search=invoice&status=open",
        "(title ilike '%invoice%' or description ilike '%invoice%') and status = 'open'",
    ),
}
NEW = {"title": "The printer is on fire", "description": "It smells, too.", "category": "technical", "priority": "high"}
INSERT = "insert into tickets (title, description, category, priority) values (%s, %s, %s, %s) returning *"


@contextmanager
def server(url: str) -> Iterator[int]:
    """The port of a server of the API for the database at `url`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.served", str(port)],
        env={**os.environ, "DATABASE_URL": url, "DESK_RATE_CREATE": "0", "SUGGESTION_LEARN": "0"},
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 400, content
        return content


def medians(*ways: Callable[[], object], between: Callable[[], object] = lambda: None) -> list[float]:
    """The median in milliseconds of each; they take turns, so that all see the same machine.

    `between` is done before each call, and not timed.
    """
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS + 1):
        for work, times in zip(ways, taken, strict=True):
            between()
            begin = time.perf_counter()
            work()
            times.append((time.perf_counter() - begin) * 1000)
    return [statistics.median(times[1:]) for times in taken]


def at_once(makers: list[Callable[[], object]]) -> float:
    """The median in milliseconds of a call when each of these repeats its own at the same time."""
    taken: list[float] = []

    def repeat(work: Callable[[], object]) -> None:
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            work()
            taken.append((time.perf_counter() - begin) * 1000)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.median(taken)


def by_hand(url: str, query: str, values: tuple[str, ...] | None = None) -> Callable[[], object]:
    connection = psycopg2.connect(url)
    connection.autocommit = True

    def run() -> object:
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    return run


def line(name: str, ours: list[float], empty: float, sql: float, times: float) -> str:
    most = empty + times * sql
    found = " | ".join(f"{one:.2f} | {one / most:.2f}" for one in ours)
    return f"| {name} | {empty:.2f} | {sql:.2f} | {most:.2f} | {found} |"


def report(url: str) -> Iterator[str]:
    """The lines of the tables, for the database at `url`."""
    with server(url) as port:
        yield "| list of 100 tickets | empty route | SQL by hand | may cost | p50 | ratio | after a change | ratio |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
        yield from lists(url, port)
        yield ""
        yield "| create | empty route | SQL by hand | may cost | p50 | ratio |"
        yield "| --- | --- | --- | --- | --- | --- |"
        yield from creations(url, port)
        yield ""
        yield "| list while somebody exports every ticket | p50 | p95 |"
        yield "| --- | --- | --- |"
        yield from beside_exports(port)


def lists(url: str, port: int) -> Iterator[str]:
    client = Client(port)
    move_on = by_hand(url, "select pg_current_xact_id()")  # a transaction has ended: what was kept counts as old
    for name, (query, where) in FILTERS.items():
        pages = {"first": (f"/tickets/?limit=100&{query}", LIST.format(where=where, way="desc"))}
        if rows := by_hand(url, LIST.format(where=where, way="asc") + " offset 100")():
            number, at = rows[0][0], rows[0][6]
            keyed = f"{where} and (created_at, id) < ('{at.isoformat()}', {number})"
            pages["last"] = (f"/tickets/?limit=100&after={number}&{query}", LIST.format(where=keyed, way="desc"))
        for page, (path, sql) in pages.items():
            content, hand = client.call("GET", path), by_hand(url, sql)
            assert [ticket["id"] for ticket in json.loads(content)] == [row[0] for row in hand()]
            client.call("PUT", "/empty/", content)

            def ours(path: str = path) -> object:
                return client.call("GET", path)

            same, empty, bare = medians(ours, lambda: client.call("GET", "/empty/"), hand)
            (changed,) = medians(ours, between=move_on)
            yield line(f"{name}, {page} page", [same, changed], empty, bare, 1.5)


def creations(url: str, port: int) -> Iterator[str]:
    body, values = json.dumps(NEW).encode(), tuple(NEW.values())
    clients = [Client(port) for _ in range(CLIENTS)]

    def calls(path: str) -> list[Callable[[], object]]:
        return [lambda client=client: client.call("POST", path, body) for client in clients]

    ours, empty, bare = medians(calls("/tickets/")[0], calls("/empty/")[0], by_hand(url, INSERT, values))
    yield line("one client", [ours], empty, bare, 2)
    inserts = [by_hand(url, INSERT, values) for _ in clients]
    ours, empty, bare = at_once(calls("/tickets/")), at_once(calls("/empty/")), at_once(inserts)
    yield line(f"{CLIENTS} clients", [ours], empty, bare, 2)


def beside_exports(port: int) -> Iterator[str]:
    client, exporter = Client(port), http.client.HTTPConnection("127.0.0.1", port)

    def look() -> list[float]:
        taken = []
        for turn in range(200):
            begin = time.perf_counter()
            client.call("GET", f"/tickets/?limit={20 + turn % 50}")
            taken.append((time.perf_counter() - begin) * 1000)
            time.sleep(0.01)
        return sorted(taken)

    for format in (None, *Format):
        leave = threading.Event()

        def export(format: Format | None = format, leave: threading.Event = leave) -> None:
            while not leave.is_set():
                exporter.request("GET", f"/tickets/export/?format={format}")
                answer = exporter.getresponse()
                while not leave.is_set() and answer.read(1 << 20):
                    pass
                exporter.close()

        reader = threading.Thread(target=export)
        if format:
            reader.start()
        taken = look()
        leave.set()
        if format:
            reader.join()
        yield f"| {format or 'nobody does'} | {statistics.median(taken):.1f} | {taken[190]:.1f} |"
