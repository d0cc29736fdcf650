"""How a page follows the desk by itself: when it is drawn anew after somebody changed something."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import streamlit as st

from ticketcore.access import Role
from ticketcore.ui import loaders, me

_drawing: set[int] = set()
"""The threads that draw a page just now for somebody who did something."""

_ITSELF = "following_itself"
"""Where a page that is about to be drawn by itself says so."""


@contextmanager
def drawing() -> Iterator[None]:
    """While a page is drawn: what would be drawn by itself waits for it, unless it is drawn by itself too."""
    thread = threading.get_ident()
    if not st.session_state.pop(_ITSELF, False):
        _drawing.add(thread)
    try:
        yield
    finally:
        _drawing.discard(thread)


class _Courtesy:
    """Whoever did something goes first: a page that would be drawn by itself waits until its next look, or the one
    after, while others are drawn."""

    def __init__(self) -> None:
        self._left = 2

    def waits(self) -> bool:
        if not (_drawing and self._left):
            return False
        self._left -= 1
        return True


def rerun_when_changed(seen: str, began: float | None = None) -> None:
    """Reruns the page soon after a ticket changed since version `seen`; draws nothing meanwhile.

    `began` is when the run of the page began (`time.monotonic`): what takes long to draw is drawn seldom, for at most a
    hundredth of the time, and at once when somebody does something.
    """
    drawn = time.monotonic()
    again = drawn + min(100 * (drawn - began), 60) if began else drawn
    courtesy = _Courtesy()

    @st.fragment(run_every=5)
    def watch() -> None:
        _leave_if_over()
        if time.monotonic() < max(again, drawn + 1):  # as in the run that draws the page, which nothing is to break off
            return
        taken, version = loaders.recent_version()
        if taken > drawn and version != seen and not courtesy.waits():
            _rerun()

    watch()


def _rerun() -> NoReturn:
    st.session_state[_ITSELF] = True
    st.rerun()


def _leave_if_over() -> None:
    """Draws the page anew, which then says how to come in again, once the session is over."""
    if not me.may(Role.VIEWER):
        st.rerun()


def version_to_show(key: str) -> str | None:
    """The version to draw expensive figures for: the one that `rerun_together` has set, or else the present one.

    None while the database is away.
    """
    return st.session_state.pop(key, None) or loaders.version_if_there()


def rerun_together(seen: str, key: str, began: float) -> None:
    """As `rerun_when_changed`, for expensive figures: all who look at them see the same version, every ten seconds.

    Less often, if to draw them takes more than a thirtieth of the time; not all in the same moment, and after those who
    did something.
    """
    drawn = time.monotonic()
    again = drawn + min(30 * (drawn - began), 120) - 10
    turn = random.randrange(3)  # noqa: S311 - whose turn it is first is no secret
    courtesy = _Courtesy()

    @st.fragment(run_every=5)
    def watch() -> None:
        nonlocal turn
        _leave_if_over()
        if time.monotonic() < max(again, drawn + 1):
            return
        taken, version = loaders.shared_version()
        if taken > drawn and version != seen:
            if turn:
                turn -= 1
                return
            if courtesy.waits():
                return
            st.session_state[key] = version
            _rerun()

    watch()
