"""The table of tickets, in which a click on a row opens it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import streamlit as st

from ticketcore.listing import Summary
from ticketcore.ui.words import PRIORITY_COLOURS, STATUS_COLOURS, chip_column, label, viewer_zone

HEIGHT = 650


def tick(page: Sequence[Summary], *, state: str) -> list[int]:
    """One page of the list, in which rows are ticked; the ids of those that are, in the state `state`_ticked too."""
    ids = [ticket.id for ticket in page]
    ticked = st.session_state[f"{state}_ticked"] = [
        ticket for ticket in st.session_state.get(f"{state}_ticked", ()) if ticket in ids
    ]
    key = f"{state}_ticks_{hash(tuple(ids))}"
    _table(
        page, key, on_select=partial(_tick, key, ids, f"{state}_ticked"), selection_mode="multi-row",
        selection_default={"selection": {"rows": [ids.index(ticket) for ticket in ticked]}},
    )  # fmt: skip
    return ticked


def show(page: Sequence[Summary], *, state: str) -> None:
    """One page of the list; the id of the ticket that is open lives in the state `state`."""
    st.session_state.pop(f"{state}_ticked", None)
    ids = [ticket.id for ticket in page]
    opened = st.session_state.get(state)
    # A key of its own for each set of rows: the highlighted row is then always the ticket that is open.
    key = f"{state}_table_{hash(tuple(ids))}"
    _table(
        page, key, on_select=partial(_open, key, ids, state), selection_mode=["single-row", "single-cell"],
        selection_default={"selection": {"rows": [ids.index(opened)] if opened in ids else []}},
    )  # fmt: skip


def _table(page: Sequence[Summary], key: str, **selection: Any) -> Any:
    return st.dataframe(
        pa.table(_columns(page)),  # Streamlit sends it as it is; a data frame would take ten times as long
        key=key, hide_index=True, height=HEIGHT, alt="The tickets that match the filter", **selection,
        column_config={
            "id": st.column_config.NumberColumn("#", format="%d", width=65),
            "title": st.column_config.TextColumn("Title", width=260),
            "status": chip_column("Status", STATUS_COLOURS),
            "priority": chip_column("Priority", PRIORITY_COLOURS),
            "category": st.column_config.TextColumn("Category", width=85),
            "created_at": st.column_config.DatetimeColumn(
                "Created", format="D MMM YYYY, HH:mm", timezone=viewer_zone().key, width=140
            ),
            "excerpt": st.column_config.TextColumn("Description", width=400),
        },
    )  # fmt: skip


def _columns(page: Sequence[Summary]) -> dict[str, pa.Array]:
    return {
        "id": pa.array([ticket.id for ticket in page], pa.int64()),
        "title": pa.array([ticket.title for ticket in page], pa.string()),
        "status": pa.array([[label(ticket.status)] for ticket in page], pa.list_(pa.string())),
        "priority": pa.array([[label(ticket.priority)] for ticket in page], pa.list_(pa.string())),
        "category": pa.array([label(ticket.category) for ticket in page], pa.string()),
        "created_at": pa.array([ticket.created_at for ticket in page], pa.timestamp("us", "UTC")),
        "excerpt": pa.array([ticket.excerpt for ticket in page], pa.string()),
    }


def _tick(key: str, ids: list[int], state: str) -> None:
    """Remembers which tickets are ticked by their ids, as `_open`."""
    st.session_state[state] = [ids[row] for row in st.session_state[key].selection.rows]


def _open(key: str, ids: list[int], state: str) -> None:
    """Remembers which ticket was clicked by its id: rows move when tickets arrive."""
    selection = st.session_state[key].selection
    rows = [*(row for row, _ in selection.cells), *selection.rows]
    st.session_state[state] = ids[rows[0]] if rows else None
