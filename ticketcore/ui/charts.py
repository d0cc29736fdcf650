"""Charts: Vega-Lite specifications made by Altair, without the data, which the page hands over beside them.

A specification is made once and kept: to make one takes 20 ms, to draw another frame with it next to nothing. The theme
is the page's. Every mark has the link of its row; one whose row is not `whole` is pale.
"""

from functools import lru_cache
from typing import Any

import altair as alt

from ticketcore.ui.words import label

Spec = dict[str, Any]

_kept = lru_cache(maxsize=64)

_PALE = alt.condition("datum.whole", alt.value(1), alt.value(0.4))
_FIRST = alt.Tooltip("first:T", title="From", format="%A, %d %b %Y")
_TICKETS = alt.Tooltip("number:Q", title="Tickets", format=",")
_BUCKET = alt.X("yearmonthdate(first):O", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True))
_NUMBER = alt.Axis(tickMinStep=1, format=",d")
_LEAD: dict[str, Any] = {"cursor": "pointer"}


@_kept
def breakdown(values: tuple[str, ...], title: str, ink: str, colours: tuple[str, ...] | None) -> Spec:
    """A bar for each row (value, number, link), in the order of `values`; numbers are written in `ink`."""
    order = [label(value) for value in values]
    bars = alt.Chart().encode(
        y=alt.Y("value:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=200)),
        x=alt.X("number:Q", title=None, axis=None, scale=alt.Scale(range=[0, alt.expr("width - 60")])),  # for numbers
        href="link:N",
        tooltip=[alt.Tooltip("value:N", title=title), _TICKETS],
    )
    scale = alt.Scale(domain=order, range=list(colours)) if colours else alt.Undefined
    colour = alt.Color("value:N", scale=scale, legend=None) if colours else alt.Undefined
    return _spec(
        alt.layer(
            bars.mark_bar(cornerRadiusEnd=3, height={"band": 0.62}, **_LEAD).encode(color=colour),
            bars.mark_text(align="left", dx=5, color=ink).encode(text=alt.Text("number:Q", format=",")),
        ).properties(height=40 * len(order))
    )


@_kept
def flow() -> Spec:
    """A bar for each row (first, whole, what, number, link)."""
    return _spec(
        alt.Chart()
        .mark_bar(**_LEAD)
        .encode(
            x=_BUCKET,
            xOffset=alt.XOffset("what:N"),
            y=alt.Y("number:Q", title="Tickets", axis=_NUMBER),
            color=alt.Color("what:N", title=None, legend=alt.Legend(orient="top")),
            opacity=_PALE,
            href="link:N",
            tooltip=[_FIRST, alt.Tooltip("what:N", title="What"), _TICKETS],
        )
        .properties(height=240)
    )


@_kept
def backlog() -> Spec:
    """A line through the rows (first, whole, number, link); its points lead to the tickets."""
    line = alt.Chart().encode(
        x=_BUCKET, y=alt.Y("number:Q", title="Tickets", scale=alt.Scale(zero=False), axis=_NUMBER)
    )
    points = line.mark_point(filled=True, size=60, **_LEAD).encode(
        opacity=_PALE, href="link:N", tooltip=[_FIRST, alt.Tooltip("number:Q", title="Backlog at its end", format=",")]
    )
    return _spec(alt.layer(line.mark_line(), points).properties(height=180))


@_kept
def spreads(values: tuple[str, ...], *, is_empty: bool) -> Spec:
    """For each row (by, value, p50, p90, number, link, whole), in the order of `values`, a bar up to the median and a
    tick at the ninth decile, in hours."""
    lead = {**_LEAD, "aria": False} if is_empty else _LEAD  # else a screen reader meets marks that have no name
    bars = alt.Chart().encode(
        y=alt.Y("value:N", sort=list(values), title=None, axis=alt.Axis(ticks=False, domain=False)),
        color=alt.Color("by:N", legend=None),
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
    return _spec(
        alt.layer(
            bars.mark_bar(height={"band": 0.62}, **lead).encode(x=hours),
            bars.mark_tick(thickness=3, height=16, **lead).encode(x="p90:Q"),
        ).properties(height=30 * len(values) + 40)
    )


@_kept
def heat(days: tuple[str, ...]) -> Spec:
    """A cell for each row (day, hour, number, link), the days in their order."""
    return _spec(
        alt.Chart()
        .mark_rect(**_LEAD)
        .encode(
            x=alt.X("hour:O", title="Hour", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("day:O", title=None, sort=list(days)),
            color=alt.Color("number:Q", title="Tickets"),
            href="link:N",
            tooltip=[alt.Tooltip("day:O", title="Day"), alt.Tooltip("hour:O", title="Hour"), _TICKETS],
        )
        .properties(height=220)
    )


@_kept
def kept() -> Spec:
    """A line for each source and what was kept, through the rows (first, source, what, kept, number, share, link,
    whole)."""
    lines = alt.Chart().encode(
        x=_BUCKET,
        y=alt.Y("share:Q", title="Kept, %", scale=alt.Scale(domain=[0, 100])),
        color=alt.Color("source:N", title=None, legend=alt.Legend(orient="top")),
        strokeDash=alt.StrokeDash("what:N", title=None, legend=alt.Legend(orient="top", symbolStrokeColor="gray")),
    )
    points = lines.mark_point(filled=True, size=50, **_LEAD).encode(
        opacity=_PALE,
        href="link:N",
        tooltip=[
            _FIRST, alt.Tooltip("source:N", title="Source"), alt.Tooltip("what:N", title="What"),
            alt.Tooltip("kept:Q", title="Kept", format=","), alt.Tooltip("number:Q", title="Suggested", format=","),
            alt.Tooltip("share:Q", title="Share, %", format=".0f"),
        ],
    )  # fmt: skip
    return _spec(alt.layer(lines.mark_line(), points).properties(height=220))


@_kept
def matrix(ink: str) -> Spec:
    """A cell for each row (suggested, became, number, link): the confusion matrix."""
    chart = alt.Chart().encode(
        x=alt.X("became:N", title="Category now", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("suggested:N", title="Suggested"),
        href="link:N",
        tooltip=[
            alt.Tooltip("suggested:N", title="Suggested"), alt.Tooltip("became:N", title="Category now"), _TICKETS,
        ],
    )  # fmt: skip
    return _spec(
        alt.layer(
            chart.mark_rect(opacity=0.55, **_LEAD).encode(color=alt.Color("number:Q", title="Tickets", legend=None)),
            chart.mark_text(color=ink).encode(text=alt.Text("number:Q", format=",")),
        ).properties(height=200)
    )


_NOT_OURS = ("$schema", "config", "data", "datasets")
"""What Streamlit brings itself; Altair puts an empty table where it is given none."""


def _spec(chart: alt.Chart | alt.LayerChart | alt.FacetChart) -> Spec:
    found: Spec = {key: value for key, value in chart.to_dict().items() if key not in _NOT_OURS}
    if "layer" in found:
        found["layer"] = [{key: value for key, value in layer.items() if key != "data"} for layer in found["layer"]]
    return found
