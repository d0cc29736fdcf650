"""One ticket on a page of its own: what a link to a ticket opens, and where an agent works on it."""

import streamlit as st

from ticketcore.access import Role
from ticketcore.filters import Sort, TicketFilter
from ticketcore.ui import duplicates, editing, fields, loaders, me, pages, timeline
from ticketcore.ui.following import rerun_when_changed
from ticketcore.ui.widgets import guard

named = st.query_params.get("id", "")
view = st.session_state.get("browse_view", {})
listed = st.session_state.get("browse_listed", (TicketFilter(), Sort.NEWEST))
with st.container(horizontal=True, vertical_alignment="center"):
    st.page_link(pages.page("browse"), label="Back to the list", icon=":material/arrow_back:", query_params=view)
    if st.button("Close", icon=":material/close:", type="tertiary", shortcut="Esc", help="Back to the list"):
        st.switch_page(pages.page("browse"), query_params=view)
    ways = st.container(horizontal=True)


def go(number: int) -> None:
    """Shows another ticket."""
    st.query_params["id"] = str(number)


with guard():
    if not (named.isascii() and named.isdigit()):
        st.info("This page shows one ticket; its address ends in ?id= and the ticket's number.", icon=":material/link:")
        st.stop()
    at = loaders.version()
    if ticket := fields.load(int(named[:40])):  # no id has more digits, and Python reads no more than 4,300
        before, after = loaders.neighbours(*listed, ticket, at)
        for label, key, icon, number in (
            ("Previous", "K", "arrow_upward", before),
            ("Next", "J", "arrow_downward", after),
        ):
            ways.button(
                label, icon=f":material/{icon}:", shortcut=key, disabled=number is None, on_click=go, args=(number,),
                help=f"The {label.lower()} ticket in the list you came from",
            )  # fmt: skip
        text, history = st.columns([3, 2], gap="large")
        with text:
            if editing.is_open(ticket.id):
                editing.show(ticket)
            else:
                fields.show(ticket, "ticket")
                with st.container(horizontal=True):
                    if me.may(Role.AGENT):
                        editing.button(ticket)
                    duplicates.show(ticket)
        with history:
            timeline.show(ticket)
        rerun_when_changed(at)
