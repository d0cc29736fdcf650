"""The way from what a page shows to a file: the dialog in which an analyst chooses format and columns."""

import uuid

import streamlit as st

from ticketcore import seals
from ticketcore.access import Role
from ticketcore.columns import COLUMNS
from ticketcore.export import Format
from ticketcore.filters import Sort, TicketFilter
from ticketcore.ui import me
from ticketcore.ui.widgets import guard
from ticketcore.ui.words import label, plain

_FORMATS = {Format.CSV: "CSV", Format.XLSX: "Excel", Format.PARQUET: "Parquet", Format.JSONL: "JSON Lines"}


def button(matching: TicketFilter, sort: Sort = Sort.NEWEST) -> None:
    """Opens the dialog for the tickets of this filter, in this order."""
    st.button("Export", icon=":material/download:", on_click=_open, help="Take these tickets away as a file")
    if st.session_state.get(_NAME):  # called in every run: the page's own reruns would close it otherwise
        _dialog(matching, sort)


_NAME = "export_name"
"""Where the session keeps the name of the export whose dialog is open."""


def _open() -> None:
    st.session_state[_NAME] = uuid.uuid4().hex


def close() -> None:
    """Closes the dialog, if it is open."""
    st.session_state.pop(_NAME, None)


@st.dialog("Export", on_dismiss=close)
def _dialog(matching: TicketFilter, sort: Sort) -> None:
    st.caption(f"{plain(matching.describe(me.desk().settings.timezone))}, every one of them".capitalize())
    format = st.segmented_control(
        "Format", list(Format), default=Format.CSV, key="export_format", format_func=_FORMATS.__getitem__, required=True
    )
    columns = st.multiselect(
        "Columns", list(COLUMNS), key="export_columns", format_func=label, placeholder="All of them",
        help="  \n".join(f"**{label(column.name)}**: {plain(column.meaning)}" for column in COLUMNS.values()),
    )  # fmt: skip
    signature = format is Format.CSV and st.checkbox(
        "For Excel", key="export_signature", help="Begins the file with the UTF-8 signature that Excel needs."
    )
    name = st.session_state[_NAME]
    options = {
        "format": format, "columns": ",".join(columns), "sort": sort.value, "signature": str(signature).lower(),
        "progress": name,
    }  # fmt: skip
    _link([*matching.params(), *options.items()])
    _progress(name)


@st.fragment(run_every=f"{seals.LIFE // 3}s")
def _link(query: list[tuple[str, str]]) -> None:
    """The way to the file, signed anew before the signature is too old."""
    with guard():
        seat = me.desk()
        seat.db.demand(Role.VIEWER)
        signed = seals.sealed(seat.settings, query, seat.person)
        st.link_button(
            "Download", f"/api/tickets/export/?{signed}", type="primary", icon=":material/download:", width="stretch"
        )


@st.fragment(run_every=1)
def _progress(name: str) -> None:
    """How far the download is."""
    with guard():
        export = me.desk().exports.find(name)
        if export is None:
            return
        rows = f"{export.rows:,} {'row' if export.rows == 1 else 'rows'}"
        if export.state == "done":
            st.success(f"{rows} exported.", icon=":material/check_circle:")
        elif export.state == "broken":
            st.warning(f"The download was broken off after {rows}.", icon=":material/link_off:")
        elif export.total:
            st.progress(min(1.0, export.rows / export.total), f"{export.rows:,} of {export.total:,} rows …")
        else:
            st.caption(f"{rows} …")
