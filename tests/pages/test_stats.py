"""What leads look at: numbers that equal the database's, charts in a sensible order, and nothing drawn in vain."""

import io
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ZONE, Filing, Sql, change, charts, links, run, shows, visit
from ticketcore.ui import loaders, pages


@pytest.fixture
def some(sql: Sql) -> None:
    """300 tickets over 40 days with every combination of fields."""
    sql(
        "insert into tickets (title, description, category, priority, status, created_at)"
        " select 'T' || n, case when n % 7 = 0 then 'refund' else 'other' end,"
        " (enum_range(null::ticket_category))[1 + n * n % 4], (enum_range(null::ticket_priority))[1 + n / 3 % 4],"
        " (enum_range(null::ticket_status))[1 + n / 11 % 4], now() - n * interval '3 hours'"
        " from generate_series(1, 300) n"
    )


def test_two_who_look_at_the_same_page_have_a_page_each() -> None:
    """Streamlit notes on a page whether it may run: one that two visitors share would be refused to one of them."""
    assert not visit("stats.py").exception
    first, second = pages.page("stats"), pages.page("stats")
    assert (first.url_path, first.title) == (second.url_path, second.title) == ("stats", "Stats")
    first._can_be_called = True
    assert not second._can_be_called
    assert not pages.page("stats")._can_be_called


def figures(at: AppTest) -> dict[str, str]:
    """Those of all tickets that match; the figures of the period come after them."""
    return {metric.label: metric.value for metric in at.metric[:4]}


def bars(at: AppTest, title: str) -> list[tuple[str, int]]:
    """A chart's bars from top to bottom: name and number."""
    found = frame(at, title)
    return list(zip(found["value"], found["number"], strict=True))


def frame(at: AppTest, title: str) -> pd.DataFrame:
    """The rows that a chart draws."""
    (chart,) = [chart for chart in at.get("vega_lite_chart") if chart.proto.alt.startswith(title)]
    (data,) = [dataset.data.data for dataset in chart.proto.datasets] or [chart.proto.data.data]
    found: pd.DataFrame = pa.ipc.open_stream(io.BytesIO(data)).read_pandas()
    return found


def words(value: str) -> str:
    return value.replace("_", " ").capitalize()


def expected(sql: Sql, column: str, where: str = "true") -> dict[str, int]:
    rows = sql(
        f"select value::text, count(tickets.id) from unnest(enum_range(null::ticket_{column})) value"
        f" left join tickets on {column} = value and {where} group by value order by value"
    )
    return {words(value): number for value, number in rows}


def per_day(sql: Sql, where: str = "true") -> str:
    ((number,),) = sql(
        f"select to_char(round(count(*)::numeric / ((now() at time zone '{ZONE}')::date"
        f" - (min(created_at) at time zone '{ZONE}')::date + 1), 1), 'FM999990.0') from tickets where {where}"
    )
    return str(number)


def test_an_empty_desk_says_what_will_be_shown_and_offers_to_file_the_first_ticket() -> None:
    at = visit("stats.py")
    assert shows(at, "No tickets yet.")
    assert [label for label, _ in links(at)] == ["File the first ticket"]
    assert not at.metric
    assert not charts(at)


def test_the_figures_are_those_of_the_database(some: None, sql: Sql) -> None:
    status = expected(sql, "status")
    assert figures(visit("stats.py")) == {
        "Tickets": "300",
        "Open": str(status["Open"]),
        "In progress": str(status["In progress"]),
        "Average per day": per_day(sql),
    }


def test_the_charts_hold_the_database_s_numbers_for_every_value_with_zeros(file_ticket: Filing, sql: Sql) -> None:
    for category, priority in (("billing", "low"), ("billing", "critical"), ("account", "low")):
        file_ticket(category=category, priority=priority)
    at = visit("stats.py")
    assert dict(bars(at, "By category")) == expected(sql, "category") == {
        "Billing": 2, "Technical": 0, "Account": 1, "General": 0,
    }  # fmt: skip
    assert dict(bars(at, "By priority")) == expected(sql, "priority")
    assert dict(bars(at, "By status")) == expected(sql, "status")


def test_a_screen_reader_hears_the_numbers_of_the_charts(some: None, sql: Sql) -> None:
    for title in ("By category", "By priority", "By status"):
        (heard,) = [alt for alt in charts(visit("stats.py")) if alt.startswith(title)]
        assert all(f"{name} {number}" in heard for name, number in expected(sql, title.split()[1]).items())


def test_priorities_stand_in_the_order_of_severity_and_the_alarming_colour_belongs_to_the_critical(some: None) -> None:
    (spec,) = [spec for alt, spec in charts(visit("stats.py")).items() if alt.startswith("By priority")]
    order = ["Critical", "High", "Medium", "Low"]
    encodings = [layer["encoding"] for layer in spec["layer"]]
    assert [encoding["y"]["sort"] for encoding in encodings] == [order] * len(encodings)
    (scale,) = [encoding["color"]["scale"] for encoding in encodings if "color" in encoding]
    assert scale["domain"] == order
    warmth = [int(colour[1:3], 16) - int(colour[5:7], 16) for colour in scale["range"]]
    assert warmth == sorted(warmth, reverse=True) or warmth[0] > 0 > warmth[-1]
    assert len(set(scale["range"])) == 4


def test_the_numbers_in_the_charts_are_legible_in_either_theme(some: None) -> None:
    inks = {}
    for theme in ("light", "dark"):
        at = visit("stats.py")
        at.context = {"theme": theme}
        (spec,) = [spec for alt, spec in charts(run(at)).items() if alt.startswith("By status")]
        (inks[theme],) = {layer["mark"]["color"] for layer in spec["layer"] if layer["mark"]["type"] == "text"}
    red = {theme: int(ink[1:3], 16) for theme, ink in inks.items()}
    assert red["light"] < 0x60
    assert red["dark"] > 0xC0


