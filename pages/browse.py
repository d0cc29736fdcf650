"""Find and change tickets: an agent looks for one, or for what to do next, and changes its status."""

from functools import partial

import streamlit as st

from ticketcore.ui import fields, loaders
from ticketcore.ui.widgets import clear_filter, filter_bar, guard, nothing_yet, rerun_when_changed, sort_box
from ticketcore.ui.words import PRIORITY_COLOURS, STATUS_COLOURS, chip_column, label, viewer_zone

matching = filter_bar()


def choose(key: str, ids: list[int]) -> None:
    """Remembers which ticket was clicked by its id: rows move when tickets arrive."""
    selection = st.session_state[key].selection
    rows = [*(row for row, _ in selection.cells), *selection.rows]
    st.session_state["browse_ticket"] = ids[rows[0]] if rows else None


with guard():
    at = loaders.version()
    if matching is None:
        st.stop()
    number = loaders.count(matching, at)
    if not number.number and not matching.params():
        nothing_yet("Every ticket will be listed here, newest first, to find and to work on.")
        rerun_when_changed(at)
        st.stop()

    pages = max(1, -(-number.number // loaders.PAGE_SIZE))
    chosen = st.session_state.get("browse_ticket")
    # Two columns even when nothing is open: the table stays where it is, and so does its scroll position.
    listing, detail = st.columns([3, 2] if chosen else [1000, 1], gap="medium" if chosen else None)
    with listing:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{number}** {'ticket' if number.number == 1 else 'tickets'}", width="content")
            if matching.params():
                st.button("Clear filter", icon=":material/filter_alt_off:", type="tertiary", on_click=clear_filter)
            sort = sort_box()
            at_page = st.pagination(pages, key="page", bind="query-params")
        page = loaders.page(matching, sort, min(at_page, pages), at)
        ids = page.id.tolist()
        if page.empty:
            st.info("No ticket matches this filter.", icon=":material/filter_alt:")
        else:
            # A key of its own for each set of rows: the highlighted row is then always the ticket that is open.
            key = f"browse_table_{hash(tuple(ids))}"
            st.dataframe(
                page.assign(
                    status=page.status.map(lambda value: [label(value)]),
                    priority=page.priority.map(lambda value: [label(value)]),
                    category=page.category.map(label),
                ),
                key=key, hide_index=True, height=650, alt="The tickets that match the filter",
                on_select=partial(choose, key, ids), selection_mode=["single-row", "single-cell"],
                selection_default={"selection": {"rows": [ids.index(chosen)] if chosen in ids else []}},
                column_order=["id", "title", "status", "priority", "category", "created_at", "excerpt"],
                column_config={
                    "id": st.column_config.NumberColumn("#", format="%d", width=60),
                    "title": st.column_config.TextColumn("Title", width=260),
                    "status": chip_column("Status", STATUS_COLOURS),
                    "priority": chip_column("Priority", PRIORITY_COLOURS),
                    "category": st.column_config.TextColumn("Category", width=85),
                    "created_at": st.column_config.DatetimeColumn(
                        "Created", format="D MMM YYYY, HH:mm", timezone=viewer_zone().key, width=140
                    ),
                    "excerpt": st.column_config.TextColumn("Description", width=400),
                },
            )  # fmt: skip
    with detail:
        if chosen and (ticket := fields.load(chosen)):
            fields.show(ticket, "browse")
            st.page_link(
                "ticket.py", label=f"Open ticket #{ticket.id} on its own page", icon=":material/open_in_new:",
                query_params={"id": str(ticket.id)},
            )  # fmt: skip
    rerun_when_changed(at)
