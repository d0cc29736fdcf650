"""The figures of the stats page as an Excel file: a sheet for each, with the numbers that the page shows."""

import io

import pandas as pd
import streamlit as st

from ticketcore.ui.marks import Shown
from ticketcore.ui.meanings import MEANINGS

_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def button(figures: Shown) -> None:
    """Downloads the figures of a period that has begun; the file is made when it is asked for."""
    name = f"figures {figures.period.first} to {figures.period.last}.xlsx"
    st.download_button(
        "Figures", lambda: workbook(figures), name, _KIND, icon=":material/table:", on_click="ignore",
        help="These figures as an Excel file. “Print” is in the menu at the top; each chart can be saved as a picture.",
    )  # fmt: skip


def sheets(figures: Shown) -> dict[str, pd.DataFrame]:
    """The sheets by name, without the links."""
    period, zone = figures.period, figures.period.timezone
    about = {
        "Tickets": figures.matching.behind_figure().describe(zone),
        "Period": f"{period.first} to {period.last}, days of {zone.key}",
        "As of": f"{period.now.astimezone(zone):%Y-%m-%d %H:%M}",
        **MEANINGS,
    }
    tables = {
        "Created and resolved": figures.flow,
        "Backlog": figures.backlog,
        "Time to resolution": figures.resolution,
        "First response": figures.response,
        "Target met": figures.promises,
        "Open now, by age": figures.ages,
        "When tickets arrive": figures.arrivals,
        "By agent": figures.work,
        "Suggestions kept": figures.suggestions,
        "Suggestions over time": figures.suggestions_over_time,
        "Confusion matrix": figures.confusion,
    }
    named = {
        name: table.select([column for column in table.column_names if not column.endswith("link")]).to_pandas()
        for name, table in tables.items()
    }
    return {"About": pd.DataFrame(about.items(), columns=["What", "Meaning"]), **named}


def workbook(figures: Shown) -> bytes:
    """An XLSX file. Names are texts in it, whatever they begin with."""
    file = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False}
    with pd.ExcelWriter(file, engine="xlsxwriter", engine_kwargs={"options": options}) as writer:
        for name, frame in sheets(figures).items():
            frame.to_excel(writer, sheet_name=name, index=False, freeze_panes=(1, 0))
            writer.sheets[name].autofit()
    return file.getvalue()
