"""What a lead does with the stats page: click a mark and see its tickets, print it, take it away."""

import io
import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import openpyxl
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Desk, Opening, settle

IN_PERIOD = "(created_at at time zone 'UTC')::date > (now() at time zone 'UTC')::date - 30"


@pytest.fixture
def month(desk: Desk) -> None:
    """200 tickets of the last month, of which every third was resolved, and some by somebody."""
    desk.sql("""
        insert into tickets (title, description, category, priority, created_at, assignee, suggested_category,
                             suggested_priority, suggestion_source)
        select 'No ' || n, 'D', (enum_range(null::ticket_category))[1 + n % 4],
               (enum_range(null::ticket_priority))[1 + n / 4 % 4], now() - n * interval '3.5 hours',
               case when n % 2 = 0 then 'Ann' end, 'billing', 'low', 'small-model'
        from generate_series(1, 200) n""")
    desk.sql("update tickets set status = 'resolved' where id % 3 = 0")


def stats(open_window: Opening, **options: object) -> Page:
    page = open_window("/stats", **options)
    expect(page.get_by_text("Suggestions kept", exact=True)).to_be_visible()
    expect(page.locator("svg.marks")).to_have_count(10)
    return page


def marks(page: Page, alt: str, kind: str) -> Locator:
    """The marks of a chart."""
    return page.locator(f"[data-testid=stVegaLiteChart][aria-label^='{alt}']").locator(
        f"[aria-roledescription='{kind}']"
    )


