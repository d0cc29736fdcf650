"""Agents under load: they find, file and change tickets on the dashboard, and let a program file and change as well."""

import asyncio
import re
import time
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx

from tests.bench.ground import ZONE
from tests.bench.people import FACETS, WORDS, Person
from tests.bench.shown import a_cell, options, rows
from tests.bench.streamlit_client import PATIENCE, PageFailed
from ticketcore import demo

STATUSES = ("open", "in_progress", "resolved", "closed")


@cache
def stories() -> list[tuple[str, str]]:
    """Titles and descriptions to file; making them takes a tenth of a second."""
    told = demo.histories(500, 7, datetime.now(UTC), ZONE)
    return [(one.title[:150].strip(), one.description.strip()) for one in told]


class Agent(Person):
    """Finds, files and changes tickets."""

    async def sit(self) -> None:
        async with (
            self.looking() as self.window,
            httpx.AsyncClient(base_url=f"{self.url}/api", timeout=PATIENCE) as self.program,
        ):
            self.where = "tickets"
            self.note("open the page", await self.window.open("tickets"))
            cards = {
                self.filter: 6, self.search: 3, self.clear: 3, self.turn: 3, self.change: 2, self.file: 1,
                self.let_file: 1, self.let_change: 1,
            }  # fmt: skip
            for do in self.deck(cards):
                await self.think()
                if not self.ledger.is_open():
                    return
                await do()

    async def filter(self) -> None:
        key = self.rng.choice(list(FACETS))
        chosen = self.rng.sample(FACETS[key], self.rng.choice((1, 1, 2)))
        self.note("filter", await self.window.set(key, chosen))

    async def search(self) -> None:
        word = self.rng.choice(WORDS)
        for typed in (word[:4], word):  # who types pauses now and then, and the list follows
            self.note("search", await self.window.set("search", typed))
            await asyncio.sleep(0.4 * self.ledger.hurry)

    async def clear(self) -> None:
        if self.window.shown.find("Clear filter"):
            self.note("clear the filter", await self.window.press("Clear filter"))

    async def turn(self) -> None:
        pages = self.window.shown.find("page", "pagination")
        if pages:
            page = self.rng.randint(1, min(5, pages.element.num_pages))
            self.note("turn the page", await self.window.set("page", page))

    async def change(self) -> None:
        shown = self.window.shown
        table = shown.find("browse_ticket_table_")
        if table is None:
            return await self.clear()
        cell = a_cell(self.rng.randrange(min(rows(table), 15)), "title")
        self.note("open a ticket", await self.window.set("browse_ticket_table_", cell))
        await self.think()
        field = shown.find("browse_status_")
        if field is None:
            self.ledger.lost["a row was clicked"] += 1
            return None
        now = shown.values[field.id].string_value
        wanted = self.rng.choice([status for status in options(field) if status != now])
        ticket = int(field.key.split("_")[2])
        with self.ledger.changing(ticket, wanted.lower().replace(" ", "_")) as change:
            self.note("change a status", await self.window.set(field.key, wanted))
        if ("toast", f"Status is now {wanted.lower()}\\.") in shown.heard:
            self.ledger.changed[change] += 1
        elif any(kind == "warning" for kind, _ in shown.heard):
            self.ledger.conflicts += 1
        else:
            self.ledger.lost["a status was chosen"] += 1
        return None

    async def file(self) -> None:
        title, description = self.story()
        self.where = "submit"
        self.note("go to the page", await self.window.go(""))
        await self.think()
        self.note("write the title", await self.window.set("submit_title_", title))
        await self.think()
        self.note("write the description", await self.window.set("submit_description_", description))
        await self.think()
        self.ledger.open_titles.add(title)
        self.note("submit", await self.window.press("Submit ticket"))
        said = " ".join(text for _, text in self.window.shown.heard)
        number = re.search(r"Ticket \\#(\d+) is filed", said)
        if number is None:
            raise PageFailed(f"nothing was filed: {said}")
        self.ledger.filed[int(number[1])] = {"title": title, "description": description}
        self.ledger.open_titles.remove(title)
        await self.think()
        self.where = "tickets"
        self.note("come back to the page", await self.window.go("tickets"))

    async def let_file(self) -> None:
        title, description = self.story()
        facets = {key: self.rng.choice(FACETS[key]).lower() for key in ("category", "priority")}
        body = {"title": title, "description": description, **facets}
        key = {"Idempotency-Key": str(uuid.uuid4())}
        self.ledger.open_titles.add(title)
        answers = [await self.call("file", "POST", "/tickets/", json=body, headers=key)]
        if self.rng.random() < 0.2:  # the answer was lost on the way, for all it knows
            answers.append(await self.call("file again", "POST", "/tickets/", json=body, headers=key))
        numbers = {answer.json()["id"] for answer in answers if answer.status_code == 201}
        if len(numbers) != 1:
            raise PageFailed(f"filed once, answered {[answer.text for answer in answers]}")
        self.ledger.filed[numbers.pop()] = body
        self.ledger.open_titles.remove(title)

    async def let_change(self) -> None:
        listed = await self.call("list", "GET", f"/tickets/?status={self.rng.choice(STATUSES)}&limit=50")
        ticket = self.rng.choice(listed.json())
        wanted = self.rng.choice([status for status in STATUSES if status != ticket["status"]])
        unless = {"If-Match": f'"{ticket["version"]}"'}
        with self.ledger.changing(ticket["id"], wanted) as change:
            path, new = f"/tickets/{ticket['id']}/", {"status": wanted}
            answer = await self.call("change", "PATCH", path, json=new, headers=unless)
        if answer.status_code == 412:
            self.ledger.conflicts += 1
        else:
            self.ledger.changed[change] += 1

    async def call(self, what: str, method: str, path: str, **more: Any) -> httpx.Response:
        began = time.perf_counter()
        answer = await self.program.request(method, path, **more)
        self.ledger.note("API", what, time.perf_counter() - began)
        if answer.status_code >= 400 and answer.status_code != 412:
            raise PageFailed(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        return answer

    def story(self) -> tuple[str, str]:
        """A title that nobody else has, and a description."""
        title, description = self.rng.choice(stories())
        return f"{title} ({self.number}-{uuid.uuid4().hex[:8]})", description
