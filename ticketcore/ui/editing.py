"""Rewriting a ticket: its text and its people, and what to do when somebody else was faster.

What is typed stays until it is stored or given up, whatever others do meanwhile.
"""

import enum

import pandas as pd
import streamlit as st

from ticketcore import tickets
from ticketcore.errors import Conflict, InvalidInput, TicketDeskError
from ticketcore.models import Source, Ticket, TicketChanges
from ticketcore.ui import me
from ticketcore.ui.words import complaint, label
from ticketcore.validation import parse

FIELDS = ("title", "description", "assignee", "reporter")
COMPARED = (*FIELDS, "status", "category", "priority", "duplicate_of")


def is_open(ticket_id: int) -> bool:
    """Whether this ticket is being rewritten."""
    return _opened_key(ticket_id) in st.session_state


def button(ticket: Ticket) -> None:
    """Begins to rewrite the ticket."""
    st.button("Edit", icon=":material/edit:", shortcut="E", on_click=_open, args=(ticket,))


def show(ticket: Ticket) -> None:
    """The fields to rewrite; where somebody else changed the ticket meanwhile, their changes beside one's own."""
    opened: Ticket = st.session_state[_opened_key(ticket.id)]
    st.text_input("Title", key=_key(ticket.id, "title"), persist_state="session")
    st.text_area("Description", key=_key(ticket.id, "description"), persist_state="session", height=260)
    with st.container(horizontal=True):
        for person in ("assignee", "reporter"):
            st.text_input(
                label(person), key=_key(ticket.id, person), persist_state="session", placeholder="Name or address"
            )
    for part, message in st.session_state.get(_key(ticket.id, "faults"), {}).items():
        st.error(complaint(part, message), icon=":material/error:")
    is_late = ticket.version != opened.version
    if is_late:
        _compare(opened, ticket)
    with st.container(horizontal=True):
        st.button(
            "Save mine anyway" if is_late else "Save", type="primary", icon=":material/save:", shortcut="Alt+Enter",
            on_click=_save, args=(ticket.id, ticket.version),
        )  # fmt: skip
        st.button("Give up mine" if is_late else "Cancel", icon=":material/close:", on_click=_close, args=(ticket.id,))


def _compare(opened: Ticket, now: Ticket) -> None:
    st.warning(
        "Somebody else changed this ticket since you opened it. What you have typed is still here; what you did not "
        "touch stays as it is now.",
        icon=":material/sync_problem:",
    )
    mine = _mine(now.id)
    rows = [
        (label(part), _shown(getattr(opened, part)), _shown(getattr(now, part)), _shown(mine.get(part, "(untouched)")))
        for part in COMPARED
        if getattr(opened, part) != getattr(now, part) or part in mine
    ]
    frame = pd.DataFrame(rows, columns=["Field", "When you opened it", "Now", "Yours"])
    st.dataframe(frame, hide_index=True, height="content", alt="What they changed beside what you are about to change")


def _shown(value: object) -> str:
    return "–" if value is None else label(value) if isinstance(value, enum.StrEnum) else str(value)


def _mine(ticket_id: int) -> dict[str, str | None]:
    """What was typed and differs from what was there when the editing began."""
    opened: Ticket = st.session_state[_opened_key(ticket_id)]
    typed = {part: (st.session_state.get(_key(ticket_id, part)) or "").strip() for part in FIELDS}
    values = {part: text or None if part in ("assignee", "reporter") else text for part, text in typed.items()}
    return {part: value for part, value in values.items() if value != getattr(opened, part)}


def _save(ticket_id: int, version: int) -> None:
    """Stores what was typed over `version`, which is the one that was shown."""
    faults: dict[str, str] = {}
    try:
        changes = parse(TicketChanges, _mine(ticket_id))
        tickets.update(
            me.desk().db, ticket_id, changes, source=Source.DASHBOARD, actor=me.name(), expected_version=version
        )
    except InvalidInput as error:
        faults = error.errors
    except Conflict:
        pass  # the page shows what they changed beside it
    except TicketDeskError as error:
        faults = {"": f"{error} Your text is still here."}
    else:
        _close(ticket_id)
        return
    st.session_state[_key(ticket_id, "faults")] = faults


def _open(ticket: Ticket) -> None:
    st.session_state[_opened_key(ticket.id)] = ticket
    for part in FIELDS:
        st.session_state[_key(ticket.id, part)] = getattr(ticket, part) or ""


def _close(ticket_id: int) -> None:
    for part in (*FIELDS, "faults"):
        st.session_state.pop(_key(ticket_id, part), None)
    st.session_state.pop(_opened_key(ticket_id), None)


def _opened_key(ticket_id: int) -> str:
    return f"edit_{ticket_id}_opened"


def _key(ticket_id: int, part: str) -> str:
    return f"edit_{ticket_id}_{part}"
