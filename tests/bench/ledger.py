"""What a run under load remembers: how long everything took, what went wrong, and what the desk said it had stored."""

import asyncio
import enum
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class Part(enum.StrEnum):
    """The parts of a run, in their order."""

    ARRIVING = "while they arrive"
    QUIET = "nobody exports"
    EXPORTING = "all export"


@dataclass
class Ledger:
    """Times are seconds; `seconds` is how long the run takes, of which they arrive in the first `arriving`."""

    seconds: float
    arriving: float
    hurry: float = 1.0
    """By what thinking times are multiplied; below 1 people are faster than people."""
    began: float = field(default_factory=time.perf_counter)
    times: dict[tuple[str, str, Part], list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    """Clicks without effect, because the page was drawn anew in the same moment."""
    filed: dict[int, dict[str, str]] = field(default_factory=dict)
    """What was answered with 201, or on the dashboard with its number."""
    changed: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Tickets and the status that the desk said they have now, each time."""
    open_titles: set[str] = field(default_factory=set)
    """Titles of what was to be filed and was not answered: it may be there, once, or not."""
    open_changes: Counter[tuple[int, str]] = field(default_factory=Counter)
    """As `changed`, of what was not answered: it may be stored or not."""
    conflicts: int = 0
    """Changes that it refused, because somebody else was first."""
    restarts: int = 0
    """How often a page that was being drawn began anew, because a ticket had changed meanwhile."""
    exported: int = 0
    """Bytes of files."""
    late: list[float] = field(default_factory=list)
    """How late the clients' own event loop was: none of the times is truer than that."""

    def part(self, moment: float) -> Part:
        """The part of the run in which this moment (`time.perf_counter`) lies."""
        since = moment - self.began
        if since < self.arriving:
            return Part.ARRIVING
        return Part.QUIET if since < self.seconds / 2 else Part.EXPORTING

    def is_open(self) -> bool:
        """Whether the run goes on."""
        return time.perf_counter() - self.began < self.seconds

    def note(self, where: str, what: str, seconds: float) -> None:
        """Keeps how long something took that has just ended."""
        part = self.part(time.perf_counter() - seconds)
        self.times.setdefault((where, what, part), []).append(seconds)

    def of(self, where: str, part: Part, *, without: str = "") -> list[float]:
        """Everything that took time there, in order of length."""
        return sorted(
            one
            for (at, what, when), times in self.times.items()
            for one in times
            if (at, when) == (where, part) and what != without
        )

    @contextmanager
    def changing(self, ticket: int, status: str) -> Iterator[tuple[int, str]]:
        """Around a change, which it gives a name: it counts as open unless it is answered."""
        change = (ticket, status)
        self.open_changes[change] += 1
        yield change
        self.open_changes[change] -= 1

    async def watch(self) -> None:
        """Notes how late the event loop is, until it is cancelled."""
        while True:
            asleep = time.perf_counter()
            await asyncio.sleep(0.05)
            self.late.append(time.perf_counter() - asleep - 0.05)


def percentile(ordered: list[float], share: float) -> float:
    """The value below which that share of the others lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
