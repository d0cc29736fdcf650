"""One ticket on a page of its own: what a link to a ticket opens."""

import streamlit as st

from ticketcore import desk, tickets
from ticketcore.models import Event
from ticketcore.ui import fields, loaders
from ticketcore.ui.widgets import guard, rerun_when_changed
from ticketcore.ui.words import label, moment, plain

named = st.query_params.get("id", "")
view = st.session_state.get("browse_view", {})
st.page_link("browse.py", label="Back to the list", icon=":material/arrow_back:", query_params=view)


def sentence(event: Event) -> str:
    """One entry of the history in words."""
    who = f" by {plain(event.actor)}" if event.actor else ""
    if event.kind == "created":
        what = "Filed"
    elif event.field in ("title", "description"):
        what = f"{label(event.field)} rewritten"
    else:
        what = f"{label(event.field)} {label(event.old_value or '').lower()} → {label(event.new_value or '').lower()}"
    return f"**{what}**{who} · {moment(event.at)} · {DOORS[event.source]}"


DOORS = {"dashboard": "on the dashboard", "api": "over the API", "import": "by an import", "sql": "in the database"}

with guard():
    if not (named.isascii() and named.isdigit()):
        st.info("This page shows one ticket; its address ends in ?id= and the ticket's number.", icon=":material/link:")
        st.stop()
    at = loaders.version()
    if ticket := fields.load(int(named[:40])):  # no id has more digits, and Python reads no more than 4,300
        text, history = st.columns([3, 2], gap="large")
        with text:
            fields.show(ticket, "ticket")
        with history:
            st.subheader("History")
            for event in tickets.history(desk.current().db, ticket.id):
                st.markdown(sentence(event))
        rerun_when_changed(at)
