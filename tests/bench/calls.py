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

ROUNDS = 60
CLIENTS = 8
LIST = """select id, title, description, category, priority, status, created_at, updated_at, resolved_at, version,
                 suggested_category, suggested_priority, suggestion_source from tickets where {where}
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
        [sys.executable, "-m", "tests.bench.served", str(port)], env={**os.environ, "DATABASE_URL": url}
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


def medians(*ways: Callable[[], object]) -> list[float]:
    """The median in milliseconds of each; they take turns, so that all see the same machine."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS + 1):
        for work, times in zip(ways, taken, strict=True):
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


def report(url: str) -> Iterator[str]:
    """The lines of the table, for the database at `url`."""
    yield "| call | p50, ms | empty route | SQL by hand | may cost | ratio to that |"
    yield "| --- | --- | --- | --- | --- | --- |"

    def line(name: str, ours: float, empty: float, sql: float, times: float) -> str:
        most = empty + times * sql
        return f"| {name} | {ours:.2f} | {empty:.2f} | {sql:.2f} | {most:.2f} | {ours / most:.2f} |"

    with server(url) as port:
        client = Client(port)
        for name, (query, where) in FILTERS.items():
            last = json.loads(b"[]")
            with psycopg2.connect(url) as connection, connection.cursor() as cursor:
                cursor.execute(LIST.format(where=where, way="asc") + " offset 100")
                rows = cursor.fetchall()
            connection.close()
            pages = {"first": (f"/tickets/?limit=100&{query}", LIST.format(where=where, way="desc"))}
            if rows:
                at, number = rows[0][6], rows[0][0]
                keyed = f"{where} and (created_at, id) < ('{at.isoformat()}', {number})"
                pages["last"] = (f"/tickets/?limit=100&after={number}&{query}", LIST.format(where=keyed, way="desc"))
            for page, (path, sql) in pages.items():
                content = client.call("GET", path)
                last = json.loads(content)
                client.call("PUT", "/empty/", content)
                hand = by_hand(url, sql)
                assert [ticket["id"] for ticket in last] == [row[0] for row in hand()]
                ours, empty, bare = medians(
                    lambda path=path: client.call("GET", path), lambda: client.call("GET", "/empty/"), hand
                )
                yield line(f"list, {name}, {page} page ({len(last)} tickets)", ours, empty, bare, 1.5)
        body = json.dumps(NEW).encode()
        insert = tuple(NEW.values())
        found = medians(
            lambda: client.call("POST", "/tickets/", body),
            lambda: client.call("POST", "/empty/", body),
            by_hand(url, INSERT, insert),
        )
        yield line("create, one client", *found, 2)
        clients = [Client(port) for _ in range(CLIENTS)]
        yield line(
            f"create, {CLIENTS} clients",
            at_once([lambda each=each: each.call("POST", "/tickets/", body) for each in clients]),
            at_once([lambda each=each: each.call("POST", "/empty/", body) for each in clients]),
            at_once([by_hand(url, INSERT, insert) for _ in clients]),
            2,
        )
