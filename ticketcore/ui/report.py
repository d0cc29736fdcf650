"""What happened in a period: the lower part of the stats page, drawn once for each filter, period and version."""

import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import pyarrow as pa
import streamlit as st

from ticketcore import reports
from ticketcore.due import due_in
from ticketcore.filters import TicketFilter
from ticketcore.models import Priority
from ticketcore.period import Period, Unit
from ticketcore.ui import charts, links, loaders, marks, me, pages, tables
from ticketcore.ui.marks import FEW, Shown, kept, share
from ticketcore.ui.meanings import MEANINGS
from ticketcore.ui.words import INKS, label, plain

Better = Literal["more", "less", "neither"]
COLOURS: dict[Better, Literal["normal", "inverse", "off"]] = {"more": "normal", "less": "inverse", "neither": "off"}
"""How a change is coloured, by what is better."""


# As they are and not as a copy for each who asks: nobody changes them.
@st.cache_resource(max_entries=24, show_spinner="Counting …", hash_funcs=loaders.FILTER_KEY)
def shown(matching: TicketFilter, first: date, last: date, unit: Unit, at: str) -> Shown | None:
    """The figures of the period from `first` to `last`, as of version `at`; None if it has not begun."""
    running = me.desk()
    hours = {Priority(name): hours for name, hours in running.settings.target_hours.items()}
    targets = {priority: timedelta(hours=hours[priority]) for priority in Priority if priority in hours}
    period = Period(first, last, running.settings.timezone, datetime.now(UTC))
    if not period.buckets(unit):
        return None
    return running.helper.ask(marks.shown, matching, period, unit, targets)


@st.cache_data(max_entries=24, show_spinner=False, hash_funcs=loaders.FILTER_KEY)
def draw(matching: TicketFilter, first: date, last: date, unit: Unit, at: str, theme: str) -> None:
    """Everything about the period beside the equally long one before, as of version `at`."""
    figures = shown(matching, first, last, unit, at)
    if figures is None:
        st.caption("This period has not begun.")
        return
    zone = figures.period.timezone
    _metrics(figures)
    with st.container(border=True):
        _title("Created", f"Created and resolved ({zone.key})", "Resolved", "Unfinished")
        flowed = figures.review.flow
        heard = f"Created and resolved: {sum(flowed.created):,} created, {sum(flowed.resolved):,} resolved"
        st.vega_lite_chart(figures.flow, charts.flow(), alt=heard)
        _title("Backlog", "Backlog", "Unfinished")
        heard = f"Backlog: from {flowed.backlog_before:,} to {flowed.backlog[-1]:,}"
        st.vega_lite_chart(figures.backlog, charts.backlog(), alt=heard)
    left, right = st.columns(2)  # two stacks of cards, each as high as it is
    with left:
        _ageing(figures)
        _spreads("Time to resolution", figures.resolution)
        with st.container(border=True):
            _title("When tickets arrive", f"When tickets arrive ({zone.key})")
            arrivals = figures.arrivals
            spec = charts.heat(tuple(dict.fromkeys(arrivals["day"].to_pylist())))
            st.vega_lite_chart(arrivals, spec, alt="When tickets arrive: weekday by hour")
        _suggestions(figures, INKS[theme])
    with right:
        _next_due(figures)
        _promises(figures)
        _spreads("First response", figures.response)
        _work(figures)


def _title(meaning: str, title: str, *more: str) -> None:
    st.markdown(f"**{title}**", help="  \n".join(MEANINGS[name] for name in (meaning, *more)))


def _metrics(figures: Shown) -> None:
    now, before = figures.review.now, figures.review.before
    flowed, period, matching = figures.review.flow, figures.period, figures.matching
    met, due = _summed(now.promises)
    same, suggested = kept(now.suggestions)
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
        earlier_share = share(*kept(before.suggestions))
        _metric("Category kept", share(same, suggested), earlier_share, "more", as_suggested, " %", suggested, same)


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
    with st.container(border=True, gap="xxsmall"):
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


def _hours(hours: float | None, behind: int = FEW) -> str:
    return "–" if hours is None else f"{hours:,.1f}" + (" (few)" if behind < FEW else "")


