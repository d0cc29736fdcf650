"""The desk at the edges of what it promises: nothing is lost and nothing is refused that fits."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import Desk
from ticketcore import listing
from ticketcore.database import Database
from ticketcore.filters import Sort, TicketFilter

TICKETS = 10_000


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        desk = Desk(Path(folder), DESK_RATE_CREATE="0")
        desk.start()
        yield desk
        desk.stop()
        desk.api.close()


def test_ten_thousand_tickets_that_are_filed_one_after_the_other_are_all_there_once(desk: Desk) -> None:
    with httpx.Client(base_url=f"{desk.url}/api", timeout=60) as client, ThreadPoolExecutor(16) as clients:

        def file(number: int) -> int:
            answer = client.post("/tickets/", json={"title": f"Ticket {number}", "description": "A"})
            assert answer.status_code == 201, answer.text
            return int(answer.json()["id"])

        numbers = clients.map(file, range(TICKETS))
        answered = {f"Ticket {number}": found for number, found in enumerate(numbers)}
    assert dict(desk.sql("select title, id from tickets")) == answered
    assert desk.sql("select count(*), count(distinct ticket_id) from ticket_events") == [(TICKETS, TICKETS)]
    assert desk.api.get("/tickets/stats/").json()["total_tickets"] == TICKETS


def test_a_description_of_exactly_twenty_thousand_characters_is_kept_to_the_last_one(desk: Desk) -> None:
    text = "«" + "ß" * 19_997 + "é»"
    assert len(text) == 20_000
    number = desk.file("As long as can be", text)["id"]
    assert desk.ticket(number)["description"] == text
    assert desk.sql(f"select description from tickets where id = {number}") == [(text,)]
    refused = desk.api.post("/tickets/", json={"title": "A", "description": text + "x"})
    assert refused.status_code == 422
    assert "description" in refused.json()["errors"]
    found = desk.api.get("/tickets/", params={"search": "ßé»"}).json()
    assert [ticket["id"] for ticket in found] == [number]


def test_far_down_the_list_come_the_oldest_and_behind_the_end_nothing(desk: Desk) -> None:
    db = Database(f"postgresql://postgres@/postgres?host={desk.folder / 'postgres'}")
    try:
        ((number,),) = desk.sql("select count(*) from tickets")
        last = listing.summaries(db, TicketFilter(), sort=Sort.NEWEST, limit=50, offset=number - 50)
        assert [(ticket.id,) for ticket in last] == desk.sql("select id from tickets order by created_at, id limit 50")[
            ::-1
        ]
        assert listing.summaries(db, TicketFilter(), limit=50, offset=20_000 * 50) == []
    finally:
        db.close()
