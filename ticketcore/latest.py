"""What is kept in memory and is new enough for the question: read once for all who ask at the same time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ticketcore.errors import DatabaseUnavailable, Overloaded

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which one that waits for others gives up."""


class Latest(Generic[T]):
    """A value with the time when its reading began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: T | None = None
        self._begun = self._failed_at = float("-inf")
        self._failure: DatabaseUnavailable | None = None

    def get(self, read: Callable[[T | None], T], is_enough: Callable[[T], bool] = lambda _value: False) -> T:
        """What `read` makes of the earlier value now, or made of it for somebody else since the call began.

        Or the earlier value as it is, if that is enough.

        Raises:
            DatabaseUnavailable: by `read`, now or for somebody else; Overloaded after `PATIENCE`.
        """
        value = self._value
        if value is not None and is_enough(value):
            return value
        asked = time.monotonic()
        if not self._lock.acquire(timeout=PATIENCE):
            raise Overloaded
        try:
            value = self._value
            if value is None or (self._begun < asked and not is_enough(value)):
                if self._failed_at >= asked and self._failure:  # while this one waited: to try again would take as long
                    raise self._failure
                begun = time.monotonic()
                try:
                    value = self._value = read(value)
                except DatabaseUnavailable as error:
                    self._failed_at, self._failure = time.monotonic(), error
                    raise
                self._begun, self._failure = begun, None
            return value
        finally:
            self._lock.release()
