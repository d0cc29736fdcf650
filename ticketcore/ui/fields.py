"""The fields of one ticket that an agent changes; every change is stored at once."""

import streamlit as st

from ticketcore import tickets
from ticketcore.access import Role
from ticketcore.errors import Conflict, NotFound, TicketDeskError
from ticketcore.models import Category, Priority, Source, Status, Ticket, TicketChanges
from ticketcore.ui import me
from ticketcore.ui.words import as_text, label, moment, plain
from ticketcore.validation import parse

FIELDS = (("status", Status), ("category", Category), ("priority", Priority))

LONG, ROOM = 2_000, 420
"""From so many characters on, a description scrolls within so many pixels."""


def load(ticket_id: int) -> Ticket | None:
    """The ticket, read anew; None, with a kind message, where there is none."""
    try:
        return tickets.get(me.desk().db, ticket_id)
    except NotFound as error:
        st.info(f"{plain(str(error))} It may have been mistyped.", icon=":material/search_off:")
        return None


def show(ticket: Ticket, where: str) -> None:
    """The ticket's text and its fields; `where` tells the widgets of several pages apart."""
    as_text(ticket.title, size="1.35rem", weight=600)
    st.caption(f"#{ticket.id} · filed {moment(ticket.created_at)} · changed {moment(ticket.updated_at)}")
    _outcome(ticket, where)
    with st.container(horizontal=True):
        for part, kind in FIELDS:
            # The version is part of the key: what someone else changed shows at once, never this widget's memory.
            key = f"{where}_{part}_{ticket.id}_{ticket.version}"
            members = list(kind)
            st.selectbox(
                label(part), members, index=members.index(getattr(ticket, part)), key=key, format_func=label,
                on_change=_store, args=(ticket, part, key, where), width=132, disabled=not me.may(Role.AGENT),
            )  # fmt: skip
    _people(ticket, where)
    if ticket.suggestion_source:
        suggested = f"{label(ticket.suggested_category or '')}, {label(ticket.suggested_priority or '')}"
        st.caption(f"Suggested when filed: {suggested} (by {plain(ticket.suggestion_source)})")
    with st.container(border=True, height=ROOM if len(ticket.description) > LONG else "content"):
        as_text(ticket.description)


def _people(ticket: Ticket, where: str) -> None:
    told = f" · told by {plain(ticket.reporter)}" if ticket.reporter else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Assigned to {plain(ticket.assignee or 'nobody')}{told}", width="content")
        if (mine := me.name()) and ticket.assignee != mine and me.may(Role.AGENT):
            key = f"{where}_assign_{ticket.id}_{ticket.version}"
            st.session_state[f"{key}_to"] = mine
            st.button(
                "Assign to me", key=key, type="tertiary", icon=":material/person_add:", on_click=_store,
                args=(ticket, "assignee", f"{key}_to", where),
            )  # fmt: skip


def _store(ticket: Ticket, part: str, key: str, where: str) -> None:
    wanted = st.session_state[key]
    try:
        changes = parse(TicketChanges, {part: wanted})
        tickets.update(
            me.desk().db,
            ticket.id,
            changes,
            source=Source.DASHBOARD,
            actor=me.name(),
            expected_version=ticket.version,
        )
        message = (True, f"{label(part)} is now {_word(part, wanted)}.")
    except Conflict as error:
        now = getattr(error.current, part)
        if now == getattr(changes, part):
            # A browser sends a choice once more where the page was drawn anew meanwhile; it is stored already.
            message = (True, f"{label(part)} is now {_word(part, wanted)}.")
        else:
            message = (
                False,
                f"Someone else changed this ticket in the meantime, so your choice was not stored. {label(part)} is "
                f"{_word(part, now)} now; you chose {_word(part, wanted)}. Choose again if it should still change.",
            )
    except TicketDeskError as error:
        st.session_state[key] = getattr(ticket, part)
        message = (False, f"{error} {label(part)} was not changed.")
    st.session_state[f"{where}_outcome"] = (ticket.id, *message)


def _word(part: str, value: str | None) -> str:
    return (value or "nobody") if part == "assignee" else label(value or "").lower()


def _outcome(ticket: Ticket, where: str) -> None:
    """Says how the last change of this ticket went: a success once, a failure until one goes on."""
    outcome = st.session_state.get(f"{where}_outcome")
    if not outcome:
        return
    about, stored, message = outcome
    if about == ticket.id and stored:
        st.toast(plain(message), icon=":material/check_circle:")
    elif about == ticket.id:
        st.warning(plain(message), icon=":material/sync_problem:")
        return
    del st.session_state[f"{where}_outcome"]
