"""Charts: pure functions from a DataFrame to an Altair chart. The theme is the page's."""

from typing import Any

import altair as alt
import pandas as pd

from ticketcore.ui.words import label

FEW_DAYS = 14
"""Up to here a day's bar has a width of its own: a single day would fill the whole chart."""


def breakdown(
    counts: pd.DataFrame, *, title: str, ink: str, colours: dict[Any, str] | None = None
) -> alt.LayerChart | alt.FacetChart:
    """A bar for each row of `counts` (value, number), in their order; numbers are written in `ink`."""
    order = [label(value) for value in counts["value"]]
    bars = alt.Chart(counts.assign(value=order)).encode(
        y=alt.Y("value:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=200)),
        x=alt.X("number:Q", title=None, axis=None),
        tooltip=[alt.Tooltip("value:N", title=title), alt.Tooltip("number:Q", title="Tickets", format=",")],
    )
    colour = (
        alt.Color(
            "value:N", scale=alt.Scale(domain=order, range=[colours[value] for value in counts["value"]]), legend=None
        )
        if colours
        else alt.Undefined
    )
    return alt.layer(
        bars.mark_bar(cornerRadiusEnd=3, height={"band": 0.62}).encode(color=colour),
        bars.mark_text(align="left", dx=5, color=ink).encode(text=alt.Text("number:Q", format=",")),
    ).properties(height=40 * len(order))


def created_per_day(days: pd.DataFrame) -> alt.Chart:
    """A bar for each row of `days` (day, number)."""
    width = 36 if len(days) <= FEW_DAYS else alt.Undefined
    chart: alt.Chart = (
        alt.Chart(days.assign(day=pd.to_datetime(days["day"])))
        .mark_bar(size=width)
        .encode(
            x=alt.X("yearmonthdate(day):T", title=None, axis=alt.Axis(format="%d %b %Y", labelAngle=0, tickCount=6)),
            y=alt.Y("number:Q", title="Tickets", axis=alt.Axis(tickMinStep=1, format=",d")),
            tooltip=[
                alt.Tooltip("day:T", title="Day", format="%A, %d %b %Y"),
                alt.Tooltip("number:Q", title="Created", format=","),
            ],
        )
        .properties(height=260)
    )
    return chart
