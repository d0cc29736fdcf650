"""Find and change tickets: an agent looks for one, or for what to do next, and changes its status."""

import streamlit as st

from ticketcore.access import Role
from ticketcore.ui import exporting, fields, loaders, me, pages, saved, table, together
from ticketcore.ui.following import begin, rerun_when_changed
from ticketcore.ui.widgets import clear_filter, filter_bar, guard, nothing_yet, sort_box

began = begin()
at = loaders.version_if_there()
matching = filter_bar(at, behind=True)
# For the way back from a ticket's own page: the browser's forgets the filter.
st.session_state["browse_view"] = {key: st.query_params.get_all(key) for key in st.query_params}

with guard():
    at = at or loaders.version()
    if matching is None:
        st.stop()
    number = loaders.count(matching, at)
    if not number.number and not matching.params():
        nothing_yet("Every ticket will be listed here, newest first, to find and to work on.")
        rerun_when_changed(at)
        st.stop()

    together_on = me.may(Role.LEAD) and st.session_state.get("together_on", False)
    opened = None if together_on else st.session_state.get("browse_ticket")
    # Two columns even when nothing is open: the table stays where it is, and so does its scroll position.
    listing, detail = st.columns([3, 2] if opened else [1000, 1], gap="medium" if opened else None)
    with listing:
        with st.container(horizontal=True, vertical_alignment="center"):
            sort = sort_box()
            st.session_state["browse_listed"] = (matching, sort)  # for the way from one ticket to the next
            st.markdown(f"**{number}** {'ticket' if number.number == 1 else 'tickets'}", width="content")
            if matching.params():
                st.button("Clear filter", icon=":material/filter_alt_off:", type="tertiary", on_click=clear_filter)
            saved.box(at)
            exporting.button(matching, sort)
            if me.may(Role.LEAD):
                together.toggle()
        actions = st.container()
        rows = st.container()
        last = max(1, -(-number.number // loaders.PAGE_SIZE))
        page = loaders.page(matching, sort, min(st.pagination(last, key="page", bind="query-params"), last), at)
        with rows:
            if not page:
                st.info("No ticket matches this filter.", icon=":material/filter_alt:")
                ticked = []
            elif together_on:
                ticked = table.tick(page, state="browse_ticket")
            else:
                table.show(page, state="browse_ticket")
        if together_on:
            with actions:
                together.bar(ticked, matching, number, at)
    with detail:
        if opened and (ticket := fields.load(opened)):
            fields.show(ticket, "browse")
            st.page_link(
                pages.page("ticket"), label=f"Open ticket #{ticket.id} on its own page", icon=":material/open_in_new:",
                query_params={"id": str(ticket.id)},
            )  # fmt: skip
    rerun_when_changed(at, began)
