"""What happened in a period: the lower part of the stats page, kept for each filter, period and version as it holds."""

import itertools
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import streamlit as st

from ticketcore.desk import Seat
from ticketcore.errors import TicketDeskError
from ticketcore.filters import TicketFilter
from ticketcore.models import Priority
from ticketcore.period import Period, Unit
from ticketcore.ui import changes, charts, links, loaders, marks, me, pages, tables
from ticketcore.ui.following import draw_anew
from ticketcore.ui.marks import FEW, Shown, share
from ticketcore.ui.meanings import MEANINGS
from ticketcore.ui.words import INKS, label, plain

FRESH, YOUNG = timedelta(minutes=5), timedelta(minutes=1)
"""How long figures hold where nobody changes anything, at the most and at the least: what is due changes by itself."""


def _hold(figures: Shown | None) -> bool:
    if figures is None:
        return True
    due = min((due for *_, due in figures.review.next_due), default=figures.period.now + FRESH)
    return datetime.now(UTC) < figures.period.now + max(YOUNG, min(FRESH, due - figures.period.now))


@dataclass
class Ahead:
    """What is counted ahead, and why it failed."""

    error: TicketDeskError | None = None


def ahead(matching: TicketFilter, first: date, last: date, unit: Unit, at: str) -> Ahead:
    """Has the figures counted that `shown` will be asked for while the page is drawn as far as it can be without them.

    Where the desk counts by itself, nothing would be won: its process computes on one processor at a time.
    """
    seat, coming = me.desk(), Ahead()
    if seat.helper.is_there and _counting.acquire(blocking=False):
        of = (matching, first, last, unit, at, seat, coming)
        threading.Thread(target=_count, args=of, daemon=True).start()
    return coming


_counting = threading.BoundedSemaphore(16)
"""Of all that are counted ahead; who comes when there are many waits for others anyway."""


def _count(*of: Any) -> None:
    try:
        with suppress(TicketDeskError):  # `shown` says so
            _shown(*of)
    finally:
        _counting.release()


# As they are and not as a copy for each who asks: nobody changes them. Kept twice, because what is counted ahead has no
# page on which it could say so.
@st.cache_resource(max_entries=24, show_spinner="Counting …", hash_funcs=loaders.FILTER_KEY, validate=_hold)
def shown(matching: TicketFilter, first: date, last: date, unit: Unit, at: str, _ahead: Ahead) -> Shown | None:
    """The figures of the period from `first` to `last`, as of version `at`; None if it has not begun.

    Raises:
        DatabaseUnavailable: the database is away, or too many others ask; now or when they were counted ahead.
    """
    return _shown(matching, first, last, unit, at, me.desk(), _ahead)


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs=loaders.FILTER_KEY, validate=_hold)
def _shown(
    matching: TicketFilter, first: date, last: date, unit: Unit, at: str, _seat: Seat, _ahead: Ahead
) -> Shown | None:  # fmt: skip
    if _ahead.error:  # to try again would take as long
        raise _ahead.error
    hours = {Priority(name): hours for name, hours in _seat.settings.target_hours.items()}
    targets = {priority: timedelta(hours=hours[priority]) for priority in Priority if priority in hours}
    period = Period(first, last, _seat.settings.timezone, datetime.now(UTC))
    if not period.buckets(unit):
        return None
    try:
        return _seat.helper.ask(loaders.snapshot(at), marks.shown, matching, period, unit, targets)
    except TicketDeskError as error:
        _ahead.error = error
        raise


def draw(figures: Shown | None, unit: Unit, at: str, theme: str) -> None:
    """Everything about the period beside the equally long one before, as of version `at`."""
    if figures is None:
        st.caption("This period has not begun.")
        return
    period = figures.period
    of = f"{figures.matching.model_dump_json()} {period.first} {period.last} {unit} {at} {period.now}"
    _drawn("above", of, theme, figures)
    left, right = st.columns(2)  # two stacks of cards, each as high as it is
    with left:
        _drawn("left", of, theme, figures)
    with right:
        _next_due(figures, at)
        _drawn("right", of, theme, figures)


@st.cache_data(max_entries=72, show_spinner=False)
def _drawn(part: str, of: str, theme: str, _figures: Shown) -> None:
    """A part of the figures: `of` tells them from any others."""
    match part:
        case "above":
            changes.draw(_figures)
            _flow(_figures)
        case "left":
            _ageing(_figures)
            _spreads("Time to resolution", _figures.resolution)
            _arrivals(_figures)
            _suggestions(_figures, INKS[theme])
        case "right":
            _promises(_figures)
            _spreads("First response", _figures.response)
            _work(_figures)


def _flow(figures: Shown) -> None:
    with st.container(border=True):
        _title("Created", f"Created and resolved ({figures.period.timezone.key})", "Resolved", "Unfinished")
        flowed = figures.review.flow
        heard = f"Created and resolved: {sum(flowed.created):,} created, {sum(flowed.resolved):,} resolved"
        st.vega_lite_chart(figures.flow, charts.flow(), alt=heard)
        _title("Backlog", "Backlog", "Unfinished")
        heard = f"Backlog: from {flowed.backlog_before:,} to {flowed.backlog[-1]:,}"
        st.vega_lite_chart(figures.backlog, charts.backlog(), alt=heard)


def _arrivals(figures: Shown) -> None:
    with st.container(border=True):
        _title("When tickets arrive", f"When tickets arrive ({figures.period.timezone.key})")
        arrivals = figures.arrivals
        spec = charts.heat(tuple(dict.fromkeys(arrivals["day"].to_pylist())))
        st.vega_lite_chart(arrivals, spec, alt="When tickets arrive: weekday by hour")


def _title(meaning: str, title: str, *more: str) -> None:
    st.markdown(f"**{title}**", help="  \n".join(MEANINGS[name] for name in (meaning, *more)))


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
        if not any(one.number for one in rows):
            return
        oldest = links.address(figures.unsettled(), figures.period.timezone)
        links.go("The oldest open tickets first", f"{oldest}&sort=Oldest+first")


@st.fragment(run_every=60)
def _next_due(figures: Shown, at: str) -> None:
    """Draws itself anew while nothing changes but the time, and the page once its figures hold no longer."""
    me.leave_if_over()
    if not _hold(figures):
        draw_anew("stats_at", at)
    now = datetime.now(UTC)
    coming = [one for one in figures.review.next_due if one[-1] > now]
    with st.container(border=True):
        _title("Will miss their target next", "Will miss their target next")
        if not coming:
            st.caption("No open ticket is still within its target.")
        for number, title, priority, due in coming:
            left = due - now
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
