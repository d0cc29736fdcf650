"""Page configuration and navigation."""

import streamlit as st

from ticketcore.access import Role
from ticketcore.ui import exporting, following, me, pages
from ticketcore.ui.widgets import guard

st.set_page_config(page_title="Ticket desk", page_icon="🎫", layout="wide")

with guard():
    if not me.gate():
        st.stop()

names = ["submit", "browse", "stats", "ticket", *(["suggestions", "access"] if me.may(Role.LEAD) else [])]
page = st.navigation([pages.page(name) for name in names], position="top")

if st.session_state.get("main_page") != page.url_path:  # what was said on one page is not said on the next
    st.session_state["main_page"] = page.url_path
    for said in ("browse_outcome", "ticket_outcome", "filter_unknown", "stats_at"):
        st.session_state.pop(said, None)
    exporting.close()

me.control()
with following.drawing(), guard():
    page.run()
