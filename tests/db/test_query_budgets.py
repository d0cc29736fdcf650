"""What the desk does costs a known number of statements, however many tickets it holds."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import put
from ticketcore import bulk, feed, listing, stats, tickets
from ticketcore.database import Database
from ticketcore.errors import Conflict
from ticketcore.filters import TicketFilter
from ticketcore.models import NewTicket, Source, TicketChanges
from ticketcore.validation import parse

NEW = NewTicket(title="Refund", description="I paid twice.")
KEY = uuid.UUID("6f1c0c3e-8f0b-4f0e-9f57-0d3f0e1a2b3c")
ALL = TicketFilter()
SOME = parse(TicketFilter, {"category": ["billing", "general"], "status": ["open"], "search": "a"})
FEW = parse(TicketFilter, {"category": ["billing"]})
WHEN: dict[str, Any] = {"timezone": ZoneInfo("UTC"), "now": datetime.now(UTC)}

# Whoever raises a number says in the commit what the statement is for.
BUDGETS: dict[str, tuple[int, Callable[[Database], object]]] = {
    "file a ticket": (1, lambda db: tickets.create(db, NEW, source=Source.API)),
    "file several": (1, lambda db: tickets.create_all(db, [NEW] * 100, source=Source.API)),
    "file it with a key": (1, lambda db: tickets.create(db, NEW, source=Source.API, request_key=uuid.uuid4())),
    "file it again with the same key": (2, lambda db: tickets.create(db, NEW, source=Source.API, request_key=KEY)),
    "read a ticket": (1, lambda db: tickets.get(db, 1)),
    "change a ticket": (1, lambda db: tickets.update(db, 1, TicketChanges(title="B"), source=Source.API)),
    "change nothing": (1, lambda db: tickets.update(db, 1, TicketChanges(), source=Source.API)),
    "read a history": (2, lambda db: tickets.history(db, 1)),
    "list a page": (1, lambda db: listing.summaries(db, ALL, limit=50)),
    # One that looks at the first thousand tickets, and one that finds the others.
    "list a page of facets": (2, lambda db: listing.summaries(db, FEW, limit=50)),
    # A search asks what was changed since, where its text is found, and for the page.
    "list a filtered page": (3, lambda db: listing.summaries(db, SOME, limit=50)),
    "list a later page": (3, lambda db: listing.summaries(db, SOME, limit=50, offset=5_000)),
    "follow the changes": (1, lambda db: feed.since(db, "2020-01-01T00:00:00Z", ALL, limit=1_000)),
    "change many tickets": (
        4,
        lambda db: bulk.update(db, list(range(99)), TicketChanges(title="B"), source=Source.API),
    ),
    "change those that match": (4, lambda db: bulk.update(db, SOME, TicketChanges(title="B"), source=Source.API)),
    "list whole tickets": (1, lambda db: listing.newest(db, ALL, limit=1_000)),
    "go on after a ticket": (2, lambda db: listing.newest(db, ALL, limit=1_000, after=20)),
    "count": (1, lambda db: listing.count(db, ALL)),
    "count under a search": (2, lambda db: listing.count(db, SOME)),
    "overview": (2, lambda db: stats.overview(db, SOME, **WHEN)),
    "snapshot": (1, lambda db: db.snapshot()),
    "readiness": (1, lambda db: db.is_ready()),
}


@pytest.mark.parametrize(("budget", "act"), BUDGETS.values(), ids=BUDGETS)
def test_each_thing_the_desk_does_keeps_its_budget_of_statements(
    db: Database, sql: sa.Connection, queries: list[str], budget: int, act: Callable[[Database], object]
) -> None:
    put(sql, [{"title": f"No {number}"} for number in range(30)])
    sql.execute(sa.text("update tickets set title = :t, description = :d, request_key = :k where id = 30"),
                {"t": NEW.title, "d": NEW.description, "k": KEY})  # fmt: skip
    act(db)
    assert 0 < len(queries) <= budget, queries


def test_a_refused_change_costs_one_more_look_at_the_ticket(
    db: Database, sql: sa.Connection, queries: list[str]
) -> None:
    put(sql, [{}])
    with pytest.raises(Conflict):
        tickets.update(db, 1, TicketChanges(title="B"), source=Source.API, expected_version=7)
    assert len(queries) <= 3, queries


@pytest.mark.parametrize(
    ("budget", "method", "path", "body"),
    [
        (2, "GET", "/api/tickets/", None),
        (2, "GET", "/api/tickets/?category=general&search=a&limit=20", None),
        (3, "GET", "/api/tickets/?limit=10&after=20", None),
        (3, "GET", "/api/tickets/?category=billing", None),
        (1, "POST", "/api/tickets/", {"title": "A", "description": "B"}),
        (1, "GET", "/api/tickets/1/", None),
        (1, "PATCH", "/api/tickets/1/", {"status": "closed"}),
        (4, "PATCH", "/api/tickets/", {"ids": [1, 2, 3], "changes": {"status": "closed"}}),
        (2, "GET", "/api/tickets/1/events/", None),
        (1, "GET", "/api/tickets/?updated_since=2020-01-01T00:00:00Z", None),
        (0, "GET", "/api/tickets/?updated_since=yesterday", None),
        (2, "GET", "/api/tickets/stats/", None),
        (0, "POST", "/api/tickets/classify/", {"description": "B"}),
        (0, "POST", "/api/tickets/", {"title": ""}),
        (0, "GET", "/api/tickets/?category=red", None),
        (0, "GET", "/api/health/live/", None),
        (1, "GET", "/api/health/ready/", None),
    ],
)
def test_each_call_of_the_api_keeps_its_budget_of_statements(
    client: TestClient, sql: sa.Connection, queries: list[str], budget: int, method: str, path: str, body: object
) -> None:
    put(sql, [{"title": f"No {number}"} for number in range(30)])
    answer = client.request(method, path, json=body)
    assert answer.status_code < 500
    assert len(queries) <= budget, queries


def test_no_list_reads_a_whole_description(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"description": "long " * 3_999 + "end"}])
    read: list[int] = []

    def measure(_connection: Any, cursor: Any, *_rest: Any) -> None:
        if cursor.description:
            read.extend(len(str(row)) for row in cursor.fetchall())
            cursor.scroll(0, mode="absolute")

    sa.event.listen(db._engine, "after_cursor_execute", measure)
    listing.summaries(db, ALL, limit=50)
    listing.summaries(db, SOME, limit=50)
    sa.event.remove(db._engine, "after_cursor_execute", measure)
    assert read
    assert max(read) < 1_000
