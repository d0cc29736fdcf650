"""Whether the desk's memory stays flat: thousands of reruns of its pages, and windows that open and close again.

Memory is that of the desk's process, measured when everybody has gone quiet. What the desk keeps on purpose is bounded:
its caches by number, windows that were left by number and time. So the warm-up, a fifth of the whole on top of it and
at least 150 visits, fills them first. A ticket changes between any ten reruns, so that every page is drawn anew.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import httpx
import psutil
import uvloop

from tests.bench.ground import filled, running
from tests.bench.people import FACETS, FAULTS, WORDS
from tests.bench.shown import options
from tests.bench.streamlit_client import Client
from tests.browser.conftest import Desk

TICKETS = 2_000
WINDOWS = 6
MOST = 10.0
"""Percent by which the desk may grow after the warm-up."""


def run(reruns: int, visits: int) -> tuple[list[str], list[str]]:
    """The lines to print, and what failed."""
    with filled(TICKETS) as db, running(db.url.replace("+psycopg2", "")) as desk:
        try:
            sizes = uvloop.run(_measured(desk, reruns, visits))
        except FAULTS as error:
            return ["It was broken off."], [repr(error)]
        logged = [line for line in desk.log().splitlines() if "level=error" in line or "Traceback" in line]
    growth = (sizes[-1] / sizes[0] - 1) * 100
    lines = [
        f"On a desk of {TICKETS:,} tickets, {WINDOWS} windows at a time.",
        "",
        "| after | memory, MB | since the warm-up |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {size / 1e6:.1f} | {(size / sizes[0] - 1) * 100:+.1f} % |"
            for name, size in zip(_names(reruns, visits), sizes, strict=True)
        ),
    ]
    failed = [f"the desk's log says {line}" for line in logged[:20]]
    if growth > MOST:
        failed.append(f"the desk grew by {growth:.1f} %, more than {MOST:.0f} %")
    return lines, failed


def _names(reruns: int, visits: int) -> Iterator[str]:
    yield "the warm-up"
    yield f"{reruns // 2:,} reruns"
    yield f"{reruns:,} reruns"
    yield f"{visits:,} windows that came and went"


async def _measured(desk: Desk, reruns: int, visits: int) -> list[int]:
    """The bytes of the desk after each of the stages of `_names`."""
    numbers = itertools.count()

    async def all_at_once(times: int, one: Callable[[str, int, int], Coroutine[Any, Any, None]]) -> None:
        await asyncio.gather(*(one(desk.url, times // WINDOWS, next(numbers)) for _ in range(WINDOWS)))

    await all_at_once(reruns // 5, _stroll)
    await all_at_once(max(150, visits // 5), _visit)
    sizes = [await _size(desk)]
    for _ in range(2):
        await all_at_once(reruns // 2, _stroll)
        sizes.append(await _size(desk))
    await all_at_once(visits, _visit)
    sizes.append(await _size(desk))
    return sizes


async def _size(desk: Desk) -> int:
    await asyncio.sleep(3)
    return int(psutil.Process(desk.process.pid).memory_info().rss)


async def _visit(url: str, times: int, number: int) -> None:
    """Opens and closes windows, on one page after the other."""
    for turn in range(times):
        async with Client(url) as window:
            await window.open(("tickets", "", "stats")[(turn + number) % 3])


async def _stroll(url: str, times: int, number: int) -> None:
    """Makes pages run so many times, and now and then changes a ticket."""
    rng = random.Random(number)
    async with Client(url) as window, httpx.AsyncClient(base_url=f"{url}/api", timeout=60) as program:
        await window.open("tickets")
        page = "tickets"
        for turn in range(times):
            if turn % 10 == 0:
                status = {"status": rng.choice(("open", "in_progress", "resolved"))}
                (await program.patch(f"/tickets/{rng.randint(1, TICKETS)}/", json=status)).raise_for_status()
            if turn % 20 == 19:
                page = rng.choice(("tickets", "tickets", "stats", ""))
                await window.go(page)
            elif page == "":
                await window.set("submit_title_", f"{rng.choice(WORDS)} {turn}")
            elif page == "stats" and turn % 2:
                await window.set("period", [rng.choice(options(window.widget("period")))])
            elif page == "tickets" and turn % 3 == 0:
                await window.set("search", rng.choice(("", *WORDS)))
            else:
                key = rng.choice(list(FACETS))
                await window.set(key, rng.sample(FACETS[key], rng.choice((0, 1, 2))))
