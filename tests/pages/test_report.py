"""What happened in a period, on the page: raw SQL's numbers beside those of the equally long period before."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ZONE, Filing, Sql, change, charts, links, shows, tables, visit
from ticketcore import desk
from ticketcore.errors import Overloaded
from ticketcore.filters import TicketFilter
from ticketcore.helper import Helper
from ticketcore.period import Period, Unit
from ticketcore.ui import figures, report
from ticketcore.ui.words import plain

TODAY = f"(now() at time zone '{ZONE}')::date"
SETTLE = "update tickets set status = 'resolved' where"


@pytest.fixture
def some(sql: Sql) -> None:
    """600 tickets over 100 days, a third of them resolved, some of these reopened."""
    sql(
        "insert into tickets (title, description, category, priority, created_at, suggested_category,"
        " suggested_priority, suggestion_source)"
        " select 'T' || n, 'D', (enum_range(null::ticket_category))[1 + n * n % 4],"
        " (enum_range(null::ticket_priority))[1 + n / 3 % 4], now() - n * interval '4 hours', 'billing', 'low', 'model'"
        " from generate_series(1, 600) n"
    )
    sql(f"{SETTLE} mod(id, 3) = 0")
    sql("update tickets set status = 'open' where mod(id, 30) = 0")


def figure(at: AppTest, name: str) -> tuple[str, str]:
    """A figure of the period and its change; the label may say how few tickets stand behind it."""
    (found,) = [metric for metric in at.metric if metric.label.split(" · ")[0] == name]
    return found.value, found.delta


def days(number: int, column: str = "created_at") -> str:
    return f"({column} at time zone '{ZONE}')::date > {TODAY} - {number}"


@pytest.mark.parametrize(("period", "length"), [("30 days", 30), ("7 days", 7), ("90 days", 90)])
def test_the_figures_of_the_period_are_the_database_s(some: None, sql: Sql, period: str, length: int) -> None:
    at = visit("stats.py", period=period)
    ((created,),) = sql(f"select count(*) from tickets where {days(length)}")
    ((resolved,),) = sql(f"select count(*) from tickets where {days(length, 'resolved_at')}")
    ((backlog,),) = sql("select count(*) from tickets where status in ('open', 'in_progress')")
    ((kept,),) = sql(
        f"select to_char(100 * avg((category = 'billing')::int), 'FM990.0') from tickets where {days(length)}"
    )
    ((median,),) = sql(
        "select percentile_cont(0.5) within group (order by extract(epoch from resolved_at - created_at) / 3600)"
        f" from tickets where {days(length, 'resolved_at')}"
    )
    assert figure(at, "Created")[0] == str(created)
    assert figure(at, "Resolved") == (str(resolved), f"+{resolved}")
    assert figure(at, "Backlog")[0] == str(backlog)
    assert figure(at, "Category kept")[0] == f"{kept} %"
    assert figure(at, "Time to resolution")[0] == f"{median:,.1f} h"


def test_the_change_is_against_the_equally_long_period_before(file_ticket: Filing) -> None:
    now = datetime.now(ZoneInfo(ZONE))
    for back in (0, 6, 7, 8, 13, 14):
        file_ticket(created_at=now - timedelta(days=back, minutes=1) if back else now)
    at = visit("stats.py", period="7 days")
    hour = now - now.replace(hour=0, minute=0, second=0)
    if hour > timedelta(minutes=1):  # otherwise a minute ago was yesterday
        assert figure(at, "Created") == ("2", "-1")


def test_the_filter_s_days_are_the_period_and_its_facets_hold(some: None, sql: Sql) -> None:
    first, last = (datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=back) for back in (20, 10))
    at = visit("stats.py", category="Billing", **{"from": first.isoformat(), "to": last.isoformat()})
    day = f"(created_at at time zone '{ZONE}')::date"
    ((number,),) = sql(
        f"select count(*) from tickets where category = 'billing' and {day} between '{first}' and '{last}'"
    )
    assert figure(at, "Created")[0] == f"{number}"


def test_small_numbers_are_marked_and_no_number_is_a_dash(file_ticket: Filing, sql: Sql) -> None:
    file_ticket()
    at = visit("stats.py")
    assert figure(at, "Time to resolution")[0] == "–"
    sql(f"{SETTLE} true")
    at = visit("stats.py")
    assert "Time to resolution · only 1" in {metric.label for metric in at.metric}
    assert "Created" in {metric.label for metric in at.metric}


def test_every_figure_says_what_it_means(some: None) -> None:
    at = visit("stats.py")
    assert all(metric.proto.help for metric in at.metric[4:])


def test_a_day_that_is_not_over_is_drawn_pale(some: None) -> None:
    (spec,) = [spec for heard, spec in charts(visit("stats.py")).items() if heard.startswith("Created and resolved")]
    assert spec["encoding"]["opacity"]["condition"]["test"] == "datum.whole"


def test_what_will_miss_its_target_next_is_one_click_away(file_ticket: Filing) -> None:
    now = datetime.now(ZoneInfo(ZONE))
    file_ticket("Soon", priority="critical", created_at=now - timedelta(hours=3))
    file_ticket("Later", priority="high", created_at=now - timedelta(hours=3))
    file_ticket("Too late", priority="critical", created_at=now - timedelta(hours=5))
    at = visit("stats.py")
    found = [(label, where) for label, where in links(at) if where.startswith("ticket?id=")]
    assert [where for _, where in found] == ["ticket?id=1", "ticket?id=2"]
    assert found[0][0] == "In 0 h 59 min · Critical · #1 Soon"
    assert ("The oldest open tickets first", "tickets?status=Open&status=In+progress&sort=Oldest+first") in links(at)


class Clock(datetime):
    """That of the figures, which can be set forward."""

    gone_by = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + cls.gone_by


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets minutes go by."""
    monkeypatch.setattr(report, "datetime", Clock)
    monkeypatch.setattr(Clock, "gone_by", timedelta())
    return lambda minutes: monkeypatch.setattr(Clock, "gone_by", timedelta(minutes=minutes))


