"""Whom the desk has in front of it under load, with the pauses that people make: support leads and analysts.

Agents are in `agents.py`. What people do is drawn from shuffled decks, so that each of them does everything, and the
same people come in every run.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import httpx
from websockets.exceptions import WebSocketException

from tests.bench.ledger import Ledger, Part
from tests.bench.shown import options
from tests.bench.streamlit_client import PATIENCE, Client, PageFailed

ITSELF = "redraws itself"
WORDS = ("invoice", "password", "refund", "error 403", "cannot log in", "printer", "export", "contract")
FACETS = {
    "category": ["Billing", "Technical", "Account", "General"],
    "priority": ["Low", "Medium", "High", "Critical"],
    "status": ["Open", "In progress", "Resolved", "Closed"],
}
FAULTS = (PageFailed, OSError, httpx.HTTPError, WebSocketException, KeyError)

Deed = Callable[[], Coroutine[Any, Any, None]]


class Person:
    """Somebody who works until the ledger closes; an error is noted, and they begin again with a new window."""

    pause: ClassVar = (2.0, 8.0)

    def __init__(self, url: str, ledger: Ledger, number: int) -> None:
        self.url, self.ledger, self.number = url, ledger, number
        self.rng = random.Random(f"{type(self).__name__} {number}")
        self.where = ""

    async def work(self) -> None:
        await asyncio.sleep(self.rng.uniform(0, self.ledger.arriving))
        while self.ledger.is_open():
            try:
                await self.sit()
            except FAULTS as error:
                self.ledger.errors[f"{type(self).__name__} {self.number}, {self.where}: {error!r}"] += 1
                await asyncio.sleep(1)

    async def sit(self) -> None:
        raise NotImplementedError

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Client]:
        """A window on the desk."""
        async with Client(self.url, redrew=lambda seconds: self.note(ITSELF, seconds)) as window:
            try:
                yield window
            finally:
                self.ledger.restarts += window.restarts

    async def think(self) -> None:
        await asyncio.sleep(self.rng.uniform(*self.pause) * self.ledger.hurry)

    def deck(self, cards: dict[Deed, int]) -> Iterator[Deed]:
        """What to do next, for ever; each as often as it says."""
        while True:
            whole = [card for card, times in cards.items() for _ in range(times)]
            self.rng.shuffle(whole)
            yield from whole

    def note(self, what: str, seconds: float) -> None:
        self.ledger.note(self.where, what, seconds)


class Lead(Person):
    """Has the stats page open, and now and then looks at another period or at a part of the tickets."""

    pause: ClassVar = (5.0, 15.0)

    async def sit(self) -> None:
        self.where = "stats"
        async with self.looking() as self.window:
            self.note("open the page", await self.window.open("stats"))
            for do in self.deck({self.period: 2, self.filter: 2, self.clear: 1}):
                await self.think()
                if not self.ledger.is_open():
                    return
                await do()

    async def period(self) -> None:
        period = self.rng.choice(options(self.window.widget("period")))
        self.note("change the period", await self.window.set("period", [period]))

    async def filter(self) -> None:
        key = self.rng.choice(list(FACETS))
        self.note("filter", await self.window.set(key, [self.rng.choice(FACETS[key])]))

    async def clear(self) -> None:
        for key in FACETS:
            if self.window.shown.values[self.window.widget(key).id].string_array_value.data:
                self.note("filter", await self.window.set(key, []))


class Analyst(Person):
    """Takes one file after the other away, in the second half of the run."""

    async def sit(self) -> None:
        self.where = "export"
        queries = ("", "", "&category=billing&category=technical", "&search=invoice")
        formats = ["csv", "xlsx", "parquet", "jsonl"]
        async with httpx.AsyncClient(base_url=f"{self.url}/api", timeout=PATIENCE) as client:
            for turn in range(self.number, 1_000_000):
                while self.ledger.is_open() and self.ledger.part(time.perf_counter()) is not Part.EXPORTING:
                    await asyncio.sleep(0.1)
                format, began = formats[turn % 4], time.perf_counter()
                path = f"/tickets/export/?format={format}{self.rng.choice(queries)}"
                async with client.stream("GET", path) as answer:
                    answer.raise_for_status()
                    async for piece in answer.aiter_raw():
                        self.ledger.exported += len(piece)
                        if not self.ledger.is_open():
                            return
                self.note(format, time.perf_counter() - began)
