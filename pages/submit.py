"""File a ticket: who opens this has a problem in hand and wants it on the desk within a minute."""

import streamlit as st

from ticketcore.models import DESCRIPTION_LENGTH, TITLE_LENGTH, Category, Priority
from ticketcore.ui import drafts, loaders
from ticketcore.ui.widgets import guard
from ticketcore.ui.words import complaint, label, moment, plain

draft = drafts.current()
form, newest = st.columns([3, 2], gap="large")


def origin(part: str) -> str:
    """Where the value of a dropdown came from."""
    if part in draft.touched:
        return ":material/person: Chosen by you"
    if draft.is_thinking():
        return ":material/hourglass_top: Thinking…"
    if draft.suggestion is None:
        return ":material/lightbulb: Suggested once there is a description"
    if draft.suggestion.is_default:
        return ":material/block: Default: no suggestion available"
    return f":material/auto_awesome: Suggested by {plain(draft.suggestion.source)}"


def dropdowns() -> None:
    """Category and priority; fills them when the suggestion arrives, without touching what is being typed."""
    was_thinking = draft.is_thinking()
    draft.collect()
    left, right = st.columns(2)
    for column, part, kind in ((left, "category", Category), (right, "priority", Priority)):
        column.selectbox(
            label(part),
            list(kind),
            key=draft.key(part),
            format_func=label,
            on_change=draft.touch,
            args=(part,),
            persist_state="session",
        )
        column.caption(origin(part))
    if was_thinking and not draft.is_thinking():
        st.rerun()


with form:
    st.subheader("File a ticket")
    if draft.filed:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(f"Ticket #{draft.filed} is filed.", icon=":material/check_circle:", width=320)
            st.page_link(
                "ticket.py", label=f"Open ticket #{draft.filed}", query_params={"id": str(draft.filed)},
                icon=":material/open_in_new:",
            )  # fmt: skip
    st.text_input(
        "Title", key=draft.key("title"), max_chars=TITLE_LENGTH, on_change=draft.ask, persist_state="session",
        placeholder="One line that says what is wrong",
    )  # fmt: skip
    st.text_area(
        "Description", key=draft.key("description"), max_chars=DESCRIPTION_LENGTH, on_change=draft.ask, height=220,
        persist_state="session",
        placeholder="What happened, what was expected, since when",
    )  # fmt: skip
    st.fragment(dropdowns, run_every=0.3 if draft.is_thinking() else None)()
    st.button("Submit ticket", key=draft.key("submit"), type="primary", icon=":material/send:", on_click=draft.file)
    for field, message in draft.errors.items():
        st.error(complaint(field, message), icon=":material/error:")


@st.fragment(run_every="5s")
def newest_tickets() -> None:
    """The latest tickets of the desk, so that one sees one's own arrive and a duplicate before filing it."""
    with guard():
        tickets = loaders.newest(8, loaders.version())
        if tickets.empty:
            st.caption("Nothing has been filed yet. The newest tickets will be listed here.")
        for ticket in tickets.itertuples():
            with st.container(gap=None):
                st.page_link(
                    "ticket.py", label=f"#{ticket.id} {plain(ticket.title)}", query_params={"id": str(ticket.id)}
                )
                st.caption(f"{label(ticket.status)} · {label(ticket.priority)} · {moment(ticket.created_at)}")


with newest:
    st.subheader("Newest tickets")
    newest_tickets()
