"""The stats page's figures and charts, drawn once for each filter and version of the desk and replayed after."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import streamlit as st

from ticketcore.filters import TicketFilter
from ticketcore.models import Status
from ticketcore.ui import charts, links, loaders
from ticketcore.ui.links import narrowed
from ticketcore.ui.meanings import MEANINGS
from ticketcore.ui.words import INKS, PRIORITY_COLOURS, STATUS_COLOURS, label


# Building the charts costs 36–95 ms a rerun, replaying them 4 ms.
@st.cache_data(max_entries=24, show_spinner=False, hash_funcs=loaders.FILTER_KEY)
def draw(matching: TicketFilter, at: str, zone: str, theme: str) -> None:
    """Metrics and charts for what matches, as of version `at`; days are those of `zone`, inks those of `theme`."""
    numbers = loaders.overview(matching, at)
    of = ZoneInfo(zone)
    with st.grid(4, min_column_width=140):
        _metric("Tickets", numbers.total_tickets, matching, of)
        _metric("Open", numbers.open_tickets, narrowed(matching, status=Status.OPEN), of)
        in_progress = numbers.status_breakdown[Status.IN_PROGRESS]
        _metric("In progress", in_progress, narrowed(matching, status=Status.IN_PROGRESS), of)
        with st.container(border=True, height="stretch"):
            st.metric("Average per day", f"{numbers.avg_tickets_per_day:,.1f}", help=MEANINGS["Average per day"])
    with st.grid(3, min_column_width=300):
        breakdowns: tuple[tuple[str, Mapping[Any, int], Mapping[Any, str] | None], ...] = (
            ("priority", dict(reversed(numbers.priority_breakdown.items())), PRIORITY_COLOURS),  # severest first
            ("category", numbers.category_breakdown, None),
            ("status", numbers.status_breakdown, STATUS_COLOURS),
        )
        for name, counts, colours in breakdowns:
            ways = [
                links.address(narrowed(matching, **{name: value}), of) if number else None
                for value, number in counts.items()
            ]
            bars = pa.table({"value": list(map(label, counts)), "number": list(counts.values()), "link": ways})
            colour = tuple(colours[value] for value in counts) if colours else None
            spec = charts.breakdown(tuple(counts), f"By {name}", INKS[theme], colour)
            words = ", ".join(f"{label(value)} {number:,}" for value, number in counts.items())
            with st.container(border=True):
                st.markdown(f"**By {name}**")
                st.vega_lite_chart(bars, spec, alt=f"By {name}: {words}")


def _metric(name: str, number: int, behind: TicketFilter, zone: ZoneInfo) -> None:
    with st.container(border=True, gap="xxsmall", height="stretch"):
        st.metric(name, f"{number:,}")
        if number:
            links.go(f"{number:,} tickets", links.address(behind, zone))
