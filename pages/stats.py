"""How is the desk doing: a lead wants to see at a glance how much there is, of what kind, and how it moves."""

import streamlit as st

from ticketcore.filters import TicketFilter
from ticketcore.ui import exporting, figures, loaders, me, report, spans, workbook
from ticketcore.ui.following import begin, rerun_together, version_to_show
from ticketcore.ui.widgets import filter_bar, guard, nothing_yet
from ticketcore.ui.words import plain

began = begin()
at = version_to_show("stats_at")
matching = filter_bar(at)

with guard():
    at = at or loaders.version()
    zone = me.desk().settings.timezone
    if matching is None:
        st.stop()
    if not matching.params() and not loaders.overview(TicketFilter(), at).total_tickets:
        nothing_yet("Their number, their kinds and their rhythm will be shown here.")
    else:
        theme = st.context.theme.type or "light"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Figures for {plain(matching.describe(zone))}", width="stretch")
            exporting.button(matching)
        above, between = st.container(), st.container(horizontal=True, vertical_alignment="bottom")
        with between:
            period = spans.box(at)
        coming = report.ahead(matching, *period, at)
        with above:
            figures.draw(matching, at, zone.key, theme)
        shown = report.shown(matching, *period, at, coming)
        if shown:
            with between:
                workbook.button(shown)
        report.draw(shown, period[-1], at, theme)
    rerun_together(at, "stats_at", began)
