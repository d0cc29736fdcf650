"""Changing many tickets at once: those that are ticked in the table, or all that match."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ticketcore import bulk
from ticketcore.errors import InvalidInput, TicketDeskError
from ticketcore.filters import TicketFilter
from ticketcore.listing import Count
from ticketcore.models import Category, Priority, Source, Status, TicketChanges
from ticketcore.ui import loaders, me
from ticketcore.ui.words import complaint, label, plain
from ticketcore.validation import parse

FACETS = {"status": Status, "priority": Priority, "category": Category}
NOBODY = "Nobody"
_DONE = "together_done"

Chosen = Sequence[int] | TicketFilter


def toggle() -> bool:
    """Whether tickets are being ticked, to change them together."""
    return st.toggle("Change several", key="together_on", persist_state="session")


def bar(ticked: Sequence[int], matching: TicketFilter, number: Count, at: str) -> None:
    """What to change about the tickets that are ticked, or about all that match; what it will do; and what it did."""
    with st.container(border=True):
        everything = st.checkbox(
            f"All {number} that match", key="together_all", disabled=not matching.params() or number.number > bulk.MOST,
            help=f"With a filter that matches at most {bulk.MOST:,} tickets",
        )  # fmt: skip
        chosen: Chosen = matching if everything else ticked
        changes = _changes(at)
        if changes is None:
            return
        if not (everything or ticked):
            st.caption("Tick tickets in the table to change them together.")
        elif not changes.named():
            st.caption(f"{_tickets(number.number if everything else len(ticked))}. Choose what to change about them.")
        else:
            _preview(chosen, changes)
    _tell()


def _changes(at: str) -> TicketChanges | None:
    values: dict[str, object] = {}
    with st.container(horizontal=True):
        for part, kind in FACETS.items():
            if value := st.selectbox(
                f"New {part}", list(kind), None, key=f"together_{part}", format_func=label, placeholder="As it is",
                width=150,
            ):  # fmt: skip
                values[part] = value
        assignee = st.selectbox(
            "New assignee", [NOBODY, *loaders.assignees(at)], None, key="together_assignee", placeholder="As it is",
            accept_new_options=True, width=200,
        )  # fmt: skip
        if assignee:
            values["assignee"] = None if assignee == NOBODY else assignee
    try:
        return parse(TicketChanges, values)
    except InvalidInput as error:
        for part, message in error.errors.items():
            st.error(complaint(part, message), icon=":material/error:")
        return None


def _preview(chosen: Chosen, changes: TicketChanges) -> None:
    try:
        told = bulk.preview(me.desk().db, chosen, changes)
    except InvalidInput as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    for part, counts in told.values.items():
        new = _word(part, changes.named()[part])
        old = ", ".join(f"{count} {_word(part, value)}" for value, count in counts.most_common())
        st.markdown(f"**{label(part)}:** {plain(old or 'none')} → {plain(new)}")
    st.button(
        f"Change {told.changing} of {_tickets(told.chosen)}", type="primary", icon=":material/done_all:",
        key="together_apply", disabled=not told.changing, on_click=_apply, args=(chosen, changes),
    )  # fmt: skip


def _tell() -> None:
    done = st.session_state.get(_DONE)
    if not done:
        return
    words, is_good, results, can_undo = done
    with st.container(horizontal=True, vertical_alignment="center"):
        (st.success if is_good else st.error)(
            plain(words), icon=":material/check_circle:" if is_good else ":material/error:"
        )
        if can_undo:
            st.button("Undo", icon=":material/undo:", key="together_undo", on_click=_undo, args=(results,))
        st.button("Dismiss", key="together_dismiss", type="tertiary", on_click=st.session_state.pop, args=(_DONE,))
    if results:
        rows = [(f"#{result.id}", label(result.outcome), result.version) for result in results]
        with st.expander("Each ticket"):
            st.dataframe(pd.DataFrame(rows, columns=["Ticket", "Outcome", "Version"]), hide_index=True)


def _apply(chosen: Chosen, changes: TicketChanges) -> None:
    try:
        results = bulk.update(me.desk().db, chosen, changes, source=Source.DASHBOARD, actor=me.name())
    except TicketDeskError as error:
        st.session_state[_DONE] = (f"{error} Nothing was changed.", False, [], False)
        return
    changed = sum(result.outcome is bulk.Outcome.CHANGED for result in results)
    left = len(results) - changed
    words = f"{_tickets(changed)} changed" + (f", {left} already like this or gone." if left else ".")
    st.session_state[_DONE] = (words, True, results, changed > 0)
    for part in (*FACETS, "assignee"):
        st.session_state[f"together_{part}"] = None


def _undo(results: list[bulk.Result]) -> None:
    try:
        undone = bulk.undo(me.desk().db, results, source=Source.DASHBOARD, actor=me.name())
    except TicketDeskError as error:
        st.session_state[_DONE] = (f"{error} Nothing was undone.", False, results, True)
        return
    back = sum(result.outcome is bulk.Outcome.CHANGED for result in undone)
    left = len(undone) - back
    words = f"{_tickets(back)} as before again" + (f"; {left} changed by others since and left alone." if left else ".")
    st.session_state[_DONE] = (words, True, undone, False)


def _tickets(number: int) -> str:
    return f"{number:,} {'ticket' if number == 1 else 'tickets'}"


def _word(part: str, value: object) -> str:
    return str(value or "nobody") if part == "assignee" else label(str(value)).lower()