def test_time_goes_by_where_nobody_changes_anything(file_ticket: Filing, later: Callable[[float], None]) -> None:
    begun = datetime.now(UTC)
    file_ticket("Soon", priority="critical", created_at=begun - timedelta(hours=3))
    file_ticket("Later", priority="high", created_at=begun - timedelta(hours=3))
    day = datetime.now(ZoneInfo(ZONE)).date()
    days = {"from": (day - timedelta(days=9)).isoformat(), "to": (day + timedelta(days=1)).isoformat()}

    def seen() -> tuple[list[str], list[str]]:
        """What will miss its target next, and the critical tickets that were due, met and missed."""
        at = visit("stats.py", **days)
        (promises,) = [table for table in tables(at) if "Missed" in table[0]]
        (critical,) = [row for row in promises if row[0] == "Critical"]
        return [label for label, where in links(at) if where.startswith("ticket?id=")], critical[2:5]

    assert seen() == (
        ["In 0 h 59 min · Critical · #1 Soon", "In 20 h 59 min · High · #2 Later"], ["0", "0", "0"],
    )  # fmt: skip
    later(3)
    assert seen()[0] == ["In 0 h 56 min · Critical · #1 Soon", "In 20 h 56 min · High · #2 Later"]
    later(65)
    assert seen() == (["In 19 h 54 min · High · #2 Later"], ["1", "0", "1"])


@pytest.mark.parametrize(
    ("minutes", "is_over", "wanted"),
    [(0.5, False, []), (0.5, True, ["anew"]), (4, False, []), (5.5, False, ["anew, as of this one"])],
)
def test_an_open_page_tells_what_is_left_until_its_figures_hold_no_longer_or_the_session_is_over(
    file_ticket: Filing, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch,
    minutes: float, is_over: bool, wanted: list[str],
) -> None:  # fmt: skip
    file_ticket()
    today = datetime.now(ZoneInfo(ZONE)).date()
    figures = report.marks.shown(
        desk.current().itself.db, TicketFilter(), Period(today, today, ZoneInfo(ZONE), datetime.now(UTC)), Unit.DAY, {}
    )
    drawn: list[str] = []
    monkeypatch.setattr(report.st, "rerun", lambda: drawn.append("anew"))
    monkeypatch.setattr(report, "draw_anew", lambda _key, at: drawn.append(f"anew, as of {at}"))
    monkeypatch.setattr(report.me, "may", lambda _role: not is_over)
    later(minutes)
    report._next_due.__wrapped__(figures, "this one")
    assert drawn == wanted


