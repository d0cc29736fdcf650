"""Whoever waits for a page goes first, for a while."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from ticketcore import courtesy


@contextmanager
def somebody_waits() -> Iterator[threading.Event]:
    """For a page that another thread draws until the event is set, or the block ends."""
    begun, over = threading.Event(), threading.Event()

    def draw() -> None:
        with suppress(ZeroDivisionError), courtesy.first():
            begun.set()
            over.wait(20)
            raise ZeroDivisionError

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        assert begun.wait(20)
        yield over
    finally:
        over.set()
        thread.join()


def took(longest: float, *, is_given_up: bool = False) -> float:
    given_up = threading.Event()
    if is_given_up:
        given_up.set()
    began = time.monotonic()
    courtesy.after_others(longest, given_up)
    return time.monotonic() - began


def test_nobody_is_waited_for_where_nobody_waits() -> None:
    assert not courtesy.is_waited_for()
    assert took(20) < 10


def test_what_takes_long_waits_for_somebody_who_waits_for_long_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courtesy, "LONG", 0.0)
    with somebody_waits() as over:
        assert courtesy.is_waited_for()
        assert took(0.2) >= 0.2
        assert took(20, is_given_up=True) < 10
        threading.Timer(0.1, over.set).start()
        assert 0.1 <= took(20) < 10
    assert not courtesy.is_waited_for(), "a page that fails is no longer waited for either"


def test_it_does_not_wait_for_somebody_who_is_served_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "LONG", 60.0)
    with somebody_waits():
        assert took(20) < 10


def test_another_process_sees_who_waits_here() -> None:
    """It prints whether somebody waits whenever it is given a line."""
    descriptor = courtesy.share()
    assert courtesy.share() == descriptor
    look = (
        f"import sys\nfrom ticketcore import courtesy\ncourtesy.attend({descriptor})\n"
        "for _ in sys.stdin: print(courtesy.is_waited_for(), courtesy.is_waited_for(60), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", look], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[descriptor]
    ) as other:
        assert other.stdin
        assert other.stdout

        def seen() -> str:
            other.stdin.write("\n")
            other.stdin.flush()
            return other.stdout.readline().strip()

        assert seen() == "False False"
        with somebody_waits() as over:
            assert seen() == "True False"
            with courtesy.first():
                pass
            assert seen() == "True False", "one of two still waits"
            over.set()
        assert seen() == "False False"
        other.stdin.close()
