"""Answers that are kept as long as nothing changes: whoever asks again and again costs the database one small query."""

import threading
from collections.abc import Callable

from fastapi import Request, Response

from ticketcore.desk import Seat

ROOM = 16 << 20
"""Bytes that are kept at the most, of answers and what they are found by."""

OVERHEAD = 1_000
"""Bytes that an answer takes beside its content and its key, roughly."""


class Kept:
    """The answers to one state of the desk, by what they depend on."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._snapshot = ""
        self._answers: dict[str, tuple[bytes, dict[str, str]]] = {}
        self._size = 0

    def find(self, snapshot: str, key: str) -> tuple[bytes, dict[str, str]] | None:
        """The content and the headers that were kept for this state of the desk."""
        with self._lock:
            return self._answers.get(key) if snapshot == self._snapshot else None

    def keep(self, snapshot: str, key: str, content: bytes, headers: dict[str, str]) -> None:
        """Keeps an answer that was made after `snapshot` was taken; forgets those to another state."""
        with self._lock:
            if snapshot != self._snapshot:
                self._snapshot, self._answers, self._size = snapshot, {}, 0
            size = len(content) + len(key) + OVERHEAD
            if self._size + size <= self._room and key not in self._answers:
                self._answers[key] = (content, headers)
                self._size += size


def answered(
    desk: Seat, request: Request, make: Callable[[], tuple[bytes, dict[str, str]]], *, depends_on: object = None
) -> Response:
    """The JSON that `make` gives, or gave since the last change of the desk to a request with the same address.

    The state is looked up before the answer is made, so an answer is never older than the state it is kept for.
    `depends_on` is whatever else the answer depends on, such as today's date.
    """
    kept: Kept = request.app.state.kept
    key = f"{request.url.path}?{request.url.query}#{depends_on}"
    snapshot = desk.db.snapshot()
    found = kept.find(snapshot, key)
    if found is None:
        found = make()
        kept.keep(snapshot, key, *found)
    content, headers = found
    return Response(content, headers=headers, media_type="application/json")
