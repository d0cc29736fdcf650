"""Ways to the tickets behind a figure: the tickets page's address for a filter, in the words that the page uses."""

import html
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

import streamlit as st

from ticketcore.behind import written
from ticketcore.filters import TEXTS, TicketFilter
from ticketcore.models import FACETS
from ticketcore.ui.words import label

BEHIND = "behind"
"""The key of the address under which, as a query of its own, the conditions stand that have no field in the bar."""

_STYLE = "color: inherit; font-size: 0.9rem; text-underline-offset: 0.2em"


def narrowed(behind: TicketFilter, **facets: Any) -> TicketFilter:
    """The filter with these values; of a facet that it names itself, with those that both name, which must be some."""
    update = {}
    for name, value in facets.items():
        values = value if isinstance(value, tuple) else (value,)
        named = getattr(behind, name)
        update[name] = tuple(one for one in values if one in named) or values if named else values
    return behind.model_copy(update=update)


def address(matching: TicketFilter, zone: ZoneInfo, **conditions: Any) -> str:
    """Where the tickets of the filter, with these conditions in place of its own, are listed: from any other page.

    As the tickets page's address has the filter; creation times become days of the desk's `zone`.
    """
    values = {**vars(matching), **conditions}
    query = _texts(*map(values.__getitem__, TEXTS)) + _days(values["created_from"], values["created_to"], zone)
    if behind := _query(written(values)):
        for mark in "%&=+":  # all that is left to quote of a query that is quoted
            behind = behind.replace(mark, _quoted(mark))
        query += f"&{BEHIND}={behind}"
    return f"tickets?{query.removeprefix('&')}"


# A page of figures has hundreds of links, and nearly all have their parts in common.
_quoted = lru_cache(maxsize=2_000)(quote_plus)


@lru_cache(maxsize=500)
def _texts(*values: Any) -> str:
    """The conditions on texts and facets as a query; the values of `TEXTS`."""
    params = written(dict(zip(TEXTS, values, strict=True)), TEXTS)
    return _query([(name, label(value) if name in FACETS else value) for name, value in params])


@lru_cache(maxsize=500)
def _days(begin: datetime | None, end: datetime | None, zone: ZoneInfo) -> str:
    """Creation times as a query: the first day, and the last, which is not the one that begins then."""
    days = [("from", begin), ("to", end - datetime.resolution if end else None)]
    return "".join(f"&{key}={moment.astimezone(zone).date().isoformat()}" for key, moment in days if moment)


def _query(params: Iterable[tuple[str, str]]) -> str:
    return "&".join([f"{name}={_quoted(value)}" for name, value in params])


def go(words: str, link: str) -> None:
    """Draws a way to the tickets page: a link of the browser's own, as those in tables are.

    One of Streamlit's would carry over the filter of the page that it is on, or lose its own. It loads the desk anew,
    so what a session alone knows is not there.
    """
    arrow = '<span aria-hidden="true">→</span>'
    st.html(f'<a href="{html.escape(link)}" style="{_STYLE}">{arrow} {html.escape(words)}</a>')
