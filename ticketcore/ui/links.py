"""Ways to the tickets behind a figure: the tickets page's address for a filter, in the words that the page uses."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit
from zoneinfo import ZoneInfo

import streamlit as st

from ticketcore.filters import TicketFilter
from ticketcore.models import FACETS
from ticketcore.ui import pages
from ticketcore.ui.words import label

BEHIND = "behind"
"""The key of the address under which, as a query of its own, the conditions stand that have no field in the bar."""

Params = list[tuple[str, str]]


def narrowed(behind: TicketFilter, **facets: Any) -> TicketFilter:
    """The filter with these values; of a facet that it names itself, with those that both name, which must be some."""
    update = {}
    for name, value in facets.items():
        values = value if isinstance(value, tuple) else (value,)
        named = getattr(behind, name)
        update[name] = tuple(one for one in values if one in named) or values if named else values
    return behind.model_copy(update=update)


def params(matching: TicketFilter, zone: ZoneInfo) -> Params:
    """The filter as the tickets page's address has it; creation times become days of the desk's `zone`."""
    days = {"created_from": "from", "created_to": "to"}
    behind = list(matching.behind_params())
    found = [
        (name, label(value) if name in FACETS else value) for name, value in matching.own_params() if name not in days
    ]
    for name, key in days.items():
        if moment := getattr(matching, name):
            last = moment - datetime.resolution if name == "created_to" else moment  # a last day, not the one after
            found.append((key, last.astimezone(zone).date().isoformat()))
    return [*found, (BEHIND, _query(behind))] if behind else found


def address(matching: TicketFilter, zone: ZoneInfo) -> str:
    """Where the tickets of the filter are listed, seen from another page of the desk."""
    return f"tickets?{_query(params(matching, zone))}"


# As `urlencode`; of the hundreds of links of a page of figures nearly all have their parts in common.
_quoted = lru_cache(maxsize=2_000)(quote_plus)


def _query(params: Params) -> str:
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in params])


def go(words: str, link: str) -> None:
    """Draws a way to the tickets page that needs no reload."""
    st.page_link(
        pages.page("browse"), label=words, icon=":material/arrow_forward:", query_params=parse_qsl(urlsplit(link).query)
    )
