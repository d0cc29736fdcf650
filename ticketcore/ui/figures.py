"""The stats page's figures and charts, drawn once for each filter and version of the desk and replayed after."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from ticketcore.filters import TicketFilter
from ticketcore.models import Status
from ticketcore.ui import charts, loaders
from ticketcore.ui.words import PRIORITY_COLOURS, STATUS_COLOURS, label

INKS = {"light": "#1b2430", "dark": "#e6eaf0"}
"""The colour of numbers in charts: Vega-Lite would write them in black on either theme."""


# Building the charts costs 36–95 ms a rerun, replaying them 4 ms.
@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=loaders.FILTER_KEY)
def draw(matching: TicketFilter, at: str, zone: str, theme: str) -> None:
    """Metrics and charts for what matches, as of version `at`; days are those of `zone`, inks those of `theme`."""
    numbers = loaders.overview(matching, at)
    with st.grid(4, min_column_width=140):
        st.metric("Tickets", f"{numbers.total_tickets:,}", border=True)
        st.metric("Open", f"{numbers.open_tickets:,}", border=True, help="Tickets whose status is open.")
        st.metric("In progress", f"{numbers.status_breakdown[Status.IN_PROGRESS]:,}", border=True)
        st.metric(
            "Average per day", f"{numbers.avg_tickets_per_day:,.1f}", border=True,
            help="Tickets ÷ days from the first one's day to today, both counted.",
        )  # fmt: skip
    with st.grid(3, min_column_width=300):
        severest_first = dict(reversed(numbers.priority_breakdown.items()))
        _card("By priority", severest_first, PRIORITY_COLOURS, INKS[theme])
        _card("By category", numbers.category_breakdown, None, INKS[theme])
        _card("By status", numbers.status_breakdown, STATUS_COLOURS, INKS[theme])
    with st.container(border=True):
        st.markdown(f"**Created per day** ({zone})")
        days = loaders.created_per_day(matching, at)
        if days.empty:
            st.caption("No ticket matches this filter.")
        else:
            st.altair_chart(charts.created_per_day(days), alt=f"Tickets created on each of {len(days)} days")


def _card(title: str, counts: Mapping[Any, int], colours: dict[Any, str] | None, ink: str) -> None:
    frame = pd.DataFrame({"value": list(counts), "number": list(counts.values())})
    with st.container(border=True):
        st.markdown(f"**{title}**")
        words = ", ".join(f"{label(value)} {number:,}" for value, number in counts.items())
        st.altair_chart(charts.breakdown(frame, title=title, ink=ink, colours=colours), alt=f"{title}: {words}")
