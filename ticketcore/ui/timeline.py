"""What happened to a ticket, in words, and the notes that are added to it."""

import streamlit as st

from ticketcore import tickets
from ticketcore.access import Role
from ticketcore.errors import InvalidInput, TicketDeskError
from ticketcore.models import Event, NewNote, Source, Ticket
from ticketcore.ui import me
from ticketcore.ui.words import ago, as_text, complaint, label, moment, plain
from ticketcore.validation import parse

DOORS = {"dashboard": "on the dashboard", "api": "over the API", "import": "by an import", "sql": "in the database"}
ICONS = {"created": ":material/add_circle:", "changed": ":material/edit:", "noted": ":material/sticky_note_2:"}


def show(ticket: Ticket) -> None:
    """The history, oldest entry first, and room for a note."""
    st.subheader("History")
    for event in tickets.history(me.desk().db, ticket.id):
        when = f"{ago(event.at)} · {moment(event.at)} · {DOORS[event.source]}"
        st.markdown(f"{ICONS[event.kind]} **{_what(event)}**{_by(event)} · {when}")
        if event.kind == "noted":
            with st.container(border=True):
                as_text(event.new_value or "")
    if me.may(Role.AGENT):
        _note(ticket)


def _what(event: Event) -> str:
    """One entry in words: "Priority low → high"."""
    if event.kind == "created":
        return "Filed"
    if event.kind == "noted":
        return "Note"
    if event.field in ("title", "description"):
        return f"{label(event.field)} rewritten"
    return f"{label(event.field)} {_value(event.field, event.old_value)} → {_value(event.field, event.new_value)}"


def _value(field: str, value: str | None) -> str:
    if value is None:
        return "nobody" if field in ("assignee", "reporter") else "none"
    if field == "duplicate_of":
        return f"#{value}"
    return plain(value) if field in ("assignee", "reporter") else label(value).lower()


def _by(event: Event) -> str:
    return f" by {plain(event.actor)}" if event.actor else ""


def _note(ticket: Ticket) -> None:
    key = f"note_{ticket.id}"
    st.text_area(
        "Internal note", key=key, persist_state="session", height=100, placeholder="For colleagues; nobody else sees it"
    )
    if complaint_ := st.session_state.get(f"{key}_fault"):
        st.error(complaint_, icon=":material/error:")
    st.button("Add note", key=f"{key}_add", icon=":material/note_add:", on_click=_add, args=(ticket.id, key))


def _add(ticket_id: int, key: str) -> None:
    st.session_state.pop(f"{key}_fault", None)
    try:
        new = parse(NewNote, {"text": st.session_state.get(key) or ""})
        tickets.note(me.desk().db, ticket_id, new, source=Source.DASHBOARD, actor=me.name())
    except InvalidInput as error:
        st.session_state[f"{key}_fault"] = complaint("note", error.errors.get("text", str(error)))
    except TicketDeskError as error:
        st.session_state[f"{key}_fault"] = f"{plain(str(error))} Your note is still here."
    else:
        st.session_state[key] = ""
