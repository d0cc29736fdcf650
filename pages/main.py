"""Page configuration and navigation."""

import streamlit as st

from ticketcore.access import Role
from ticketcore.ui import exporting, me
from ticketcore.ui.widgets import guard

st.set_page_config(page_title="Ticket desk", page_icon="🎫", layout="wide")

with guard():
    if not me.gate():
        st.stop()

pages = [
        st.Page(
            "submit.py", title="File a ticket", icon=":material/add_circle:", default=True,
            help="Describe a problem; category and priority are suggested while you write.",
        ),
        st.Page(
            "browse.py", title="Tickets", icon=":material/inbox:", url_path="tickets",
            help="Find tickets by text, field and date, and change their status.",
        ),
        st.Page(
            "stats.py", title="Stats", icon=":material/bar_chart:", url_path="stats",
            help="How many tickets there are, and of what kind.",
        ),
        st.Page("ticket.py", title="Ticket", url_path="ticket", visibility="hidden"),
]  # fmt: skip
if me.may(Role.LEAD):
    pages += [
        st.Page(
            "suggestions.py", title="Suggestions", icon=":material/auto_awesome:", url_path="suggestions",
            help="Who suggests category and priority, and how good that is.",
        ),
        st.Page(
            "access.py", title="Access", icon=":material/key:", url_path="access",
            help="Tokens for the API, and what language models were sent.",
        ),
    ]  # fmt: skip
page = st.navigation(pages, position="top")

if st.session_state.get("main_page") != page.url_path:  # what was said on one page is not said on the next
    st.session_state["main_page"] = page.url_path
    for said in ("browse_outcome", "ticket_outcome", "filter_unknown"):
        st.session_state.pop(said, None)
    exporting.close()

me.control()
with guard():
    page.run()
