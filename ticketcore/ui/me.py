"""Who sits in front of the screen: the name under which the history tells of what is done on the dashboard.

It is what somebody says of themselves, kept by their browser for a year.
"""

import json
from urllib.parse import quote, unquote

import streamlit as st

from ticketcore.errors import InvalidInput
from ticketcore.models import TicketChanges
from ticketcore.ui.words import complaint, plain
from ticketcore.validation import parse

COOKIE = "desk_name"
_NAME = "me_name"
# Streamlit has no way to put something beside the navigation; a row of its own would push every page down.
_IN_THE_HEADER = """<style>.st-key-me {
    position: fixed; top: 0.6rem; left: calc(100vw - 15.5rem); width: 12rem; align-items: flex-end; z-index: 999991
}</style>"""


def name() -> str | None:
    """The name that was given; None as long as there is none."""
    return _valid(st.session_state.get(_NAME) or "") or None


def control() -> None:
    """Shows the name, and lets it be given."""
    if _NAME not in st.session_state:
        st.session_state[_NAME] = _valid(unquote(st.context.cookies.get(COOKIE) or ""))
    said = st.session_state[_NAME] or ""
    st.html(_IN_THE_HEADER)
    with (
        st.container(key="me", width="content"),
        st.popover(plain(name() or "Who are you?"), icon=":material/person:", type="tertiary"),
    ):
        st.text_input(
            "Your name", key=_NAME, persist_state="session", on_change=_keep, placeholder="As others know you",
            help="The history of a ticket tells who changed it. This browser remembers your name.",
        )  # fmt: skip
        try:
            parse(TicketChanges, {"assignee": said or None})
        except InvalidInput as error:
            st.error(complaint("name", error.errors["assignee"]), icon=":material/error:")
    if st.session_state.pop("me_keep", False):
        kept = f"{COOKIE}={quote(name() or '')}; path=/; max-age=31536000; samesite=lax"
        st.html(f"<script>document.cookie = {json.dumps(kept)}</script>", unsafe_allow_javascript=True)


def _keep() -> None:
    st.session_state["me_keep"] = True


def _valid(text: str) -> str:
    try:
        return parse(TicketChanges, {"assignee": text}).assignee or ""
    except InvalidInput:
        return ""
