"""What pages read from the desk: cached, bounded, and never stale.

Every cached read carries `version()` in its key, so nothing is computed twice while nothing changed,
and nothing old is shown after a change, whichever process made it; figures that redraw themselves may be as old as the
beat in which all see the same. Nothing else in the pages caches.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import streamlit as st

from ticketcore import listing, masks, stats
from ticketcore.access import Role
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable, Overloaded
from ticketcore.filters import Sort, TicketFilter
from ticketcore.listing import Count, Summary
from ticketcore.lookalikes import Lookalike, find, subject
from ticketcore.models import Ticket
from ticketcore.neighbours import neighbours as around
from ticketcore.ui import me
from ticketcore.views import View, known_to

PAGE_SIZE = 50

BEAT = 10
"""Seconds in which all who look on are shown the same version of what is expensive."""

FILTER_KEY: dict[str | type[Any], Callable[[Any], Any]] = {
    TicketFilter: lambda matching: matching.model_dump_json(),
    Ticket: lambda ticket: (ticket.id, ticket.version),
}
"""How a cache tells one filter, and one ticket, from another."""


def version() -> str:
    """A text that differs whenever a ticket may have changed since, and on another day.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    db = me.desk().db
    return f"{db.key} {_today()} {db.snapshot()}"


def snapshot(at: str) -> str:
    """That of version `at`, for `Database.as_of`: what others read into memory in the same one is not read again."""
    return at.rpartition(" ")[2]


def version_if_there() -> str | None:
    """The same; None while the database is away, which whoever reads from it says."""
    try:
        return version()
    except DatabaseUnavailable:
        return None


def recent_version() -> tuple[float, str | None]:
    """A version that everybody gets for two seconds, and when it was taken (`time.monotonic`); None if it is away.

    Where the database has too much to do it counts as taken long ago. For pages that look by themselves whether
    something changed: the desk asks once for all of them.

    Raises:
        Forbidden: the session has ended.
    """
    me.desk().db.demand(Role.VIEWER)
    return _recent_version()


def shared_version(beats: int = 1) -> tuple[float, str | None]:
    """As `recent_version`, for a beat of ten seconds, or for so many: that of the first of them.

    Of the present one, if the database was away in the first.

    For what redraws itself: on a busy desk expensive figures are then computed once in a while for all who look at
    them, not with every change for each of them. Who looks seldom sees what those see who look often: 8 beats begin
    together with 4 of them, and these with 2.

    Raises:
        Forbidden: the session has ended.
    """
    me.desk().db.demand(Role.VIEWER)
    beat = int(time.monotonic() / BEAT)
    last, first = _shared_version(beat), _shared_version(beat - beat % beats)
    return first if first[1] and last[1] else last


def count(matching: TicketFilter, at: str) -> Count:
    """How many tickets match, as of version `at`."""
    return _count(matching, at)


def page(matching: TicketFilter, sort: Sort, number: int, at: str) -> Sequence[Summary]:
    """One page of the list, as of version `at`."""
    return _summaries(matching, sort, PAGE_SIZE, (number - 1) * PAGE_SIZE, at)


def neighbours(matching: TicketFilter, sort: Sort, ticket: Ticket, at: str) -> tuple[int | None, int | None]:
    """The ids before and after this ticket in a list of what matches, as of version `at`; None at either end."""
    return _neighbours(matching, sort, ticket, at)


def assignees(at: str) -> list[str]:
    """Everybody who works on a ticket or did, as of version `at`."""
    return _assignees(at)


def first_day(at: str) -> date | None:
    """The day of the desk's first ticket, as of version `at`; None for an empty desk."""
    first = listing.summaries(me.desk().db, TicketFilter(), sort=Sort.OLDEST, limit=1)
    return first[0].created_at.astimezone(me.desk().settings.timezone).date() if first else None


def views(owner: str | None, at: str) -> list[View]:
    """The saved views that this person can go to, as of version `at`."""
    return _views(owner, at)


def lookalikes(title: str, description: str) -> list[Lookalike]:
    """Tickets that may tell of the same as this text, found within the last minute; none if that took too long."""
    try:
        return _lookalikes(subject(title, description))
    except DatabaseUnavailable:  # submitting will say so
        return []


def newest(limit: int, at: str) -> Sequence[Summary]:
    """The newest tickets of the desk, as of version `at`."""
    return _summaries(TicketFilter(), Sort.NEWEST, limit, 0, at)


def overview(matching: TicketFilter, at: str) -> stats.Overview:
    """The figures for the tickets that match, as of version `at`."""
    return _overview(matching, at, _today())


def _db(at: str) -> Database:
    return me.desk().db.as_of(snapshot(at))


def _today() -> date:
    return datetime.now(me.desk().settings.timezone).date()


# That the database is away is kept as well: to find it out may take seconds, and everybody asks.
@st.cache_data(ttl=2, max_entries=1, show_spinner=False)
def _recent_version() -> tuple[float, str | None]:
    return _taken_version()


@st.cache_data(max_entries=20, show_spinner=False)
def _shared_version(beat: int) -> tuple[float, str | None]:
    return _taken_version()


def _taken_version() -> tuple[float, str | None]:
    taken = time.monotonic()
    try:
        return taken, version()
    except Overloaded:  # then nothing is known, and pages that were drawn anew for it would be the last straw
        return float("-inf"), None
    except DatabaseUnavailable:
        return taken, None


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=FILTER_KEY)
def _selected(matching: TicketFilter, at: str) -> masks.Selection | None:
    return masks.selection(_db(at), matching)


@st.cache_data(max_entries=500, show_spinner=False, hash_funcs=FILTER_KEY)
def _count(matching: TicketFilter, at: str) -> Count:
    return listing.count(_db(at), matching, _selected(matching, at))


# As it is and not as a copy for each who asks, which takes longer than to make it: nobody can change it.
@st.cache_resource(max_entries=200, show_spinner=False, hash_funcs=FILTER_KEY)
def _summaries(matching: TicketFilter, sort: Sort, limit: int, offset: int, at: str) -> tuple[Summary, ...]:
    selected = _selected(matching, at) if matching.search else None
    return tuple(listing.summaries(_db(at), matching, sort=sort, limit=limit, offset=offset, selected=selected))


@st.cache_data(max_entries=500, show_spinner=False, hash_funcs=FILTER_KEY)
def _neighbours(matching: TicketFilter, sort: Sort, ticket: Ticket, at: str) -> tuple[int | None, int | None]:
    return around(me.desk().db, matching, sort, ticket)


@st.cache_data(max_entries=100, show_spinner=False)
def _views(owner: str | None, at: str) -> list[View]:
    return known_to(me.desk().db, owner)


# By time and not by version: what is filed in the meantime is among the newest tickets beside the form. That the search
# was given up is kept as well: with every run of the page it would be waited for again.
@st.cache_data(max_entries=200, ttl=60, show_spinner=False)
def _lookalikes(words: str) -> list[Lookalike]:
    try:
        return find(me.desk().db, words, now=datetime.now(UTC))
    except Overloaded:
        return []


@st.cache_data(max_entries=2, show_spinner=False)
def _assignees(at: str) -> list[str]:
    return listing.assignees(_db(at))


@st.cache_data(max_entries=200, show_spinner=False, hash_funcs=FILTER_KEY)
def _overview(matching: TicketFilter, at: str, today: date) -> stats.Overview:
    return stats.overview(_db(at), matching, timezone=me.desk().settings.timezone, now=datetime.now(UTC))
