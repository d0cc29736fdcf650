"""The first figures of a period, each beside the equally long one before, with the way to its tickets."""

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from ticketcore import reports
from ticketcore.due import due_in
from ticketcore.models import Priority
from ticketcore.ui import links
from ticketcore.ui.marks import FEW, Shown, share
from ticketcore.ui.meanings import MEANINGS

Better = Literal["more", "less", "neither"]
COLOURS: dict[Better, Literal["normal", "inverse", "off"]] = {"more": "normal", "less": "inverse", "neither": "off"}
"""How a change is coloured, by what is better."""


def draw(figures: Shown) -> None:
    """Draws them."""
    now, before = figures.review.now, figures.review.before
    flowed, period, matching = figures.review.flow, figures.period, figures.matching
    met, due = _summed(now.promises)
    suggested, same, _ = now.suggestions.all()
    created, resolved = (of(matching, period) for of in (reports.created_in, reports.resolved_in))
    with st.grid(4, min_column_width=150):
        _metric("Created", now.created, before.created, "neither", figures.link(created, now.created))
        _metric("Resolved", now.resolved, before.resolved, "more", figures.link(resolved, now.resolved))
        backlog = flowed.backlog[-1]
        there = figures.link(matching.behind_figure(unsettled_at=period.end), backlog)
        _metric("Backlog", backlog, flowed.backlog_before, "less", there)
        in_time = figures.link(due_in(matching, period, figures.targets, target_met=True), met)
        _metric("Target met", share(met, due), share(*_summed(before.promises)), "more", in_time, " %", due, met)
        done = figures.link(resolved, now.resolved)
        one, earlier = now.resolution[None], before.resolution[None]
        _metric("Time to resolution", one.p50, earlier.p50, "less", done, " h", one.number)
        _metric("Ninth decile", one.p90, earlier.p90, "less", done, " h", one.number)
        one, earlier = now.response[None], before.response[None]
        responded = figures.link(reports.created_in(matching, period, responded=True), one.number)
        _metric("First response", one.p50, earlier.p50, "less", responded, " h", one.number)
        as_suggested = figures.link(reports.created_in(matching, period, category_kept=True), same)
        had, kept, _ = before.suggestions.all()
        _metric("Category kept", share(same, suggested), share(kept, had), "more", as_suggested, " %", suggested, same)


def _summed(promises: Mapping[Priority, reports.Promise]) -> tuple[int, int]:
    return sum(one.met for one in promises.values()), sum(one.due for one in promises.values())


_MEANT = {"Ninth decile": "Time to resolution", "Category kept": "Suggestions kept"}


def _metric(
    name: str, now: float | None, earlier: float | None, better: Better, link: str | None, unit: str = "",
    behind: int | None = None, part: int | None = None,
) -> None:  # fmt: skip
    """A figure, its change, and the way to its tickets: to `part` of those that stand `behind` a share, or to all."""
    places = 1 if unit else 0
    few = "" if behind is None or behind >= FEW else f" · only {behind}"
    than = "the beginning of the period" if name == "Backlog" else "the equally long period before"
    with st.container(border=True, gap="xxsmall", height="stretch"):
        st.metric(
            f"{name}{few}", "–" if now is None else f"{now:,.{places}f}{unit}",
            delta=None if now is None or earlier is None
            else f"{now - earlier:+,.{places}f}{unit.replace('%', 'points')}",
            delta_color=COLOURS[better], help=f"{MEANINGS[_MEANT.get(name, name)]} The change is against {than}.",
        )  # fmt: skip
        if link:
            number = behind if behind is not None else int(now or 0)
            words = f"{number:,} tickets" if part is None else f"{part:,} of {number:,}"
            links.go(words, link)
