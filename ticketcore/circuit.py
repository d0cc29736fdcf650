"""When a service that keeps failing is left alone for a while."""

import time
from collections.abc import Callable


class Circuit:
    """Whether a service may be asked: not for a pause after some failures in a row, then by one trial at a time."""

    def __init__(self, now: Callable[[], float] = time.monotonic, *, failures: int = 3, seconds: float = 30.0) -> None:
        self._now, self._failures, self._seconds = now, failures, seconds
        self._failed = 0
        self._open_until = 0.0
        self._on_trial = False

    def lets_through(self) -> bool:
        """Whether a request may go out now. The first one after the pause is the trial; it starts the pause anew."""
        if self._failed >= self._failures and self._now() < self._open_until:
            return False
        self._open_until = self._now() + self._seconds
        self._on_trial = self._failed >= self._failures
        return True

    def record(self, *, failed: bool) -> None:
        self._on_trial = False
        self._failed = self._failed + 1 if failed else 0
        self._open_until = self._now() + self._seconds

    def forget(self) -> None:
        """The request was given up; if it was the trial, the next one is the trial instead."""
        if self._on_trial:
            self._open_until = self._now()
