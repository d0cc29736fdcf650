"""What happened in a period: the lower part of the stats page, drawn once for each filter, period and version."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from ticketcore import desk, flow, reports
from ticketcore.filters import TicketFilter
from ticketcore.models import Category, Priority
from ticketcore.period import Period, Unit
from ticketcore.review import Review, review
from ticketcore.ui import charts, loaders
from ticketcore.ui.words import label, plain

FEW = 20
"""Below so many tickets a median or a share says little, and is marked."""

MEANINGS = {
    "Created": "Tickets created in the period.",
    "Resolved": "Tickets that last became resolved or closed in the period; one that was reopened and is open is none.",
    "Backlog": "Tickets neither resolved nor closed at the end of the period, from the history.",
    "Time to resolution": "Median hours from creation to the last time a ticket became resolved or closed, of those "
    "for which that lies in the period.",
    "Ninth decile": "Nine of ten of these were resolved within so many hours.",
    "First response": "Median hours from creation to the first note or change of status by an agent, of tickets "
    "created in the period that had one.",
    "Target met": "Of the tickets whose target time ended in the period, the share that was settled by then.",
    "Category kept": "Of the tickets created in the period with a suggestion, the share whose category is the "
    "suggested one.",
}


def span(first: date, last: date) -> Unit:
    """How finely a period is drawn."""
    days = (last - first).days
    return Unit.DAY if days <= 62 else Unit.WEEK if days <= 370 else Unit.MONTH


@st.cache_data(max_entries=64, show_spinner="Counting …", hash_funcs=loaders.FILTER_KEY)
def draw(matching: TicketFilter, first: date, last: date, zone: str, at: str, theme: str) -> None:
    """Everything about the period from `first` to `last` beside the equally long one before, as of version `at`."""
    targets = _targets()
    period = Period(first, last, ZoneInfo(zone), datetime.now(UTC))
    if not period.buckets(Unit.MONTH):
        st.caption("This period has not begun.")
        return
    found = review(desk.current().db, matching, period, span(first, last), targets)
    flowed = found.flow
    _metrics(found)
    with st.container(border=True):
        st.markdown(f"**Created and resolved** ({zone}; pale: not a whole {span(first, last)})")
        heard = f"Created and resolved: {sum(flowed.created):,} created, {sum(flowed.resolved):,} resolved"
        st.altair_chart(charts.flow(_flow_frame(flowed)), alt=heard)
        st.markdown("**Backlog**")
        st.altair_chart(
            charts.backlog(_flow_frame(flowed)),
            alt=f"Backlog: from {flowed.backlog_before:,} to {flowed.backlog[-1]:,}",
        )
    with st.grid(2, min_column_width=420):
        _table("Time to resolution, hours", {value: spread for value, spread in found.now.resolution.items() if value})
        with st.container(border=True):
            st.markdown("**Target met**")
            rows = [(label(p), f"{targets[p] / timedelta(hours=1):g}", one.due, one.met, _share(one.met, one.due))
                    for p, one in reversed(found.now.promises.items())]  # fmt: skip
            st.dataframe(pd.DataFrame(rows, columns=["Priority", "Hours", "Due", "Met", "Share"]), hide_index=True)
            _table(
                "First response, hours",
                {value: spread for value, spread in found.now.response.items() if value},
                border=False,
            )
        _ageing(found)
        _next_due(found, period.now)
        with st.container(border=True):
            st.markdown(f"**When tickets arrive** ({zone})")
            st.altair_chart(charts.heat(_arrivals(found.arrivals)), alt="Weekday by hour")
        with st.container(border=True):
            st.markdown("**By agent**")
            busy = [(one.assignee, one.unsettled, one.resolved, one.p50) for one in found.work]
            frame = pd.DataFrame(busy, columns=["Assignee", "Open", "Resolved", "Median hours"])
            st.dataframe(frame.round(1), hide_index=True)
        _suggestions(found.now.suggestions)


def _targets() -> dict[Priority, timedelta]:
    hours = {Priority(name): hours for name, hours in desk.current().settings.target_hours.items()}
    return {priority: timedelta(hours=hours[priority]) for priority in Priority if priority in hours}


def _metrics(found: Review) -> None:
    now, before = found.now, found.before
    met, due = _summed(now.promises)
    kept = _kept(now.suggestions)
    with st.grid(4, min_column_width=150):
        _metric("Created", now.created, before.created, better="neither")
        _metric("Resolved", now.resolved, before.resolved, better="more")
        _metric("Backlog", found.flow.backlog[-1], found.flow.backlog_before, better="less")
        _metric(
            "Target met", _percent(met, due), _percent(*_summed(before.promises)), better="more", unit=" %", behind=due
        )
        spread, earlier = now.resolution[None], before.resolution[None]
        _metric("Time to resolution", spread.p50, earlier.p50, better="less", unit=" h", behind=spread.number)
        _metric("Ninth decile", spread.p90, earlier.p90, better="less", unit=" h", behind=spread.number)
        spread, earlier = now.response[None], before.response[None]
        _metric("First response", spread.p50, earlier.p50, better="less", unit=" h", behind=spread.number)
        share, share_before = _percent(*kept), _percent(*_kept(before.suggestions))
        _metric("Category kept", share, share_before, better="more", unit=" %", behind=kept[1])


def _summed(promises: Mapping[Priority, reports.Promise]) -> tuple[int, int]:
    return sum(one.met for one in promises.values()), sum(one.due for one in promises.values())


def _metric(
    name: str, now: float | None, earlier: float | None, *, better: str, unit: str = "", behind: int | None = None
) -> None:
    places = 1 if unit else 0
    few = "" if behind is None or behind >= FEW else f" · only {behind}"
    than = "its beginning" if name == "Backlog" else "the equally long period before"
    st.metric(
        f"{name}{few}", "–" if now is None else f"{now:,.{places}f}{unit}", border=True,
        delta=None if now is None or earlier is None else f"{now - earlier:+,.{places}f}{unit.replace('%', 'points')}",
        delta_color=COLOURS[better], help=f"{MEANINGS[name]} The change is against {than}.",
    )  # fmt: skip


COLOURS: dict[str, Literal["normal", "inverse", "off"]] = {"more": "normal", "less": "inverse", "neither": "off"}
"""How a change is coloured, by what is better."""


def _kept(suggested: reports.Suggested) -> tuple[int, int]:
    cells = [(cell, number) for found in suggested.values() for cell, number in found.items()]
    return sum(number for (was, now, _), number in cells if was == now), sum(number for _, number in cells)


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _share(part: int, whole: int) -> str:
    return "–" if not whole else f"{100 * part / whole:.0f} %" + (" (few)" if whole < FEW else "")


def _flow_frame(flowed: flow.Flow) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "first": pd.to_datetime([bucket.first for bucket in flowed.buckets]),
            "Created": flowed.created, "Resolved": flowed.resolved, "Backlog": flowed.backlog,
            "whole": [bucket.is_whole for bucket in flowed.buckets],
        }
    )  # fmt: skip


def _table(title: str, spreads: Mapping[Priority | Category, reports.Spread], *, border: bool = True) -> None:
    rows = [
        (label(value), one.p50, one.p90, f"{one.number:,}" + (" (few)" if 0 < one.number < FEW else ""))
        for value, one in spreads.items()
    ]
    with st.container(border=border):
        st.markdown(f"**{title}**")
        st.dataframe(pd.DataFrame(rows, columns=["", "Median", "Ninth decile", "Tickets"]).round(1), hide_index=True)


def _ageing(found: Review) -> None:
    ends = [f"up to {reports.AGES[0]} day", *(f"up to {days} days" for days in reports.AGES[1:])]
    names = [*ends, f"over {reports.AGES[-1]} days"]
    rows = [
        {"Age": name, **{label(priority): found.ageing[place, priority] for priority in reversed(Priority)}}
        for place, name in reversed(list(enumerate(names)))
    ]
    with st.container(border=True):
        st.markdown("**Open now, by age and priority**")
        st.dataframe(pd.DataFrame(rows), hide_index=True)
        st.page_link(
            "browse.py", label="The oldest open tickets first", icon=":material/inbox:",
            query_params={"status": ["Open", "In progress"], "sort": "Oldest first"},
        )  # fmt: skip


def _next_due(found: Review, now: datetime) -> None:
    with st.container(border=True):
        st.markdown("**Will miss their target next**")
        if not found.next_due:
            st.caption("No open ticket is still within its target.")
        for number, title, priority, due in found.next_due:
            left = due - now
            hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
            st.page_link(
                "ticket.py", label=f"#{number} {plain(title)} · {label(priority)} · in {hours} h {minutes} min",
                query_params={"id": str(number)},
            )  # fmt: skip


def _arrivals(numbers: list[list[int]]) -> pd.DataFrame:
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    return pd.DataFrame(
        [(day, hour, number) for day, row in zip(days, numbers, strict=True) for hour, number in enumerate(row)],
        columns=["day", "hour", "number"],
    )


def _suggestions(suggested: reports.Suggested) -> None:
    with st.container(border=True):
        st.markdown("**Suggestions kept**")
        if not suggested:
            st.caption("Nothing was suggested in this period.")
            return
        rows = []
        for source, found in suggested.items():
            whole = sum(found.values())
            priority = sum(number for (_, _, kept), number in found.items() if kept)
            rows.append(
                (plain(source), f"{whole:,}", _share(_kept({source: found})[0], whole), _share(priority, whole))
            )
        st.dataframe(pd.DataFrame(rows, columns=["Source", "Tickets", "Category", "Priority"]), hide_index=True)
        cells = [(was, now, number) for found in suggested.values() for (was, now, _), number in found.items()]
        frame = pd.DataFrame(cells, columns=["suggested", "became", "number"]).groupby(["suggested", "became"]).sum()
        st.altair_chart(charts.matrix(frame.reset_index()), alt="Suggested category by category now")
