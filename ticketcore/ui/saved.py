"""Saved views on the tickets page: one click shows what somebody looked at before."""

from datetime import date
from typing import Any

import streamlit as st

from ticketcore import views
from ticketcore.access import Role
from ticketcore.errors import InvalidInput, TicketDeskError
from ticketcore.filters import Sort
from ticketcore.models import FACETS
from ticketcore.ui import loaders, me
from ticketcore.ui.links import BEHIND
from ticketcore.ui.widgets import DATES, clear_filter
from ticketcore.ui.words import complaint, plain

_FAULT, _OPEN = "saved_fault", "saved_open"


def box(at: str) -> None:
    """The views one can go to, and the way to save the filter as it is."""
    mine = me.name()
    popover = st.popover("Views", icon=":material/bookmarks:", key=_OPEN, on_change="rerun")
    if not popover.open:  # what is in it is a tenth of the page, and seldom looked at
        st.session_state.pop(_FAULT, None)
        return
    with popover:
        found = loaders.views(mine, at)
        if not found:
            st.caption("A filter that you use often can be saved here under a name.")
        for view in found:
            with st.container(horizontal=True, vertical_alignment="center"):
                icon = ":material/group:" if view.owner is None else ":material/person:"
                st.button(
                    plain(view.name), key=f"saved_{view.id}", icon=icon, type="tertiary", width="stretch",
                    on_click=_show, args=(view.conditions,),
                )  # fmt: skip
                if not me.may(Role.AGENT):
                    continue
                st.button(
                    "Remove", key=f"saved_{view.id}_remove", icon=":material/delete:", type="tertiary",
                    on_click=_forget, args=(view.id,),
                )  # fmt: skip
        if not me.may(Role.AGENT):
            return
        st.text_input("Save this view as", key="saved_name", persist_state="session", placeholder="My open tickets")
        shared = st.checkbox(
            "Share it with the desk", key=f"saved_shared_{mine is None}", value=mine is None, disabled=mine is None,
            persist_state="session",
            help="Otherwise it is shown to you alone; say who you are first, at the top of the page.",
        )  # fmt: skip
        st.button("Save view", icon=":material/bookmark_add:", on_click=_save, args=(None if shared else mine,))
        if fault := st.session_state.pop(_FAULT, None):
            st.error(fault, icon=":material/error:")


def _save(owner: str | None) -> None:
    chosen = st.session_state
    conditions: dict[str, Any] = {
        "search": chosen["search"] or "", "sort": str(chosen["sort"]), BEHIND: st.query_params.get(BEHIND, ""),
        **{key: [str(value) for value in chosen[key]] for key in (*FACETS, "assignee")},
        **{key: chosen[key].isoformat() if chosen[key] else None for key in DATES},
    }  # fmt: skip
    try:
        views.save(me.desk().db, chosen.get("saved_name") or "", conditions, owner=owner)
    except InvalidInput as error:
        chosen[_FAULT] = complaint("name", error.errors["name"])
    except TicketDeskError as error:
        chosen[_FAULT] = plain(str(error))
    else:
        chosen["saved_name"] = ""


def _show(conditions: dict[str, Any]) -> None:
    st.session_state[_OPEN] = False
    clear_filter()
    if behind := conditions.get(BEHIND):
        st.query_params[BEHIND] = behind
    st.session_state.update({
        "search": conditions["search"], "sort": Sort(conditions["sort"]), "assignee": conditions["assignee"],
        **{key: [kind(value) for value in conditions[key]] for key, kind in FACETS.items()},
        **{key: date.fromisoformat(conditions[key]) if conditions[key] else None for key in DATES},
    })  # fmt: skip


def _forget(view_id: int) -> None:
    try:
        views.forget(me.desk().db, view_id, owner=me.name())
    except TicketDeskError as error:
        st.session_state[_FAULT] = plain(str(error))
