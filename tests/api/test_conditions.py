"""A script changes the ticket that it read or none at all, and is not sent again what it has."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.oracle import put, stored
from ticketcore import tickets
from ticketcore.api import tickets as routes

ONE = "/api/tickets/1/"


@pytest.fixture(autouse=True)
def ticket(client: TestClient, sql: sa.Connection) -> None:
    """A ticket at version 3."""
    del client  # asked for so that the tables are emptied
    put(sql, [{}])
    for title in ("B", "C"):
        sql.execute(sa.text("update tickets set title = :title"), {"title": title})


def test_a_ticket_is_tagged_with_its_version_wherever_it_is_answered(client: TestClient) -> None:
    assert client.get(ONE).headers["etag"] == '"3"'
    assert client.patch(ONE, json={"title": "D"}).headers["etag"] == '"4"'
    assert client.patch(ONE, json={"title": "D"}).headers["etag"] == '"4"'
    assert client.patch(ONE, json={"title": "E"}, headers={"If-Match": '"4"'}).headers["etag"] == '"5"'
    assert client.post("/api/tickets/", json={"title": "A", "description": "B"}).headers["etag"] == '"1"'
    assert "etag" not in client.get("/api/tickets/").headers


@pytest.mark.parametrize("tag", ['"3"', "*", 'W/"3"', '"1", "3"', '"x,y" ,"3"', ' "3" ', ',"3",'])
def test_who_has_the_ticket_is_told_so_without_a_body(client: TestClient, tag: str) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, ONE, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"3"')
        assert "content-type" not in answer.headers


@pytest.mark.parametrize("tag", ['"2"', '"4"', '"03"', '"W/3"', '""', '"1", "2"', '"*"'])
def test_who_has_another_version_gets_the_ticket(client: TestClient, tag: str) -> None:
    answer = client.get(ONE, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json()["version"]) == (200, 3)


@pytest.mark.parametrize("tag", ['"3"', "*", '"1", "3"', '"3","4"', ' "3" ', 'W/"2", "3"'])
def test_a_change_of_the_version_that_was_read_is_made(client: TestClient, sql: sa.Connection, tag: str) -> None:
    answer = client.patch(ONE, json={"title": "Mine"}, headers={"If-Match": tag})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"4"')
    assert stored(sql)[0].title == "Mine"


@pytest.mark.parametrize("tag", ['"2"', '"4"', 'W/"3"', '"03"', '""', '"x"', '"1", W/"3"', '"*"', f'"{10**400}"'])
def test_a_change_of_another_version_is_refused_with_the_tag_of_the_current_one(
    client: TestClient, sql: sa.Connection, tag: str
) -> None:
    before = stored(sql)
    for body in ({"title": "Mine"}, {"title": "C"}, {}):
        answer = client.patch(ONE, json=body, headers={"If-Match": tag})
        assert (answer.status_code, answer.headers["etag"]) == (412, '"3"')
        assert answer.headers["content-type"] == "application/problem+json"
        assert "version 3" in answer.json()["detail"]
    assert stored(sql) == before


@pytest.mark.parametrize("tag", ["3", '"3', "", "*, *", '*, "3"', 'w/"3"', '"a b"', "x"])
def test_what_is_no_list_of_tags_is_refused_by_the_name_of_its_header(client: TestClient, tag: str) -> None:
    for answer, name in (
        (client.get(ONE, headers={"If-None-Match": tag}), "If-None-Match"),
        (client.patch(ONE, json={"title": "D"}, headers={"If-Match": tag}), "If-Match"),
    ):
        assert (answer.status_code, set(answer.json()["errors"])) == (422, {name})
    assert client.get(ONE).headers["etag"] == '"3"'


def test_lists_may_be_spread_over_several_headers(client: TestClient) -> None:
    lines = [("If-Match", '"1"'), ("If-Match", '"3"')]
    assert client.patch(ONE, json={"title": "D"}, headers=lines).status_code == 200


def test_conditions_on_a_ticket_that_is_not_there_are_404(client: TestClient) -> None:
    assert client.get("/api/tickets/9/", headers={"If-None-Match": "*"}).status_code == 404
    assert client.patch("/api/tickets/9/", json={"title": "D"}, headers={"If-Match": "*"}).status_code == 404


def test_of_ten_changes_of_one_version_at_once_exactly_one_is_made(client: TestClient, sql: sa.Connection) -> None:
    start = threading.Barrier(10)

    def change(number: int) -> int:
        start.wait(10)
        return client.patch(ONE, json={"title": f"No {number}"}, headers={"If-Match": '"3"'}).status_code

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(change, range(10)))
    assert sorted(statuses) == [200] + [412] * 9
    assert stored(sql)[0].title == f"No {statuses.index(200)}"


@pytest.mark.parametrize(("tag", "status"), [('"3"', 412), ('"3", "4"', 200), ("*", 200)])
def test_a_change_that_comes_between_the_look_and_the_write_is_not_overwritten_unless_its_version_will_do(
    client: TestClient, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch, tag: str, status: int
) -> None:
    get = tickets.get

    def slow_get(*arguments: object) -> object:
        found = get(*arguments)
        monkeypatch.undo()
        sql.exec_driver_sql("update tickets set status = 'closed'")
        return found

    monkeypatch.setattr(routes.tickets, "get", slow_get)
    assert client.patch(ONE, json={"title": "Mine"}, headers={"If-Match": tag}).status_code == status
    (row,) = stored(sql)
    assert (row.title, row.status) == ("Mine" if status == 200 else "C", "closed")


def test_a_change_without_a_condition_meets_no_conflict(client: TestClient, sql: sa.Connection) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: client.patch(ONE, json={"title": f"No {n}"}).status_code, range(30)))
    assert set(answers) == {200}
    assert client.get(ONE).headers["etag"] == '"33"'


@pytest.mark.parametrize(
    "kind", ["application/json", "application/merge-patch+json", "application/json; charset=utf-8"]
)
def test_a_change_is_a_merge_patch(client: TestClient, sql: sa.Connection, kind: str) -> None:
    answer = client.patch(ONE, content='{"status": "closed"}', headers={"Content-Type": kind})
    assert answer.status_code == 200
    (row,) = stored(sql)
    assert (row.title, row.status) == ("C", "closed")
    for body in ('{"title": null}', '{"colour": "red"}'):
        assert client.patch(ONE, content=body, headers={"Content-Type": kind}).status_code == 422
