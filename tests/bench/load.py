"""`make load`: a desk of a million tickets with 50 agents, 10 leads and 5 analysts in front of it for ten minutes.

In the first half nobody exports, in the second half all analysts do. The clients are one process beside that of the
desk and that of the database: what they take of the processors is printed, because the desk has not got that. Prints
p50, p95 and the longest in milliseconds, checks that the books add up, goes on to `soak.py`, and writes all of it to
`docs/load.md`. Ends with 1 if anything failed, never for a time. With `--desks 2` there are two processes of the desk
on the same database, each with every second of the people, as behind a proxy that lets them stay at one.

The database is the one that DATABASE_URL names, or one of its own with TICKETS made-up tickets.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg2
import uvloop

from tests.bench import soak
from tests.bench.agents import Agent, stories
from tests.bench.books import Books
from tests.bench.ground import filled, machine, pace, running
from tests.bench.ledger import Ledger, Part, percentile
from tests.bench.people import ITSELF, Analyst, Lead, Person
from tests.browser.conftest import Desk

WRITTEN = Path(__file__).parents[2] / "docs" / "load.md"
WANTED = {"tickets": {Part.QUIET: 150, Part.EXPORTING: 500}, "stats": {Part.QUIET: 300, Part.EXPORTING: 500}}
"""Milliseconds under which the ninety-fifth percentile of an interaction should be."""


class Gauge:
    """What the desk and the clients use, sampled once a second."""

    def __init__(self, ledger: Ledger, desks: Sequence[Desk]) -> None:
        self._ledger = ledger
        self._processes = {"desk": psutil.Process(desks[0].process.pid), "clients": psutil.Process()}
        self._words = {
            "desk": "the desk" if len(desks) == 1 else f"the first of {len(desks)} desks", "clients": "the clients",
            "machine": "the whole machine",
        }  # fmt: skip
        self.memory: list[tuple[float, int]] = []
        """Seconds since the beginning, and the bytes that the desk, or the first of them, has in memory."""
        self.shares: dict[tuple[str, Part], list[float]] = {}
        """Percent of one processor, of all of them for the whole machine."""

    async def watch(self) -> None:
        """Samples until it is cancelled."""
        for process in self._processes.values():
            process.cpu_percent()
        psutil.cpu_percent()
        while True:
            await asyncio.sleep(1)
            part = self._ledger.part(time.perf_counter())
            for name, process in self._processes.items():
                self.shares.setdefault((name, part), []).append(process.cpu_percent())
            self.shares.setdefault(("machine", part), []).append(psutil.cpu_percent())
            memory = self._processes["desk"].memory_info().rss
            self.memory.append((time.perf_counter() - self._ledger.began, memory))

    def lines(self) -> Iterator[str]:
        yield f"| of a processor | {' | '.join(Part)} |"
        yield "| --- | --- | --- | --- |"
        for name, words in self._words.items():
            shares = [self.shares.get((name, part), [0.0]) for part in Part]
            yield f"| {words} | {' | '.join(f'{sum(one) / len(one):.0f} %' for one in shares)} |"
        yield ""
        warm = min(60.0, self._ledger.seconds / 4)
        at = {
            "after warm-up": next((memory for since, memory in self.memory if since >= warm), 0),
            "before anybody exports": next((m for since, m in self.memory if since >= self._ledger.seconds / 2), 0),
            "at the end": self.memory[-1][1] if self.memory else 0,
        }
        used = ", ".join(f"{size / 1e6:.0f} MB {when}" for when, size in at.items())
        yield f"Memory of {self._words['desk']}: {used}."


async def _meet(desks: Sequence[Desk], ledger: Ledger, gauge: Gauge, people: Mapping[type[Person], int]) -> None:
    present = [
        kind(desks[number % len(desks)].url, ledger, number) for kind, many in people.items() for number in range(many)
    ]
    watchers = [asyncio.create_task(ledger.watch()), asyncio.create_task(gauge.watch())]
    try:
        await asyncio.gather(*(person.work() for person in present))
    finally:
        for watcher in watchers:
            watcher.cancel()


def run(
    url: str, *, seconds: float, agents: int, leads: int, analysts: int, desks: int = 1, hurry: float = 1.0
) -> tuple[list[str], list[str], Ledger]:
    """The lines to print, what failed, and the ledger of a run on the database at `url`."""
    stories()
    sql = psycopg2.connect(url)
    sql.autocommit = True
    try:
        with ExitStack() as stack:
            started = [stack.enter_context(running(url)) for _ in range(desks)]
            books = Books(sql)
            ledger = Ledger(seconds, min(30.0, seconds / 10), hurry)
            gauge = Gauge(ledger, started)
            uvloop.run(_meet(started, ledger, gauge, {Agent: agents, Lead: leads, Analyst: analysts}))
            said = [line for desk in started for line in desk.log().splitlines()]
            logged = [line for line in said if "level=error" in line or "Traceback" in line]
        failed = [
            *(f"{times}x {error}" for error, times in ledger.errors.items()),
            *(f"the desk's log says {line}" for line in logged[:20]),
            *books.faults(ledger),
        ]
    finally:
        sql.close()
    return [*_report(ledger), "", *gauge.lines(), "", *_kept(ledger, failed)], failed, ledger


def _report(ledger: Ledger) -> Iterator[str]:
    parts = (Part.QUIET, Part.EXPORTING)
    yield f"| ms | {' | '.join(f'{part}: number | p50 | p95 | longest' for part in parts)} |"
    yield f"| --- |{' --- |' * 8}"
    for where in sorted({where for where, _, _ in ledger.times}):
        whats = sorted({what for at, what, _ in ledger.times if at == where} - {ITSELF})
        for what in whats:
            yield _line(f"{where}: {what}", [sorted(ledger.times.get((where, what, part), [])) for part in parts])
        if any(at == where and what == ITSELF for at, what, _ in ledger.times):
            yield _line(f"{where}: {ITSELF}", [sorted(ledger.times.get((where, ITSELF, part), [])) for part in parts])
        if where in WANTED:
            yield _line(f"**{where}: every interaction**", [ledger.of(where, part, without=ITSELF) for part in parts])
            wanted = (f"| | < {WANTED[where][part]} |" for part in parts)
            yield f"| {where}: wanted | {' '.join(f'{one} |' for one in wanted)}"
    late = sorted(ledger.late) or [0.0]
    yield ""
    yield f"The clients' own event loop was late by {1000 * percentile(late, 0.95):.0f} ms (p95): no time is truer."


def _line(name: str, parts: list[list[float]]) -> str:
    cells = []
    for times in parts:
        if times:
            shown = (percentile(times, 0.5), percentile(times, 0.95), times[-1])
            cells.append(f"{len(times):,} | " + " | ".join(f"{1000 * one:.0f}" for one in shown))
        else:
            cells.append("– | – | – | –")
    return f"| {name} | {' | '.join(cells)} |"


def _kept(ledger: Ledger, failed: list[str]) -> Iterator[str]:
    yield (
        f"{len(ledger.filed):,} tickets filed, {ledger.changed.total():,} changes stored, {ledger.conflicts:,} refused "
        f"because somebody else was first, {ledger.exported / 1e6:,.0f} MB exported."
    )
    yield f"{ledger.restarts:,} times a page that was being drawn began anew, because a ticket had changed meanwhile."
    for what, times in ledger.lost.items():
        yield f"{times:,} times {what} just when the page was drawn anew, and nothing came of it."
    yield f"What failed: {len(failed)}." if failed else "Nothing failed; the books add up."


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description="Put the desk under load.")
    parser.add_argument("--minutes", type=float, default=10, help="how long; 0 for the soak alone (10)")
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--leads", type=int, default=10)
    parser.add_argument("--analysts", type=int, default=5)
    parser.add_argument("--desks", type=int, default=1, help="processes of the desk; people stay at one of them (1)")
    parser.add_argument("--tickets", type=int, default=int(os.environ.get("TICKETS") or 1_000_000))
    parser.add_argument("--reruns", type=int, default=5_000, help="of the soak; 0 for none (5000)")
    parser.add_argument("--visits", type=int, default=1_000, help="of the soak (1000)")
    chosen = parser.parse_args()
    told = ["# Load", "", "Written by `make load`.", "", machine(), ""]
    print("\n".join(told), flush=True)
    failed: list[str] = []

    def tell(title: str, lines: list[str], faults: list[str]) -> None:
        told.extend([f"## {title}", "", *lines, ""])
        print("\n".join([f"## {title}", "", *lines, *(f"FAILED {fault}" for fault in faults), ""]), flush=True)
        failed.extend(faults)

    if chosen.minutes:
        with ExitStack() as stack:
            url = os.environ.get("DATABASE_URL") or ""
            if not url:
                url = stack.enter_context(filled(chosen.tickets)).url.replace("+psycopg2", "")
            people = {"agents": chosen.agents, "leads": chosen.leads, "analysts": chosen.analysts}
            before = pace()
            lines, faults, _ = run(url, seconds=60 * chosen.minutes, desks=chosen.desks, **people)
            lines.append(
                f"Python counted to three million in {before:.0f} ms before and in {pace():.0f} ms after this: "
                "a machine that others share has hours of different speed."
            )
            words = ", ".join(f"{number} {who}" for who, number in people.items())
            words += f", {chosen.desks} desks" if chosen.desks > 1 else ""
            tell(f"{words}, {chosen.minutes:g} minutes, {chosen.tickets:,} tickets", lines, faults)
    if chosen.reruns:
        lines, faults = soak.run(chosen.reruns, chosen.visits)
        tell(f"{chosen.reruns:,} reruns, {chosen.visits:,} visits", lines, faults)
    WRITTEN.write_text("\n".join(told).rstrip() + "\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
