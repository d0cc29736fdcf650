"""How a page follows the desk by itself: when it is drawn anew after somebody changed something."""

import random
import time

import streamlit as st

from ticketcore.errors import Forbidden
from ticketcore.ui import loaders


def rerun_when_changed(seen: str, began: float | None = None) -> None:
    """Reruns the page soon after a ticket changed since version `seen`; draws nothing meanwhile.

    `began` is when the run of the page began (`time.monotonic`): what takes long to draw is drawn seldom, for at most a
    hundredth of the time, and at once when somebody does something.
    """
    drawn = time.monotonic()
    again = drawn + min(100 * (drawn - began), 60) if began else drawn

    @st.fragment(run_every="5s")
    def watch() -> None:
        if time.monotonic() < max(again, drawn + 1):  # as in the run that draws the page, which nothing is to break off
            return
        try:
            taken, version = loaders.recent_version()
        except Forbidden:
            st.rerun()  # the page itself says so, and that the database is away
        if taken > drawn and version != seen:
            st.rerun()

    watch()


def version_to_show(key: str) -> str | None:
    """The version to draw expensive figures for: the one that `rerun_together` has set, or else the present one.

    None while the database is away.
    """
    return st.session_state.pop(key, None) or loaders.version_if_there()


def rerun_together(seen: str, key: str, began: float) -> None:
    """As `rerun_when_changed`, for expensive figures: all who look at them see the same version, every ten seconds.

    Less often, if to draw them takes more than a thirtieth of the time; and not all in the same moment.
    """
    drawn = time.monotonic()
    again = drawn + min(30 * (drawn - began), 120) - 10
    turn = random.randrange(3)  # noqa: S311 - whose turn it is first is no secret

    @st.fragment(run_every="5s")
    def watch() -> None:
        nonlocal turn
        if time.monotonic() < max(again, drawn + 1):
            return
        try:
            taken, version = loaders.shared_version()
        except Forbidden:
            st.rerun()
        if taken > drawn and version != seen:
            if turn:
                turn -= 1
                return
            st.session_state[key] = version
            st.rerun()

    watch()
