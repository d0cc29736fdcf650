"""Two things that Streamlit's frontend does on the side: it keeps large messages, and runs fragments by the clock."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed


@dataclass(slots=True)
class _Kept:
    message: ForwardMsg
    used: int


class Messages:
    """Large messages, which the server names by their hash instead of sending them again."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._runs = 0

    def __iter__(self) -> Iterator[str]:
        """The hashes of those that are there."""
        return iter(self._kept)

    def whole(self, message: ForwardMsg) -> ForwardMsg:
        """The message that one stands for which only names it; any other one is itself, and kept if it is large."""
        if message.WhichOneof("type") == "ref_hash":
            kept = self._kept[message.ref_hash]
            kept.used = self._runs
            kept.message.metadata.CopyFrom(message.metadata)
            return kept.message
        if message.metadata.cacheable and message.hash not in self._kept:
            self._kept[message.hash] = _Kept(message, self._runs)
        return message

    def ended(self, fragments: Collection[str], oldest: int) -> None:
        """Counts a run, and forgets what it could have used and no run has used for more than `oldest`."""
        self._runs += 1
        self._kept = {
            name: kept
            for name, kept in self._kept.items()
            if self._runs - kept.used <= oldest or (fragments and kept.message.delta.fragment_id not in fragments)
        }


class Tickers:
    """The fragments that the page wants run every few seconds; `run` sends the request for one."""

    def __init__(self, run: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self._tasks: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._asked: dict[str, float] = {}

    def start(self, fragment: str, seconds: float) -> None:
        """From now on runs the fragment every so many seconds; goes on if it does so already."""
        if fragment in self._tasks and self._tasks[fragment][0] == seconds:
            return
        self.stop([fragment])
        self._tasks[fragment] = (seconds, asyncio.create_task(self._repeat(fragment, seconds)))

    def stop(self, fragments: Iterable[str] | None = None) -> None:
        """Ends it for these fragments, or for all."""
        for fragment in list(self._tasks if fragments is None else fragments):
            self._asked.pop(fragment, None)
            if fragment in self._tasks:
                self._tasks.pop(fragment)[1].cancel()

    def answered(self, fragments: Iterable[str]) -> float | None:
        """When the earliest of the requests was sent that a run of these fragments answers; None if it answers none."""
        return min((self._asked.pop(fragment) for fragment in fragments if fragment in self._asked), default=None)

    async def _repeat(self, fragment: str, seconds: float) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(seconds)
                self._asked.setdefault(fragment, time.perf_counter())
                await self._run(fragment)
