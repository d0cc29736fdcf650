"""The six calls answer as agreed: paths, statuses, bodies and order, with and without the trailing slash."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import CATEGORIES, PRIORITIES, STATUSES, in_order, put, stored

AGREED = {"id", "title", "description", "category", "priority", "status", "created_at"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
NEW = {"title": "Refund", "description": "I paid twice.", "category": "billing", "priority": "high"}
SLASH = pytest.mark.parametrize("slash", ["/", ""], ids=["with slash", "without"])


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200
    return [ticket["id"] for ticket in answer.json()]


@SLASH
def test_filing_a_ticket_answers_201_with_the_ticket_and_where_it_is(
    client: TestClient, sql: sa.Connection, slash: str
) -> None:
    answer = client.post(f"/api/tickets{slash}", json=NEW)
    assert answer.status_code == 201
    ticket = answer.json()
    assert set(ticket) >= AGREED
    assert {field: ticket[field] for field in NEW} == NEW
    assert ticket["status"] == "open"
    (row,) = stored(sql)
    assert (row.id, row.title) == (ticket["id"], "Refund")
    assert answer.headers["location"] == f"/api/tickets/{ticket['id']}/"
    assert client.get(answer.headers["location"]).json() == ticket


def test_category_and_priority_need_not_be_given(client: TestClient) -> None:
    ticket = client.post("/api/tickets/", json={"title": "A", "description": "B"}).json()
    assert (ticket["category"], ticket["priority"]) == ("general", "medium")


def test_what_is_filed_is_trimmed(client: TestClient) -> None:
    ticket = client.post("/api/tickets/", json={"title": "  A ", "description": "\n B\nC \t"}).json()
    assert (ticket["title"], ticket["description"]) == ("A", "B\nC")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "**bold** $x$ :smile: [a](javascript:b)",
        "漢字 😀 \u202e",
        "'; drop table tickets; --",
    ],
)
def test_text_comes_back_as_it_went_in(client: TestClient, text: str) -> None:
    ticket = client.post("/api/tickets/", json={"title": text, "description": text}).json()
    assert (ticket["title"], ticket["description"]) == (text, text)
    assert client.get(f"/api/tickets/{ticket['id']}/").json() == ticket


@SLASH
def test_a_ticket_is_read_by_its_number(client: TestClient, slash: str) -> None:
    ticket = client.post("/api/tickets/", json=NEW).json()
    answer = client.get(f"/api/tickets/{ticket['id']}{slash}")
    assert (answer.status_code, answer.json()) == (200, ticket)
    assert answer.headers["content-type"] == "application/json"


@SLASH
def test_a_number_that_no_ticket_has_is_404(client: TestClient, slash: str) -> None:
    for number in (1, 0, -1, 2**31, 2**63, 10**30):
        for method, body in (("GET", None), ("PATCH", {"status": "closed"}), ("PATCH", {})):
            answer = client.request(method, f"/api/tickets/{number}{slash}", json=body)
            assert (answer.status_code, answer.json()["status"]) == (404, 404)
            assert str(number) in answer.json()["detail"]


@SLASH
def test_a_change_answers_200_with_the_ticket_as_it_is_now(client: TestClient, sql: sa.Connection, slash: str) -> None:
    ticket = client.post("/api/tickets/", json=NEW).json()
    answer = client.patch(f"/api/tickets/{ticket['id']}{slash}", json={"status": "resolved"})
    assert answer.status_code == 200
    assert {field: answer.json()[field] for field in AGREED} == {
        **{field: ticket[field] for field in AGREED},
        "status": "resolved",
    }
    assert stored(sql)[0].status == "resolved"
    events = sql.exec_driver_sql("select source from ticket_events").scalars().all()
    assert events == ["api", "api"]


def test_every_field_can_be_changed_alone_and_all_together(client: TestClient) -> None:
    number = client.post("/api/tickets/", json=NEW).json()["id"]
    changes = {"title": "A", "description": "B", "category": "account", "priority": "low", "status": "in_progress"}
    for field, value in changes.items():
        assert client.patch(f"/api/tickets/{number}/", json={field: value}).json()[field] == value
    again = {"title": "C", "description": "D", "category": "general", "priority": "critical", "status": "closed"}
    assert again.items() <= client.patch(f"/api/tickets/{number}/", json=again).json().items()


def test_times_are_utc_with_a_z(client: TestClient) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    ticket = client.post("/api/tickets/", json={**NEW, "status": "closed"}).json()
    for field in ("created_at", "updated_at", "resolved_at"):
        assert RFC3339.fullmatch(ticket[field])
    assert before < datetime.fromisoformat(ticket["created_at"]) < datetime.now(UTC) + timedelta(seconds=5)


@SLASH
def test_the_list_is_an_array_newest_first(client: TestClient, sql: sa.Connection, slash: str) -> None:
    assert client.get(f"/api/tickets{slash}").json() == []
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    rows = put(sql, [{"created_at": moment + timedelta(hours=hour)} for hour in (3, 1, 2, 2, 5, 4)])
    answer = client.get(f"/api/tickets{slash}")
    assert ids(answer) == [row.id for row in in_order(rows)]
    assert all(set(ticket) >= AGREED and RFC3339.fullmatch(ticket["created_at"]) for ticket in answer.json())
    assert answer.json()[0] == client.get(f"/api/tickets/{rows[4].id}/").json()


@pytest.fixture
def each(sql: sa.Connection, client: TestClient) -> list[Any]:
    """A ticket for each combination of the enums."""
    del client  # asked for so that the tables are emptied
    cells = [(c, p, s) for c in CATEGORIES for p in PRIORITIES for s in STATUSES]
    return put(
        sql, [{"category": c, "priority": p, "status": s, "title": f"{c} {p}", "description": s} for c, p, s in cells]
    )


@SLASH
def test_empty_values_mean_no_filter(client: TestClient, each: list[Any], slash: str) -> None:
    everything = ids(client.get(f"/api/tickets{slash}"))
    assert len(everything) == 64
    assert ids(client.get(f"/api/tickets{slash}?category=&priority=&status=&search=")) == everything
    assert ids(client.get(f"/api/tickets{slash}?category=&priority=low&status=&search=")) == [
        row.id for row in in_order(each) if row.priority == "low"
    ]
    assert ids(client.get(f"/api/tickets{slash}?created_from=&created_to=")) == everything


@SLASH
def test_filters_combine_and_several_values_mean_any_of_them(client: TestClient, each: list[Any], slash: str) -> None:
    query = "category=billing&category=account&priority=high&status=open&status=closed&search=LOS"
    assert ids(client.get(f"/api/tickets{slash}?{query}")) == [
        row.id
        for row in in_order(each)
        if row.category in ("billing", "account") and row.priority == "high" and row.status == "closed"
    ]


def test_a_range_of_creation_times_includes_its_beginning_and_not_its_end(
    client: TestClient, sql: sa.Connection
) -> None:
    moments = [datetime(2026, 5, 1, hour, tzinfo=UTC) for hour in range(4)]
    rows = put(sql, [{"created_at": moment} for moment in moments])
    query = {"created_from": "2026-05-01T01:00:00Z", "created_to": "2026-05-01T05:00:00+02:00"}
    assert ids(client.get("/api/tickets/", params=query)) == [rows[2].id, rows[1].id]


def test_a_search_takes_the_term_as_it_is(client: TestClient, sql: sa.Connection) -> None:
    rows = put(sql, [{"title": "100% sure_thing"}, {"title": "100 surexthing"}, {"title": "A&B=C+D#?"}])
    for term, found in (("%", [0]), ("sure_t", [0]), ("SURE", [1, 0]), ("A&B=C+D#?", [2]), (" sure", [1, 0])):
        assert ids(client.get("/api/tickets/", params={"search": term})) == [rows[place].id for place in found]


@SLASH
def test_the_figures_count_every_word_also_where_there_is_none(
    client: TestClient, sql: sa.Connection, slash: str
) -> None:
    put(
        sql,
        [{"priority": "low", "category": "billing"}, {"priority": "low", "category": "account", "status": "closed"}],
    )
    answer = client.get(f"/api/tickets/stats{slash}")
    assert answer.status_code == 200
    figures = answer.json()
    assert (figures["total_tickets"], figures["open_tickets"], figures["avg_tickets_per_day"]) == (2, 1, 2.0)
    assert figures["priority_breakdown"] == {"low": 2, "medium": 0, "high": 0, "critical": 0}
    assert figures["category_breakdown"] == {"billing": 1, "technical": 0, "account": 1, "general": 0}


def test_the_figures_of_an_empty_desk_are_noughts(client: TestClient) -> None:
    figures = client.get("/api/tickets/stats/").json()
    assert (figures["total_tickets"], figures["open_tickets"], figures["avg_tickets_per_day"]) == (0, 0, 0)
    assert set(figures["priority_breakdown"].values()) == set(figures["category_breakdown"].values()) == {0}


def test_the_figures_take_the_filter_of_the_list(client: TestClient, each: list[Any]) -> None:
    figures = client.get("/api/tickets/stats/?category=billing&priority=low&priority=high&search=&status=").json()
    assert figures["total_tickets"] == 8
    assert figures["category_breakdown"] == {"billing": 8, "technical": 0, "account": 0, "general": 0}
    assert figures["priority_breakdown"] == {"low": 4, "medium": 0, "high": 4, "critical": 0}


@SLASH
def test_a_suggestion_that_nobody_has_is_the_default_and_says_so(client: TestClient, slash: str) -> None:
    answer = client.post(f"/api/tickets/classify{slash}", json={"description": "Lorem ipsum."})
    assert answer.status_code == 200
    assert {"suggested_category": "general", "suggested_priority": "medium"}.items() <= answer.json().items()
    assert "default" in answer.json()["note"].lower()


def test_a_new_ticket_is_in_the_list_and_in_the_figures_at_once(client: TestClient) -> None:
    for number in range(1, 4):
        filed = client.post("/api/tickets/", json=NEW).json()["id"]
        assert ids(client.get("/api/tickets/"))[0] == filed
        assert client.get("/api/tickets/stats/").json()["total_tickets"] == number


def test_the_documentation_describes_the_six_calls(client: TestClient) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]
    (address,) = set(re.findall(r"['\"]([^'\"]*openapi\.json)['\"]", page.text))
    paths = client.get(address).json()["paths"]
    assert {(path, method) for path in paths for method in paths[path]} >= {
        ("/tickets/", "get"),
        ("/tickets/", "post"),
        ("/tickets/{ticket_id}/", "get"),
        ("/tickets/{ticket_id}/", "patch"),
        ("/tickets/stats/", "get"),
        ("/tickets/classify/", "post"),
    }


def test_the_root_of_the_api_leads_to_its_documentation(client: TestClient) -> None:
    answer = client.get("/api/", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, "/api/docs")
