"""How a page follows the desk by itself: when it is drawn anew after somebody changed something."""

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import streamlit as st

from ticketcore import courtesy
from ticketcore.ui import loaders, me

Look = Callable[[], tuple[float, str | None]]
"""What a version is, and when it was taken (`time.monotonic`); None while the database is away."""


class Began(NamedTuple):
    """When a page began to be drawn (`time.monotonic`), and how long its thread had computed until then, in seconds."""

    at: float
    computed: float


_ITSELF = "following_itself"
"""Where a page that is about to be drawn by itself says so, and when."""

_costs: dict[tuple[str, str], float] = {}
"""For addresses and versions, as `_cost` says it."""

_costing = threading.Lock()

_REMEMBERED = 200
"""Of these, the last."""

LOOKS = 5.0
"""Seconds after which a page looks again whether something changed."""

_AT_ONCE = 10.0
"""Seconds after which what was said of a run that was about to begin is not meant for the one that does."""


def begin() -> Began:
    """For the first line of a page that follows the desk."""
    return Began(time.monotonic(), time.thread_time())


@contextmanager
def drawing() -> Iterator[None]:
    """While a page is drawn: what would be drawn by itself waits for it, unless it is drawn by itself too."""
    is_by_itself = st.session_state.pop(_ITSELF, float("-inf")) >= time.monotonic() - _AT_ONCE
    with nullcontext() if is_by_itself else courtesy.first():
        yield


class _Courtesy:
    """Whoever did something goes first: a page that would be drawn by itself waits until its next look, or the one
    after, while others are drawn."""

    def __init__(self) -> None:
        self._left = 2

    def waits(self) -> bool:
        if not (courtesy.is_waited_for() and self._left):
            return False
        self._left -= 1
        return True


def rerun_when_changed(seen: str, began: Began | None = None) -> None:
    """Reruns the page soon after a ticket changed since version `seen`; draws nothing meanwhile.

    `began` is when the run of the page began: what takes long to draw is drawn seldom, for at most
    a hundredth of the time but every twenty seconds, or for a twentieth but every minute; and at once when somebody
    does something. So who looks on sees a change within half a minute, unless to draw the page takes a second.
    """
    drawn = time.monotonic()
    took = drawn - began.at if began else 0.0
    again = drawn + min(max(min(100 * took, 20), 20 * took), 60)
    _watch(seen, again, loaders.recent_version, _Courtesy())


def _watch(seen: str, again: float, look: Look, manners: _Courtesy, key: str = "") -> None:
    """Looks whether something changed, and draws the page anew: not before `again`, unless the database is away.

    What it then shows is kept under the key, if there is one.
    """
    drawn = time.monotonic()

    @st.fragment(run_every=LOOKS)
    def watch() -> None:
        me.leave_if_over()
        now = time.monotonic()
        if now < drawn + 1:  # as in the run that draws the page, which nothing is to break off
            return
        taken, version = look()
        if taken <= drawn or version == seen:
            return
        if version is None or (now >= again and not manners.waits()):
            draw_anew(key, version)

    watch()


def draw_anew(key: str, version: str | None) -> None:
    """Draws the page anew by itself; under the key, if there is one, as of this version."""
    now = time.monotonic()
    if key and version:
        st.session_state[key] = (now, version)
    st.session_state[_ITSELF] = now
    st.rerun()


def version_to_show(key: str) -> str | None:
    """The version to draw expensive figures for: the one that `rerun_together` has set, or else the present one.

    None while the database is away.
    """
    said, version = st.session_state.pop(key, (float("-inf"), None))
    return version if said >= time.monotonic() - _AT_ONCE else loaders.version_if_there()


def rerun_together(seen: str, key: str, began: Began) -> None:
    """As `rerun_when_changed`, for expensive figures: all who look at them see the same version, one in ten seconds.

    Or one in twenty, forty or at most eighty, so that to draw them takes about a thirtieth of the time in which the
    desk can compute, and a tenth with what is waited for. What nobody drew for so long follows within ten seconds. Not
    all are drawn in the same moment, and whoever did something goes first.
    """
    drawn = time.monotonic()
    seconds = _cost(seen, max(30 * (time.thread_time() - began.computed), 10 * (drawn - began.at), loaders.BEAT))
    beats = min(2 ** round(math.log2(seconds / loaders.BEAT)), 8)
    later = random.uniform(0, LOOKS)  # noqa: S311 - who is drawn first is no secret

    def look() -> tuple[float, str | None]:
        nonlocal later
        now, (taken, version) = time.monotonic(), loaders.shared_version()
        every = beats if now - drawn < beats * loaders.BEAT else 1
        begun = now - now % (every * loaders.BEAT)
        if version and not drawn < begun <= now - later:
            later = 0 if drawn < begun else later  # its turn has come, and is not lost by looking seldom
            return taken, seen
        return loaders.shared_version(every)

    _watch(seen, drawn + 0.6 * loaders.BEAT, look, _Courtesy(), key)


def _cost(seen: str, seconds: float) -> float:
    """The most that anybody has said of this address and version: who draws it from the cache has not paid for it."""
    what = (seen, repr(st.query_params.to_dict()))
    with _costing:
        most = _costs[what] = max(seconds, _costs.pop(what, 0.0))
        while len(_costs) > _REMEMBERED:
            del _costs[next(iter(_costs))]
    return most