def test_the_oldest_open_tickets_are_not_offered_where_the_filter_leaves_none(file_ticket: Filing, sql: Sql) -> None:
    file_ticket("Open")
    file_ticket("Done")
    sql(f"{SETTLE} id = 2")
    oldest = "The oldest open tickets first"
    assert oldest in dict(links(visit("stats.py")))
    assert oldest not in dict(links(visit("stats.py", status="Resolved")))


def test_a_period_that_has_not_begun_is_said_to_be_empty(some: None) -> None:
    later = (datetime.now(ZoneInfo(ZONE)).date() + timedelta(days=400)).isoformat()
    at = visit("stats.py", **{"from": later, "to": later})
    assert shows(at, "This period has not begun.")
    assert not at.get("download_button")  # there would be nothing in the file
    assert visit("stats.py").get("download_button")


def test_an_agent_s_work_is_a_row(some: None, sql: Sql) -> None:
    sql("update tickets set assignee = 'Ann' where mod(id, 3) = 0")
    at = change(visit("stats.py"), "Category", ["technical"])
    (work,) = [table for table in tables(at) if "Assignee" in table[0]]
    ((unsettled, resolved),) = sql(
        "select count(*) filter (where status = 'open'), count(*) filter (where status = 'resolved') from tickets"
        " where assignee = 'Ann' and category = 'technical'"
    )
    assert [row[:3] for row in work[1:]] == [["Ann", str(unsettled), str(resolved)]]


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A desk with a process that counts, and when it was asked; the first figures are drawn only after that."""
    asked, drawn = threading.Event(), threading.Event()
    ask, draw = Helper.ask, figures.draw

    def asking(*values: Any, **named: Any) -> Any:
        asked.set()
        assert drawn.wait(20)
        return ask(*values, **named)

    def drawing(*values: Any) -> None:
        assert asked.wait(20), "nothing was asked ahead"
        draw(*values)
        drawn.set()

    monkeypatch.setattr(Helper, "is_there", True)
    monkeypatch.setattr(Helper, "ask", asking)
    monkeypatch.setattr(figures, "draw", drawing)
    yield asked
    drawn.set()


def test_a_process_that_counts_is_asked_before_the_page_draws_what_it_has(
    some: None, sql: Sql, apart: threading.Event
) -> None:
    at = visit("stats.py", period="7 days")
    ((created,),) = sql(f"select count(*) from tickets where {days(7)}")
    assert figure(at, "Created")[0] == str(created)


def test_what_fails_when_it_is_counted_ahead_is_said_and_not_waited_for_again(
    some: None, apart: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(*_: Any, **__: Any) -> Any:
        asked.append(threading.current_thread().name)
        apart.set()
        raise Overloaded

    monkeypatch.setattr(Helper, "ask", ask)
    at = visit("stats.py", period="7 days")
    assert len(asked) == 1, "to try again would take as long"
    assert [error.value for error in at.error] == [plain(str(Overloaded()))]
    assert at.metric[0].value == "600"


def test_nothing_is_counted_ahead_where_the_desk_counts_by_itself(some: None, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    ask = Helper.ask

    def asking(*values: Any, **named: Any) -> Any:
        threads.append(threading.get_ident())
        return ask(*values, **named)

    monkeypatch.setattr(Helper, "ask", asking)
    monkeypatch.setattr(report, "_count", lambda *_: threads.append(0))
    assert figure(visit("stats.py"), "Created")
    assert len(threads) == 1
    assert threads != [0]