def test_days_are_those_of_the_desk_and_days_without_a_ticket_are_there(file_ticket: Filing, sql: Sql) -> None:
    midnight = datetime.now(ZoneInfo(ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    for moment in (
        midnight - timedelta(days=3),
        midnight - timedelta(days=2, microseconds=1),
        midnight - timedelta(microseconds=1),
        midnight,
    ):
        file_ticket(created_at=moment.astimezone(UTC))
    at = visit("stats.py", period="All")
    today = midnight.date()
    created = frame(at, "Created and resolved").query("what == 'Created'")
    assert created["number"].tolist() == [2, 0, 1, 1]
    assert [day.date() for day in created["first"]] == [today - timedelta(days=days) for days in (3, 2, 1, 0)]
    assert figures(at)["Average per day"] == "1.0"
    assert shows(at, ZONE)


@pytest.mark.parametrize("unit", ["Day", "Week", "Month"])
def test_all_created_tickets_are_in_the_days_weeks_and_months(some: None, sql: Sql, unit: str) -> None:
    created = frame(visit("stats.py", period="All", unit=unit), "Created and resolved").query("what == 'Created'")
    assert created["number"].sum() == 300
    moments = "select created_at as at from tickets union select now()"  # a day has begun before its first ticket
    ((spans,),) = sql(
        f"select count(distinct date_trunc('{unit.lower()}', at at time zone '{ZONE}')) from ({moments}) as moments"
    )
    assert len(created) == spans  # there is a ticket every three hours


@pytest.mark.parametrize(
    ("label", "chosen", "where"),
    [
        ("Category", ["billing", "account"], "category in ('billing', 'account')"),
        ("Priority", ["critical"], "priority = 'critical'"),
        ("Status", ["in_progress"], "status = 'in_progress'"),
        ("Search", "refund", "description = 'refund'"),
    ],
)
def test_the_page_s_own_filter_moves_every_figure(some: None, sql: Sql, label: str, chosen: Any, where: str) -> None:
    at = change(visit("stats.py"), label, chosen)
    status = expected(sql, "status", where)
    assert figures(at) == {
        "Tickets": str(sum(status.values())),
        "Open": str(status["Open"]),
        "In progress": str(status["In progress"]),
        "Average per day": per_day(sql, where),
    }
    for title in ("category", "priority", "status"):
        assert dict(bars(at, f"By {title}")) == expected(sql, title, where)


def test_a_link_to_a_filter_reproduces_the_figures_and_says_what_they_are_about(some: None, sql: Sql) -> None:
    at = visit("stats.py", category="billing", status="in_progress", search="refund")
    assert shows(at, "in progress billing tickets containing “refund”")
    assert figures(at)["Tickets"] == str(
        expected(sql, "status", "category = 'billing' and description = 'refund'")["In progress"]
    )


def test_a_filter_that_matches_nothing_shows_zeros(some: None) -> None:
    at = change(visit("stats.py"), "Search", "there is no such text")
    assert set(figures(at).values()) == {"0", "0.0"}
    assert {number for _, number in bars(at, "By priority")} == {0}
    assert frame(at, "Created and resolved")["number"].sum() == 0


def test_a_range_before_the_first_ticket_shows_zeros(some: None) -> None:
    assert figures(change(visit("stats.py"), "Created to", date(2020, 1, 1)))["Tickets"] == "0"


def test_a_new_ticket_moves_the_figures_without_a_reload(some: None, sql: Sql, file_ticket: Filing) -> None:
    at = visit("stats.py")
    file_ticket(category="account", priority="critical")
    run(at)
    assert figures(at)["Tickets"] == "301"
    assert dict(bars(at, "By category")) == expected(sql, "category")
    assert frame(at, "Created and resolved").query("what == 'Created'")["number"].iloc[-1] > 0


def test_a_changed_status_moves_the_figures(some: None, sql: Sql) -> None:
    at = visit("stats.py")
    sql("update tickets set status = 'open'")
    assert figures(run(at))["Open"] == "300"


def test_nothing_is_counted_or_drawn_anew_while_nothing_changed(some: None, sql: Sql, statements: list[str]) -> None:
    at = visit("stats.py")
    before = charts(at)
    for _ in range(10):  # the server's own housekeeping may count as a change
        ((seen,),) = sql("select pg_current_snapshot()::text")
        statements.clear()
        run(at)
        if sql("select pg_current_snapshot()::text") == [(seen,)]:
            break
    assert len(statements) <= 3, statements  # has anything changed, asked by the bar, the page and its watch
    assert not [statement for statement in statements if "tickets" in statement]
    assert charts(at) == before


def test_the_page_asks_the_database_little(some: None, statements: list[str]) -> None:
    visit("stats.py", category="billing")
    counting = [statement for statement in statements if "tickets" in statement]
    # Assignees, figures, the newest tickets on the way; and the figures of the period and of the one before, some of
    # several statements.
    assert len(counting) <= 4 + 19, counting


def test_a_version_that_all_were_to_see_is_forgotten_on_the_way_to_another_page(file_ticket: Filing) -> None:
    """Whoever goes away just when figures would be drawn anew, and is back at once, sees what they did meanwhile."""
    file_ticket("First")
    at = visit("stats.py")
    at.session_state["stats_at"] = (time.monotonic(), loaders.version())
    file_ticket("Second")
    assert figures(run(at))["Tickets"] == "1", "so all see the same"
    at.session_state["stats_at"] = (time.monotonic(), loaders.version())
    run(at.switch_page("browse.py"))
    file_ticket("Third")
    assert figures(run(at.switch_page("stats.py")))["Tickets"] == "3"
