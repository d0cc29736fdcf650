"""Who goes first: whoever waits for a page, before what takes long anyway."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONG = 0.05
"""Seconds of waiting for a page from which on others make room."""

_LOOK = 0.01

_waiting: dict[int, float] = {}
"""The threads that do something for somebody who waits for it, and since when (`time.monotonic`)."""


@contextmanager
def first() -> Iterator[None]:
    """While somebody waits for what is done in the block."""
    thread = threading.get_ident()
    _waiting[thread] = time.monotonic()
    try:
        yield
    finally:
        _waiting.pop(thread, None)


def is_waited_for() -> bool:
    """Whether somebody waits."""
    return bool(_waiting)


def after_others(longest: float) -> None:
    """Waits until nobody is left who has waited for a page for longer than `LONG`, or for so many seconds."""
    until = time.monotonic() + longest
    while (now := time.monotonic()) < until and any(since < now - LONG for since in list(_waiting.values())):
        time.sleep(_LOOK)
