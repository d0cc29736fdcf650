"""The period that the stats page reports on, and how finely."""

from datetime import date, datetime, timedelta

import streamlit as st

from ticketcore.period import Unit
from ticketcore.ui import loaders, me
from ticketcore.ui.words import label

_PERIODS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "A year", 0: "All"}
_UNITS = {unit: label(unit) for unit in Unit}


def box(at: str) -> tuple[date, date, Unit]:
    """What to report on, and how finely: the days of the filter, or as many until today as were chosen.

    “All” begins with the first ticket as of version `at`.
    """
    today = datetime.now(me.desk().settings.timezone).date()
    first, last = st.session_state["from"], st.session_state["to"]
    if not (first or last):
        days = st.segmented_control(
            "Period", list(_PERIODS), default=30, key="period", bind="query-params",
            format_func=_PERIODS.__getitem__, required=True, help="Or choose days in the filter above",
        )  # fmt: skip
        first = today - timedelta(days=days - 1) if days else None
    begin = first or (loaders.first_day(at) or today)
    end = max(begin, last or today)
    fine = _unit((end - begin).days)
    unit = st.segmented_control(
        "By", list(_UNITS), default=None, key="unit", bind="query-params", format_func=_UNITS.__getitem__,
        help=f"As chosen, or else as fits the period: by the {fine}",
    )  # fmt: skip
    return begin, end, Unit(unit) if unit else fine


def _unit(days: int) -> Unit:
    return Unit.DAY if days <= 62 else Unit.WEEK if days <= 370 else Unit.MONTH
