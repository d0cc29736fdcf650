"""What is kept in memory and is never older than the question: read once for all who ask at the same time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A value with the time when its reading began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: T | None = None
        self._begun = float("-inf")

    def get(self, read: Callable[[T | None], T]) -> T:
        """What `read` makes of the earlier value now, or made of it for somebody else since the call began."""
        asked = time.monotonic()
        with self._lock:
            if self._value is None or self._begun < asked:
                begun = time.monotonic()
                self._value = read(self._value)
                self._begun = begun
            return self._value
