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


def flow(buckets: pd.DataFrame) -> alt.Chart:
    """Two bars for each row of `buckets` (first, Created, Resolved, whole); pale where a bucket is not whole."""
    long = buckets.melt(["first", "whole"], ["Created", "Resolved"], "what", "number")
    chart: alt.Chart = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X("yearmonthdate(first):O", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True)),
            xOffset=alt.XOffset("what:N"),
            y=alt.Y("number:Q", title="Tickets", axis=alt.Axis(tickMinStep=1, format=",d")),
            color=alt.Color("what:N", title=None, legend=alt.Legend(orient="top")),
            opacity=alt.condition("datum.whole", alt.value(1), alt.value(0.4)),
            tooltip=_flow_tooltip("what:N", "number:Q"),
        )
        .properties(height=240)
    )
    return chart


def backlog(buckets: pd.DataFrame) -> alt.Chart:
    """A line through the rows of `buckets` (first, Backlog)."""
    chart: alt.Chart = (
        alt.Chart(buckets)
        .mark_line(interpolate="step-after", point=True)
        .encode(
            x=alt.X("yearmonthdate(first):T", title=None, axis=alt.Axis(format="%d %b %Y", tickCount=6)),
            y=alt.Y("Backlog:Q", title="Tickets", scale=alt.Scale(zero=False), axis=alt.Axis(format=",d")),
            tooltip=_flow_tooltip("Backlog:Q"),
        )
        .properties(height=180)
    )
    return chart


def _flow_tooltip(*fields: str) -> list[alt.Tooltip]:
    return [alt.Tooltip("first:T", title="From", format="%A, %d %b %Y"), *(alt.Tooltip(field) for field in fields)]


def heat(hours: pd.DataFrame) -> alt.Chart:
    """A cell for each row of `hours` (day, hour, number)."""
    chart: alt.Chart = (
        alt.Chart(hours)
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="Hour", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("day:O", title=None, sort=list(hours["day"].unique())),
            color=alt.Color("number:Q", title="Tickets", scale=alt.Scale(scheme="blues")),
            tooltip=["day", "hour", alt.Tooltip("number:Q", title="Tickets", format=",")],
        )
        .properties(height=220)
    )
    return chart


def matrix(cells: pd.DataFrame) -> alt.Chart:
    """A cell for each row of `cells` (suggested, became, number): the confusion matrix."""
    shown = cells.assign(suggested=cells["suggested"].map(label), became=cells["became"].map(label))
    chart: alt.Chart = (
        alt.Chart(shown)
        .mark_rect()
        .encode(
            x=alt.X("became:N", title="Category now", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("suggested:N", title="Suggested"),
            color=alt.Color("number:Q", title="Tickets", scale=alt.Scale(scheme="blues")),
            tooltip=["suggested", "became", alt.Tooltip("number:Q", title="Tickets", format=",")],
        )
        .properties(height=200)
    )
    return chart
