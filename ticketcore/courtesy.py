"""Who goes first: whoever waits for a page, before what takes long anyway, here and in the processes beside the desk's.

Since when somebody waits stands in a piece of memory, which such a process is given as a file.
"""

import math
import mmap
import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONG = 0.03
"""Seconds of waiting for a page from which on others make room."""

_LOOK = 0.005

_MOMENT = struct.Struct("d")


class _Told:
    """Since when the one waits who has waited longest (`time.monotonic`); infinity for nobody."""

    def __init__(self) -> None:
        self._memory: bytearray | mmap.mmap = bytearray(_MOMENT.pack(math.inf))
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._waiting: dict[int, float] = {}
        """By the threads that do something for them."""

    def begin(self) -> None:
        with self._lock:
            self._waiting[threading.get_ident()] = time.monotonic()
            self._say()

    def end(self) -> None:
        with self._lock:
            self._waiting.pop(threading.get_ident(), None)
            self._say()

    def _say(self) -> None:
        self._memory[: _MOMENT.size] = _MOMENT.pack(min(self._waiting.values(), default=math.inf))

    def since(self) -> float:
        found: float = _MOMENT.unpack_from(self._memory)[0]
        return found

    def share(self) -> int:
        with self._lock:
            if self._descriptor is None:
                descriptor = _file()
                os.write(descriptor, self._memory[: _MOMENT.size])
                self._memory = mmap.mmap(descriptor, _MOMENT.size)
                self._descriptor = descriptor
            return self._descriptor

    def attend(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, _MOMENT.size)


def _file() -> int:
    """The descriptor of a file without a name; in memory, where a full disk does not matter, if the system can."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("courtesy")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


_told = _Told()


@contextmanager
def first() -> Iterator[None]:
    """While somebody waits for what is done in the block."""
    _told.begin()
    try:
        yield
    finally:
        _told.end()


def is_waited_for(seconds: float = 0.0) -> bool:
    """Whether somebody waits, and has waited for so long."""
    return _told.since() <= time.monotonic() - seconds


def after_others(longest: float, given_up: threading.Event) -> None:
    """Waits until nobody is left who has waited for a page for longer than `LONG`; or for so many seconds, or until it
    is given up."""
    until = time.monotonic() + longest
    while time.monotonic() < until and is_waited_for(LONG) and not given_up.wait(_LOOK):
        pass


def share() -> int:
    """The descriptor of the file by which another process sees who waits here; it has to be passed to it."""
    return _told.share()


def attend(descriptor: int) -> None:
    """Makes room for those who wait in the process that passed this."""
    _told.attend(descriptor)
