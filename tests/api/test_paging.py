"""Following `Link: rel="next"` shows every ticket once, under the same filter, whatever is filed meanwhile."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import CATEGORIES, PRIORITIES, STATUSES, Row, in_order, matching, put

LINK = re.compile(r'<([^<>"]+)>; rel="next"')


def following(answer: Any) -> str | None:
    """Where the next page is; none on the last one."""
    if "link" not in answer.headers:
        return None
    found = LINK.fullmatch(answer.headers["link"])
    assert found
    return found[1]


def pages(client: TestClient, first: str) -> Iterator[list[dict[str, Any]]]:
    """The pages, each asked for when the one before has been looked at."""
    address: str | None = first
    while address:
        answer = client.get(address)
        assert answer.status_code == 200
        yield answer.json()
        address = following(answer)


def walk(client: TestClient, first: str) -> list[int]:
    return [ticket["id"] for page in pages(client, first) for ticket in page]


@pytest.fixture
def crowd(sql: sa.Connection, client: TestClient) -> list[Row]:
    """250 tickets in 25 moments."""
    del client  # asked for so that the tables are emptied
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    return put(
        sql,
        [
            {
                "category": CATEGORIES[number % 4],
                "priority": PRIORITIES[number // 4 % 4],
                "status": STATUSES[number // 3 % 4],
                "title": f"100% & more #{number}" if number % 3 else f"Ticket {number}",
                "created_at": moment + timedelta(hours=number * 7 % 25),
            }
            for number in range(250)
        ],
    )


def test_a_list_answers_100_tickets_at_most_unless_asked_for_more_or_fewer(
    client: TestClient, crowd: list[Row]
) -> None:
    assert [len(page) for page in pages(client, "/api/tickets/")] == [100, 100, 50]
    assert [len(page) for page in pages(client, "/api/tickets/?limit=1000")] == [250]
    assert [len(page) for page in pages(client, "/api/tickets?limit=90")] == [90, 90, 70]


@pytest.mark.parametrize("limit", [7, 50, 125, 249, 250, 251])
def test_following_the_links_shows_every_ticket_once_newest_first(
    client: TestClient, crowd: list[Row], limit: int
) -> None:
    assert walk(client, f"/api/tickets/?limit={limit}") == [row.id for row in in_order(crowd)]


@pytest.mark.parametrize(("limit", "number"), [(125, 2), (250, 1), (1_000, 1), (249, 2)])
def test_a_page_has_a_link_only_if_another_ticket_follows(
    client: TestClient, crowd: list[Row], limit: int, number: int
) -> None:
    found = list(pages(client, f"/api/tickets/?limit={limit}"))
    assert len(found) == number
    assert all(found)


def test_no_tickets_have_no_next_page(client: TestClient) -> None:
    answer = client.get("/api/tickets/")
    assert answer.json() == []
    assert "link" not in answer.headers


def test_the_filter_and_the_limit_go_along_with_the_link(client: TestClient, crowd: list[Row]) -> None:
    conditions: dict[str, Any] = {
        "category": ["billing", "account"],
        "priority": ["low", "high", "critical"],
        "status": ["open", "closed", "resolved"],
        "search": "100% & more #",
        "created_from": datetime(2026, 5, 1, 2, tzinfo=UTC),
        "created_to": datetime(2026, 5, 1, 23, 30, tzinfo=UTC),
    }
    expected = [row.id for row in in_order(matching(crowd, **conditions))]
    params = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in conditions.items()}
    first = client.get("/api/tickets", params={**params, "limit": 4})
    address = following(first)
    assert address
    assert urlsplit(address).path == "/api/tickets/"
    link = parse_qs(urlsplit(address).query)
    assert set(link) == {*conditions, "limit", "after"}
    assert link["category"] == ["billing", "account"]
    assert link["search"] == ["100% & more #"]
    assert link["limit"] == ["4"]
    assert len(expected) > 12
    assert [ticket["id"] for ticket in first.json()] + walk(client, address) == expected


def test_a_search_of_any_characters_survives_the_link(client: TestClient, sql: sa.Connection) -> None:
    term = "a+b=c&d%20#?/\\<>;\"'é😀 \u2028,"
    rows = put(sql, [{"description": f"({term})"} for _ in range(5)])
    address = client.get("/api/tickets/", params={"search": term, "limit": 2})
    assert address.headers["link"].isascii()
    assert walk(client, str(following(address))) == [row.id for row in in_order(rows)][2:]


def test_tickets_filed_while_paging_neither_repeat_nor_hide_any(
    client: TestClient, sql: sa.Connection, crowd: list[Row]
) -> None:
    seen: list[int] = []
    for page in pages(client, "/api/tickets/?limit=40"):
        seen += [ticket["id"] for ticket in page]
        client.post("/api/tickets/", json={"title": "In between", "description": "B"})
    assert seen == [row.id for row in in_order(crowd)]


def test_tickets_changed_while_paging_stay_in_their_places(client: TestClient, crowd: list[Row]) -> None:
    """A ticket that leaves the filter may be missing from later pages; it does not take others with it."""
    expected = [row.id for row in in_order(matching(crowd, status=["open"]))]
    seen: list[int] = []
    for page in pages(client, "/api/tickets/?limit=10&status=open"):
        seen += [ticket["id"] for ticket in page]
        client.patch(f"/api/tickets/{page[-1]['id']}/", json={"status": "closed"})  # the one that the link names
    assert seen == expected