def _spreads(name: str, spread: pa.Table) -> None:
    with st.container(border=True):
        _title(name, f"{name}, hours", "Few", "The period before")
        rows = list(tables.rows(spread))
        heard = ", ".join(f"{one.value} {_hours(one.p50, one.number)}" for one in rows)
        st.vega_lite_chart(
            spread,
            charts.spreads(tuple(one.value for one in rows), is_empty=not any(one.number for one in rows)),
            alt=f"{name}, median hours: {heard}",
        )
        tables.show(
            ("", "Median", "Before", "Ninth decile", "Tickets"),
            [(one.value, _hours(one.p50, one.number), _hours(one.before), _hours(one.p90, one.number),
              (f"{one.number:,}", one.link)) for one in rows],
        )  # fmt: skip


def _promises(figures: Shown) -> None:
    with st.container(border=True):
        _title("Target met", "Target met", "Few", "The period before")
        tables.show(
            ("", "Hours", "Due", "Met", "Missed", "Share", "Before"),
            [(one.priority, f"{one.hours:g}", (f"{one.due:,}", one.due_link), (f"{one.met:,}", one.met_link),
              (f"{one.missed:,}", one.missed_link), _percent(one.share, one.due), _percent(one.before))
             for one in tables.rows(figures.promises)],
        )  # fmt: skip


def _work(figures: Shown) -> None:
    with st.container(border=True):
        _title("By agent", "By agent", "Few", "The period before")
        tables.show(
            ("Assignee", "Open", "Resolved", "Before", "Median hours", "Before"),
            [(one.assignee, (f"{one.unsettled:,}", one.unsettled_link), (f"{one.resolved:,}", one.resolved_link),
              f"{one.resolved_before:,}", _hours(one.p50, one.resolved), _hours(one.p50_before))
             for one in tables.rows(figures.work)],
        )  # fmt: skip


def _percent(part: float | None, behind: int = FEW) -> str:
    return "–" if part is None else f"{part:.0f} %" + (" (few)" if behind < FEW else "")


def _ageing(figures: Shown) -> None:
    rows = list(tables.rows(figures.ages))
    priorities = dict.fromkeys(one.priority for one in rows)
    with st.container(border=True):
        _title("Open now, by age", "Open now, by age and priority")
        tables.show(
            ("Age", *priorities),
            [(str(age), *((f"{one.number:,}", one.link) for one in group))
             for age, group in itertools.groupby(rows, lambda one: one.age)],
        )  # fmt: skip
        oldest = links.address(figures.unsettled(), figures.period.timezone)
        links.go("The oldest open tickets first", f"{oldest}&sort=Oldest+first")


def _next_due(figures: Shown) -> None:
    with st.container(border=True):
        _title("Will miss their target next", "Will miss their target next")
        if not figures.review.next_due:
            st.caption("No open ticket is still within its target.")
        for number, title, priority, due in figures.review.next_due:
            left = due - figures.period.now
            hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
            st.page_link(
                pages.page("ticket"), query_params={"id": str(number)},
                label=f"In {hours} h {minutes} min · {label(priority)} · #{number} {plain(title)}",
            )  # fmt: skip


def _suggestions(figures: Shown, ink: str) -> None:
    with st.container(border=True):
        _title("Suggestions kept", "Suggestions kept", "Few")
        by_source = figures.suggestions
        if not by_source.num_rows:
            st.caption("Nothing was suggested in this period.")
            return
        tables.show(
            ("Source", "Tickets", "Category kept", "Before", "Priority kept", "Before"),
            [(one.source, (f"{one.number:,}", one.number_link),
              (_percent(share(one.category_kept, one.number), one.number), one.category_kept_link),
              _percent(one.category_before),
              (_percent(share(one.priority_kept, one.number), one.number), one.priority_kept_link),
              _percent(one.priority_before)) for one in tables.rows(by_source)],
        )  # fmt: skip
        st.vega_lite_chart(figures.suggestions_over_time, charts.kept(), alt="Suggestions kept over time")
        st.vega_lite_chart(figures.confusion, charts.matrix(ink), alt="Suggested category by category now")