def lists(page: Page, number: int) -> None:
    page.wait_for_url(re.compile("/tickets"))
    words = "1 ticket" if number == 1 else f"{number:,} tickets"
    expect(page.get_by_text(words, exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("alt", "kind", "place"),
    [
        ("By category", "bar", 1),
        ("Created and resolved", "bar", 40),
        ("Backlog", "point", 12),
        ("Time to resolution", "bar", 2),
        ("When tickets arrive", "rect mark", 30),
    ],
)
def test_a_click_on_a_mark_lists_its_tickets(
    month: None, open_window: Opening, alt: str, kind: str, place: int
) -> None:
    page = stats(open_window)
    found = marks(page, alt, kind)
    leading = [one for one in found.all() if "link: tickets" in (one.get_attribute("aria-label") or "")]
    mark = leading[min(place, len(leading) - 1)]
    heard = mark.get_attribute("aria-label") or ""
    number = re.search(r"(?:Tickets|number|Backlog at its end): ([\d,]+)", heard)
    assert number, heard
    mark.scroll_into_view_if_needed()
    settle(page)
    mark.click()
    lists(page, int(number[1].replace(",", "")))


def test_numbers_in_tables_and_under_figures_lead_to_their_tickets(
    month: None, desk: Desk, open_window: Opening
) -> None:
    page = stats(open_window)
    ((created,),) = desk.sql(f"select count(*) from tickets where {IN_PERIOD}")
    page.get_by_role("link", name=f"{created} tickets").first.click()
    lists(page, created)
    page = stats(open_window)
    ((waiting,),) = desk.sql("select count(*) from tickets where status = 'open'")
    page.get_by_role("link", name=f"{waiting} tickets").first.click()
    lists(page, waiting)
    page = stats(open_window)
    ((does,),) = desk.sql("select count(*) from tickets where assignee = 'Ann' and status = 'open'")
    row = page.get_by_role("row", name=re.compile("^Ann"))
    row.get_by_role("link", name=str(does), exact=True).click()
    lists(page, does)


def test_what_leads_to_tickets_says_alone_which_and_the_way_back_is_one_step(
    month: None, desk: Desk, open_window: Opening
) -> None:
    ((waiting, unfinished),) = desk.sql(
        "select count(*) filter (where status = 'open'), count(*) filter (where priority in ('high', 'low'))"
        " from tickets"
    )
    page = open_window("/stats?status=Open")
    page.get_by_role("link", name=f"{waiting} tickets").first.click()  # the same filter as that of the figures
    lists(page, waiting)
    page = open_window("/stats?status=Open&status=Resolved&priority=High&priority=Low")
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(str(unfinished))
    ((fewer,),) = desk.sql("select count(*) from tickets where status = 'open' and priority in ('high', 'low')")
    page.get_by_role("link", name=f"{fewer} tickets").first.click()  # less than that
    lists(page, fewer)
    page.go_back()
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(str(unfinished))
    settle(page)
    page.get_by_role("link", name="Tickets", exact=True).click()
    lists(page, 200)
    assert not urlsplit(page.url).query


def test_the_whole_page_can_be_printed(month: None, open_window: Opening) -> None:
    page = stats(open_window)
    page.emulate_media(media="print")
    settle(page)
    room = page.evaluate("""() => {
        const main = document.querySelector('[data-testid=stMain]');
        return [main.scrollHeight, main.clientHeight, getComputedStyle(main).overflowY];
    }""")
    assert room[0] <= room[1] + 1 or room[2] == "visible", room  # nothing is cut off
    paper = page.pdf(format="A4", print_background=True)
    assert paper.count(b"/Type /Page\n") >= 3
    page.emulate_media(media="screen")


def test_a_chart_is_saved_as_a_picture(month: None, open_window: Opening) -> None:
    page = stats(open_window)
    page.get_by_text("Suggestions kept", exact=True).first.wait_for()  # all is drawn, and moves no more
    chart = page.locator("[aria-label^='Backlog: from']").first
    chart.evaluate("chart => chart.scrollIntoView({block: 'center'})")  # its buttons are not to be under the header
    chart.hover()
    button = page.get_by_role("button", name=re.compile("^Download as PNG: Backlog"))
    toolbar = page.get_by_test_id("stElementToolbar").filter(has=button)
    expect(toolbar).to_have_css("opacity", "1")  # it fades in, and only then comes before the chart:
    expect(toolbar).not_to_have_css("z-index", "0")  # Playwright would scroll to find it elsewhere meanwhile
    with page.expect_download() as begun:
        button.click()
    assert begun.value.path().read_bytes().startswith(b"\x89PNG")


def test_the_figures_are_taken_away_as_a_workbook(month: None, desk: Desk, open_window: Opening) -> None:
    page = stats(open_window)
    with page.expect_download() as begun:
        page.get_by_role("button", name="Figures").click()
    today = datetime.now(UTC).date()
    assert begun.value.suggested_filename == f"figures {today - timedelta(days=29)} to {today}.xlsx"
    book = openpyxl.load_workbook(io.BytesIO(begun.value.path().read_bytes()))
    rows = list(book["Created and resolved"].values)
    assert rows[0] == ("first", "whole", "what", "number")
    ((created,),) = desk.sql(f"select count(*) from tickets where {IN_PERIOD}")
    assert sum(number for _, _, what, number in rows[1:] if what == "Created") == created
    (ann,) = [row for row in book["By agent"].values if row[0] == "Ann"]
    assert (
        ann[1:3]
        == desk.sql(
            "select count(*) filter (where status = 'open'), count(*) filter (where status = 'resolved') from tickets"
            " where assignee = 'Ann'"
        )[0]
    )


def test_figures_that_redraw_themselves_do_so_together_and_seldom(
    month: None, desk: Desk, open_window: Opening
) -> None:
    """Two leads look on while tickets come in all the time: they see the same figures, computed for both at once."""
    windows = [stats(open_window), stats(open_window)]
    shown = [window.locator("[data-testid=stMetricValue]").first for window in windows]
    drawn: list[set[str]] = [{one.inner_text()} for one in shown]
    at_first = set.union(*drawn)
    begun = time.monotonic()
    filed = 0
    while time.monotonic() - begun < 25:
        desk.file("One more")
        filed += 1
        windows[0].wait_for_timeout(100)
        for numbers, one in zip(drawn, shown, strict=True):
            numbers.add(one.inner_text())
    assert all(1 < len(numbers) <= 4 for numbers in drawn), drawn  # not every five seconds, as they look for changes
    assert (drawn[0] & drawn[1]) - at_first, drawn  # computed once for both
    for one in shown:
        expect(one).to_have_text(str(200 + filed))
