"""Charts: pure functions from a DataFrame to an Altair chart. The theme is the page's."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from ticketcore.ui.words import label


def breakdown(
    counts: pd.DataFrame, *, title: str, ink: str, colours: Mapping[Any, str] | None = None
) -> alt.LayerChart | alt.FacetChart:
    """A bar for each row of `counts` (value, number, link), in their order; numbers are written in `ink`."""
    order = [label(value) for value in counts["value"]]
    bars = alt.Chart(counts.assign(value=order)).encode(
        href="link:N",
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
        bars.mark_bar(cornerRadiusEnd=3, height={"band": 0.62}, cursor="pointer").encode(color=colour),
        bars.mark_text(align="left", dx=5, color=ink).encode(text=alt.Text("number:Q", format=",")),
    ).properties(height=40 * len(order))


def flow(buckets: pd.DataFrame) -> alt.Chart:
    """A bar for each row of `buckets` (first, whole, what, number, link); pale where a bucket is not whole."""
    chart: alt.Chart = (
        alt.Chart(buckets.assign(first=pd.to_datetime(buckets["first"])))
        .mark_bar(cursor="pointer")
        .encode(
            x=alt.X("yearmonthdate(first):O", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True)),
            xOffset=alt.XOffset("what:N"),
            y=alt.Y("number:Q", title="Tickets", axis=alt.Axis(tickMinStep=1, format=",d")),
            color=alt.Color("what:N", title=None, legend=alt.Legend(orient="top")),
            opacity=_PALE,
            href="link:N",
            tooltip=[_FIRST, alt.Tooltip("what:N", title="What"), _TICKETS],
        )
        .properties(height=240)
    )
    return chart


def backlog(buckets: pd.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """A line through the rows of `buckets` (first, whole, number, link); its points lead to the tickets."""
    line = alt.Chart(buckets.assign(first=pd.to_datetime(buckets["first"]))).encode(
        x=alt.X("yearmonthdate(first):O", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True)),
        y=alt.Y("number:Q", title="Tickets", scale=alt.Scale(zero=False), axis=alt.Axis(tickMinStep=1, format=",d")),
    )
    points = line.mark_point(filled=True, size=60, cursor="pointer").encode(
        opacity=_PALE, href="link:N", tooltip=[_FIRST, alt.Tooltip("number:Q", title="Backlog at its end", format=",")]
    )
    return alt.layer(line.mark_line(), points).properties(height=180)


def spreads(values: pd.DataFrame, *, few: int) -> alt.LayerChart | alt.FacetChart:
    """For each row of `values` (by, value, p50, p90, number, link) a bar up to the median and a tick at the ninth
    decile, in hours; pale where fewer than `few` tickets stand behind it."""
    order = list(values["value"])
    bars = alt.Chart(values.assign(whole=values["number"] >= few)).encode(
        y=alt.Y("value:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False)),
        opacity=_PALE,
        href="link:N",
        tooltip=[
            alt.Tooltip("value:N", title="Of"),
            alt.Tooltip("p50:Q", title="Median, hours", format=",.1f"),
            alt.Tooltip("p90:Q", title="Ninth decile, hours", format=",.1f"),
            _TICKETS,
        ],
    )
    hours = alt.X("p50:Q", title="Hours: median (bar), ninth decile (line)")
    return alt.layer(
        bars.mark_bar(height={"band": 0.62}, cursor="pointer").encode(x=hours, color=alt.Color("by:N", legend=None)),
        bars.mark_tick(thickness=3, height=16).encode(x="p90:Q", color=alt.Color("by:N", legend=None)),
    ).properties(height=30 * len(order) + 40)


def heat(hours: pd.DataFrame) -> alt.Chart:
    """A cell for each row of `hours` (day, hour, number, link)."""
    chart: alt.Chart = (
        alt.Chart(hours)
        .mark_rect(cursor="pointer")
        .encode(
            x=alt.X("hour:O", title="Hour", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("day:O", title=None, sort=list(hours["day"].unique())),
            color=alt.Color("number:Q", title="Tickets"),
            href="link:N",
            tooltip=["day", "hour", _TICKETS],
        )
        .properties(height=220)
    )
    return chart


def kept(shares: pd.DataFrame, *, few: int) -> alt.LayerChart | alt.FacetChart:
    """A line for each source and what was kept, through the rows of `shares` (first, source, what, kept, number, share,
    link); pale where fewer than `few` tickets had a suggestion."""
    lines = alt.Chart(shares.assign(first=pd.to_datetime(shares["first"]), whole=shares["number"] >= few)).encode(
        x=alt.X("yearmonthdate(first):O", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True)),
        y=alt.Y("share:Q", title="Kept, %", scale=alt.Scale(domain=[0, 100])),
        color=alt.Color("source:N", title=None, legend=alt.Legend(orient="top")),
        strokeDash=alt.StrokeDash("what:N", title=None, legend=alt.Legend(orient="top")),
    )
    points = lines.mark_point(filled=True, size=50, cursor="pointer").encode(
        opacity=_PALE,
        href="link:N",
        shape=alt.Shape("what:N", title=None),
        tooltip=[
            _FIRST, alt.Tooltip("source:N", title="Source"), alt.Tooltip("what:N", title="What"),
            alt.Tooltip("kept:Q", title="Kept", format=","), alt.Tooltip("number:Q", title="Suggested", format=","),
            alt.Tooltip("share:Q", title="Share, %", format=".0f"),
        ],
    )  # fmt: skip
    return alt.layer(lines.mark_line(), points).properties(height=220)


def matrix(cells: pd.DataFrame, *, ink: str) -> alt.LayerChart | alt.FacetChart:
    """A cell for each row of `cells` (suggested, became, number, link): the confusion matrix."""
    chart = alt.Chart(cells).encode(
        x=alt.X("became:N", title="Category now", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("suggested:N", title="Suggested"),
        href="link:N",
        tooltip=["suggested", "became", _TICKETS],
    )
    return alt.layer(
        chart.mark_rect(opacity=0.55, cursor="pointer").encode(
            color=alt.Color("number:Q", title="Tickets", legend=None)
        ),
        chart.mark_text(color=ink).encode(text=alt.Text("number:Q", format=",")),
    ).properties(height=200)


_PALE = alt.condition("datum.whole", alt.value(1), alt.value(0.4))
_FIRST = alt.Tooltip("first:T", title="From", format="%A, %d %b %Y")
_TICKETS = alt.Tooltip("number:Q", title="Tickets", format=",")
