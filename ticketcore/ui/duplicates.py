"""Tickets that tell of the same: which they are, and the way to say so."""

import streamlit as st

from ticketcore import tickets
from ticketcore.access import Role
from ticketcore.errors import InvalidInput, TicketDeskError
from ticketcore.models import Source, Status, Ticket, TicketChanges
from ticketcore.ui import me, pages
from ticketcore.ui.words import complaint, plain
from ticketcore.validation import parse


def show(ticket: Ticket) -> None:
    """What this ticket is a duplicate of and what is a duplicate of it; marks it as one."""
    others = tickets.duplicates(me.desk().db, ticket.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        if ticket.duplicate_of:
            _link(f"Duplicate of #{ticket.duplicate_of}", ticket.duplicate_of)
            if me.may(Role.AGENT):
                st.button(
                    "Not a duplicate", key=f"duplicate_{ticket.id}_undo", type="tertiary", icon=":material/link_off:",
                    on_click=_change, args=(ticket, {"duplicate_of": None}),
                )  # fmt: skip
        elif me.may(Role.AGENT):
            with st.popover("Mark as duplicate", type="tertiary", icon=":material/content_copy:"):
                number = st.number_input(
                    "Number of the other ticket", 1, 2**53 - 1, None, 1, key=f"duplicate_{ticket.id}", format="%d"
                )
                st.caption("This ticket is closed; both show the link.")
                st.button(
                    "Close as duplicate", key=f"duplicate_{ticket.id}_do", type="primary", disabled=number is None,
                    on_click=_change, args=(ticket, {"duplicate_of": number, "status": Status.CLOSED}),
                )  # fmt: skip
        for number in others:
            _link(f"#{number} is a duplicate of this", number)
    if fault := st.session_state.pop(f"duplicate_{ticket.id}_fault", None):
        st.error(fault, icon=":material/error:")


def _link(words: str, number: int) -> None:
    st.page_link(pages.page("ticket"), label=words, icon=":material/content_copy:", query_params={"id": str(number)})


def _change(ticket: Ticket, values: dict[str, object]) -> None:
    try:
        changes = parse(TicketChanges, values)
        tickets.update(
            me.desk().db, ticket.id, changes, source=Source.DASHBOARD, actor=me.name(),
            expected_version=ticket.version,
        )  # fmt: skip
    except InvalidInput as error:
        fault = complaint("", f"The number {error.errors.get('duplicate_of', str(error))}.")
    except TicketDeskError as error:
        fault = plain(str(error))
    else:
        return
    st.session_state[f"duplicate_{ticket.id}_fault"] = fault
