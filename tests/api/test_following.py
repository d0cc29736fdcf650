"""A warehouse follows the desk: it keeps the `Link` of each answer and asks again, and ends up with every ticket."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.api.test_paging import following
from tests.oracle import put

BEGIN = "/api/tickets/?updated_since=2020-01-01T00:00:00Z"


def pages(client: TestClient, address: str) -> Iterator[tuple[list[int], str]]:
    """The ids of each page and where the next one is, up to the first page that is empty."""
    while True:
        answer = client.get(address)
        assert answer.status_code == 200
        address = following(answer) or pytest.fail("there is always a place to go on from")
        yield [ticket["id"] for ticket in answer.json()], address
        if not answer.json():
            return


def catch_up(client: TestClient, address: str) -> tuple[list[int], str]:
    """All ids, and the address to be kept."""
    found = list(pages(client, address))
    return [number for ids, _ in found for number in ids], found[-1][1]


def test_following_the_links_tells_every_change_and_goes_on_for_ever(client: TestClient, sql: sa.Connection) -> None:
    found, kept = catch_up(client, BEGIN)
    assert found == []
    put(sql, [{}] * 5)
    sql.exec_driver_sql("update tickets set status = 'closed' where id = 2")
    found, kept = catch_up(client, kept)
    assert found == [1, 3, 4, 5, 2]
    assert catch_up(client, kept)[0] == []
    client.patch("/api/tickets/4/", json={"title": "New"})
    client.post("/api/tickets/", json={"title": "A", "description": "B"})
    found, kept = catch_up(client, kept)
    assert found == [4, 6]


@pytest.mark.parametrize("limit", [1, 2, 5, 1_000])
def test_pages_are_as_long_as_asked_for(client: TestClient, sql: sa.Connection, limit: int) -> None:
    put(sql, [{}] * 5)
    found = [ids for ids, _ in pages(client, f"{BEGIN}&limit={limit}")]
    assert [len(ids) for ids in found] == {1: [1] * 5 + [0], 2: [2, 2, 1, 0], 5: [5, 0], 1_000: [5, 0]}[limit]
    assert [number for ids in found for number in ids] == [1, 2, 3, 4, 5]


def test_an_answer_is_an_array_of_tickets_as_they_are_now(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{}])
    client.patch("/api/tickets/1/", json={"title": "Now"})
    assert client.get(BEGIN).json() == [client.get("/api/tickets/1/").json()]


def test_the_filter_and_the_limit_go_along(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{"category": category} for category in ("billing", "account", "general", "billing", "account")])
    address = f"{BEGIN}&category=billing&category=account&search=title&limit=1"
    found, kept = catch_up(client, address)
    assert found == [1, 2, 4, 5]
    query = parse_qs(urlsplit(kept).query)
    assert set(query) == {"category", "search", "limit", "updated_since"}
    assert (query["category"], query["search"], query["limit"]) == (["billing", "account"], ["title"], ["1"])
    assert urlsplit(kept).path == "/api/tickets/"


def test_the_plus_of_an_offset_may_be_left_as_it_is(client: TestClient, sql: sa.Connection) -> None:
    """Who forgets to write it as %2B means the same."""
    put(sql, [{}])
    assert len(client.get("/api/tickets/?updated_since=2020-01-01T00:00:00%2B02:00").json()) == 1
    assert client.get("/api/tickets/?updated_since=2020-01-01T00:00:00+02:00").status_code in (200, 422)


@pytest.mark.parametrize(
    "since", ["", "x", "yesterday", "2020-01-01", "2020-01-01T00:00:00", "1767225600", "1-2", "1-2-x"]
)
def test_what_is_no_time_and_no_cursor_is_refused(client: TestClient, since: str) -> None:
    answer = client.get("/api/tickets/", params={"updated_since": since})
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {"updated_since"})


def test_the_cursor_of_another_database_says_to_start_again(client: TestClient) -> None:
    answer = client.get("/api/tickets/?updated_since=abc-1-1")
    assert answer.status_code == 422
    assert "start again from a time" in answer.json()["errors"]["updated_since"]


def test_one_goes_on_by_the_cursor_or_after_a_ticket_but_not_both(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{}])
    answer: Any = client.get(f"{BEGIN}&after=1")
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {"after"})
