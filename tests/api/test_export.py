"""A filter's tickets as a download: the right file under the right name, whole or visibly broken."""

import csv
import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import httpx
import pandas as pd
import pytest
import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests.oracle import put
from ticketcore import api
from ticketcore.desk import Desk

README = Path(__file__).parents[2] / "README.md"

TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/x-ndjson",
}


def test_the_file_holds_what_the_list_shows_and_its_name_says_so(client: TestClient, sql: sa.Connection) -> None:
    put(sql, [{"title": f"Refund {n}", "status": ("open", "closed")[n % 2], "category": "billing"} for n in range(9)])
    query = "status=open&category=billing&category=account"
    listed = client.get(f"/api/tickets/?{query}").json()
    assert len(listed) == 5
    for kind, media_type in TYPES.items():
        answer = client.get(f"/api/tickets/export/?format={kind}&columns=id,title&{query}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == media_type
        name = unquote(answer.headers["content-disposition"].removeprefix("attachment; filename*=UTF-8''"))
        assert name.startswith("open-billing-or-account-tickets_")
        assert name.endswith(f"_5-rows.{kind}")
        if kind == "csv":
            found = [(int(row["id"]), row["title"]) for row in csv.DictReader(io.StringIO(answer.text))]
        elif kind == "jsonl":
            found = [tuple(json.loads(line).values()) for line in answer.text.splitlines()]
        else:
            frame = pd.read_excel if kind == "xlsx" else pd.read_parquet
            found = list(frame(io.BytesIO(answer.content)).itertuples(index=False, name=None))
        assert found == [(ticket["id"], ticket["title"]) for ticket in listed]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "format"),
        ("format=xml", "format"),
        ("format=csv&columns=id,nonsense", "columns"),
        ("format=csv&sort=random", "sort"),
        ("format=csv&status=lost", "status"),
        ("format=csv&limit=5", "limit"),
    ],
)
def test_a_question_that_makes_no_sense_is_a_problem_that_names_the_field(
    client: TestClient, query: str, field: str
) -> None:
    answer = client.get(f"/api/tickets/export/?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [field]


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    """The API behind a real server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = Starlette(routes=[Mount("/api", api.build(lambda: desk))])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}/api/tickets/export/"
    server.should_exit = True
    thread.join()


@pytest.fixture
def many(sql: sa.Connection) -> None:
    sql.exec_driver_sql(
        "insert into tickets (title, description, category, priority)"
        " select 'A', repeat('x', 20000), 'general', 'low' from generate_series(1, 3000)"
    )


def busy(sql: sa.Connection) -> int:
    query = "select count(*) from pg_stat_activity where application_name = 'ticket-desk' and state <> 'idle'"
    return int(sql.exec_driver_sql(query).scalar_one())


@pytest.mark.parametrize("kind", TYPES)
def test_a_client_that_hangs_up_ends_the_export(
    address: str, desk: Desk, sql: sa.Connection, many: None, kind: str
) -> None:
    desk.itself.db.snapshot()  # which starts the watchdog of the connections
    threads = threading.active_count()
    with httpx.stream("GET", address, params={"format": kind, "progress": "mine"}) as answer:
        next(answer.iter_raw())
    export = desk.itself.exports.find("mine")
    assert export is not None
    deadline = time.monotonic() + 15
    while export.state == "running" or busy(sql) or threading.active_count() > threads + 2:  # the server's own workers
        assert time.monotonic() < deadline, "the export still runs"
        time.sleep(0.02)
    if kind in ("csv", "jsonl"):  # the others are small enough to be ready before the client has gone
        assert export.state == "broken"


def test_a_database_that_goes_away_breaks_the_transfer_off(address: str, sql: sa.Connection, many: None) -> None:
    with httpx.stream("GET", address, params={"format": "csv"}) as answer:
        pieces = answer.iter_raw(1 << 16)
        next(pieces)
        sql.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ticket-desk'"
        )
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in pieces:
                pass


def test_what_is_under_way_can_be_followed(address: str, desk: Desk, sql: sa.Connection, many: None) -> None:
    with httpx.stream("GET", address, params={"format": "csv", "progress": "mine"}) as answer:
        pieces = answer.iter_raw(1 << 16)
        next(pieces)
        export = desk.itself.exports.find("mine")
        assert export is not None
        assert (export.state, export.total) == ("running", 3000)
        for _ in pieces:
            pass
    assert (export.state, export.rows) == ("done", 3000)
    assert desk.itself.exports.find("another") is None


def test_the_readme_s_notebook_pulls_a_month_into_pandas(
    address: str, sql: sa.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    put(sql, [{"created_at": datetime(2026, month, day, tzinfo=UTC)} for month in (9, 10, 11) for day in (1, 15)])
    (notebook,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(notebook.splitlines()) <= 12
    found: dict[str, pd.DataFrame] = {}
    exec(notebook.replace("http://localhost:8501", address.removesuffix("/api/tickets/export/")), found)
    assert capsys.readouterr().out.startswith("2 tickets")
    days = [moment.to_pydatetime() for moment in found["tickets"].created_at]
    assert days == [datetime(2026, 10, 15, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)]
