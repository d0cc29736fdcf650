"""Who asks the same again gets the answer that was kept, and never one that anything has changed since."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import put
from ticketcore.api.keeping import Kept

ADDRESSES = ["/api/tickets/", "/api/tickets/?category=billing&limit=1", "/api/tickets/stats/", "/api/tickets/?search=a"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_same_question_to_an_unchanged_desk_costs_a_look_at_whether_it_changed(
    client: TestClient, sql: sa.Connection, queries: list[str], address: str
) -> None:
    put(sql, [{"category": "billing"}, {"category": "billing", "title": "Another"}])
    first = client.get(address)
    queries.clear()
    again = client.get(address)
    assert len(queries) == 1
    assert "pg_current_snapshot" in queries[0]
    assert again.content == first.content
    assert again.headers.get("link") == first.headers.get("link")


CHANGES: dict[str, str] = {
    "filed": "insert into tickets (title, description, category, priority) values ('A', 'B', 'billing', 'low')",
    "changed": "update tickets set status = 'closed', title = 'Other' where id = 1",
    "removed": "truncate tickets, ticket_events",
}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_is_told_from_before_a_change(
    client: TestClient, sql: sa.Connection, address: str, change: str
) -> None:
    put(sql, [{"category": "billing", "title": "A"}])
    before = client.get(address).json()
    sql.exec_driver_sql(change)
    after = client.get(address).json()
    assert after != before


def test_addresses_do_not_share_an_answer(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{"category": "billing"}, {"category": "general"}])
    counts = [len(client.get(f"/api/tickets/{query}").json()) for query in ("", "?category=billing", "?limit=1", "")]
    assert counts == [2, 1, 1, 2]


def test_what_is_kept_fits_the_room_and_is_forgotten_with_the_next_state() -> None:
    kept = Kept(room=5_000)
    kept.keep("1:1:", "a", b"1" * 2_500, {})
    kept.keep("1:1:", "b", b"2" * 2_000, {})
    assert kept.find("1:1:", "a") == (b"1" * 2_500, {})
    assert kept.find("1:1:", "b") is None
    kept.keep("1:1:", "c" * 2_000, b"", {})
    assert kept.find("1:1:", "c" * 2_000) is None, "a key takes room as well"
    kept.keep("2:2:", "b", b"3" * 3_500, {"Link": "x"})
    assert kept.find("2:2:", "b") == (b"3" * 3_500, {"Link": "x"})
    assert kept.find("2:2:", "a") is None
    assert kept.find("1:1:", "a") is None


def test_the_list_tells_a_ticket_as_its_own_address_does(
    client: TestClient, sql: sa.Connection, queries: list[str]
) -> None:
    times: list[Callable[[str], str]] = [lambda t: f"{t}.123456Z", lambda t: f"{t}Z", lambda t: f"{t}.5Z"]
    put(sql, [{"title": "“Ä 🎫”\u202e", "description": 'a\n"b"\t\\'}])
    for time in times:
        sql.execute(
            sa.text("""insert into tickets (title, description, category, priority, status, created_at, resolved_at,
                suggested_category, suggested_priority, suggestion_source)
                values ('A', 'B', 'general', 'high', 'closed', :at, :at, 'billing', 'low', 'model')"""),
            {"at": time("2026-05-01T08:00:00")},
        )
    listed = client.get("/api/tickets/").json()
    assert len(listed) == 4
    assert listed == [client.get(f"/api/tickets/{ticket['id']}/").json() for ticket in listed]
    followed = client.get("/api/tickets/?updated_since=2020-01-01T00:00:00Z").json()
    assert sorted(followed, key=lambda ticket: ticket["id"]) == sorted(listed, key=lambda ticket: ticket["id"])
