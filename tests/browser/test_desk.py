"""The desk in a real browser, as agents and leads meet it."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from tests.browser.conftest import GOOD, MODEL, Desk, Opening, Watch, settle, until
from tests.unit.provider import Behaviour, Provider, says

PAGES = ["/", "/tickets", "/stats", "/ticket?id=1"]


@pytest.fixture
def release(provider: Provider) -> Iterator[threading.Event]:
    """Set it, and the model answers; until then it thinks."""
    release = threading.Event()
    answer: Behaviour = says(GOOD)

    def wait(handler: Any) -> None:
        release.wait(60)
        answer(handler)

    provider.behaves(wait)
    yield release
    release.set()


def box(page: Page, label: str) -> Locator:
    return page.get_by_role("combobox", name=label, exact=True)


def choose(page: Page, label: str, option: str) -> None:
    box(page, label).click()
    page.get_by_role("option", name=option, exact=True).click()


def write(page: Page, title: str = "Charged twice", description: str = "June was charged twice.") -> None:
    """Fills the form and leaves the last field, as one does on the way to the button."""
    page.get_by_label("Title").fill(title)
    page.get_by_label("Description").fill(description)
    page.get_by_label("Title").focus()


def submit(page: Page) -> None:
    page.get_by_role("button", name="Submit ticket").click()


def expect_filed(page: Page, number: int) -> None:
    expect(page.get_by_text(f"Ticket #{number} is filed.")).to_be_visible()


def newest(page: Page) -> Locator:
    """The links of the list beside the form."""
    return page.locator("main a[href*='ticket?id=']", has_text="#").filter(has_not_text="Open ticket")


def cells(page: Page, column: int = 2) -> Locator:
    """One column of the table, as it is told to screen readers: the grid itself is painted."""
    return page.locator(f"canvas [role=gridcell][aria-colindex='{column}']")


def click_row(page: Page, row: int) -> None:
    """Clicks the title in that row of the painted table, counted from 0; the header is -1."""
    expect(cells(page).nth(max(row, 0))).to_be_attached()
    grid = page.get_by_test_id("stDataFrame").bounding_box()
    assert grid
    page.mouse.click(grid["x"] + 180, grid["y"] + 36 + 35 * row + 17)


def expect_tickets(page: Page, number: int) -> None:
    expect(page.get_by_text(f"{number} ticket{'s' * (number != 1)}", exact=True)).to_be_visible()


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


# Filing


def test_a_ticket_is_filed_with_a_suggestion_and_shows_at_once_without_a_page_load(
    desk: Desk, provider: Provider, page: Page
) -> None:
    page.evaluate("window.sameDocument = true")
    write(page)
    expect(page.get_by_text(f"Suggested by {MODEL}")).to_have_count(2)
    expect(box(page, "Category")).to_have_value("Billing")
    expect(box(page, "Priority")).to_have_value("High")
    submit(page)
    expect_filed(page, 1)
    expect(newest(page)).to_have_text(["#1 Charged twice"])
    expect(page.get_by_label("Title")).to_have_value("")
    expect(page.get_by_label("Description")).to_have_value("")
    expect(box(page, "Category")).to_have_value("General")
    assert page.evaluate("window.sameDocument")
    (ticket,) = desk.tickets()
    assert {key: ticket[key] for key in ("title", "description", "category", "priority", "status")} == {
        "title": "Charged twice", "description": "June was charged twice.", "category": "billing", "priority": "high",
        "status": "open",
    }  # fmt: skip
    newest(page).click()
    expect(page.get_by_text("June was charged twice.")).to_be_visible()
    assert urlsplit(page.url).path == "/ticket"
    assert query(page)["id"] == ["1"]


def test_the_fields_fill_while_typing_goes_on_and_nothing_typed_is_lost(page: Page, release: threading.Event) -> None:
    page.get_by_label("Title").fill("Charged twice")
    description = page.get_by_label("Description")
    description.fill("June was charged")
    description.press("Control+Enter")
    expect(page.get_by_text("Thinking…")).to_have_count(2)
    description.press_sequentially(" twice,")
    release.set()
    description.press_sequentially(" and so was July, and nobody", delay=30)
    expect(box(page, "Category")).to_have_value("Billing")
    description.press_sequentially(" answers.", delay=30)
    expect(description).to_have_value("June was charged twice, and so was July, and nobody answers.")
    expect(page.get_by_label("Title")).to_have_value("Charged twice")
    expect(description).to_be_focused()


def test_a_half_written_ticket_is_there_again_when_the_window_was_loaded_anew(desk: Desk, open_window: Opening) -> None:
    name = {"name": "desk_name", "value": "Ann", "domain": "127.0.0.1", "path": "/", "expires": -1,
            "httpOnly": False, "secure": False, "sameSite": "Lax"}  # fmt: skip
    page = open_window(storage_state={"cookies": [name], "origins": []})  # a profile of its own
    write(page)
    expect(box(page, "Category")).to_have_value("Billing")
    choose(page, "Priority", "Critical")
    expect(page.get_by_text("Chosen by you")).to_be_visible()
    page.reload()
    for label, text in (("Title", "Charged twice"), ("Description", "June was charged twice.")):
        expect(page.get_by_label(label)).to_have_value(text)
    expect(box(page, "Priority")).to_have_value("Critical")
    expect(box(page, "Category")).to_have_value("Billing")
    page.goto("/stats")
    page.go_back()
    expect(page.get_by_label("Title")).to_have_value("Charged twice")
    page.goto("/stats")
    page.get_by_role("link", name="File a ticket").click()
    page.get_by_role("link", name="Go on with “Charged twice”").click()
    expect(page.get_by_label("Title")).to_have_value("Charged twice")
    submit(page)
    expect_filed(page, 1)
    (ticket,) = desk.tickets()
    assert (ticket["title"], ticket["priority"]) == ("Charged twice", "critical")


def test_what_is_being_typed_is_filed_even_if_the_field_was_never_left(desk: Desk, page: Page) -> None:
    write(page)
    page.get_by_label("Description").fill("The last words count too.")
    submit(page)
    expect_filed(page, 1)
    assert desk.ticket(1)["description"] == "The last words count too."


def test_a_field_that_the_agent_has_set_stays_when_the_answer_comes_late(page: Page, release: threading.Event) -> None:
    write(page)
    expect(page.get_by_text("Thinking…")).to_have_count(2)
    choose(page, "Category", "Technical")
    expect(page.get_by_text("Chosen by you")).to_be_visible()
    release.set()
    expect(box(page, "Priority")).to_have_value("High")
    expect(box(page, "Category")).to_have_value("Technical")
    expect(page.get_by_text(f"Suggested by {MODEL}")).to_have_count(1)


def test_submitting_does_not_wait_for_the_model(desk: Desk, page: Page, release: threading.Event) -> None:
    write(page)
    expect(page.get_by_text("Thinking…")).to_have_count(2)
    submit(page)
    expect_filed(page, 1)
    assert not release.is_set()
    assert (desk.ticket(1)["category"], desk.ticket(1)["priority"]) == ("general", "medium")


def test_a_double_click_makes_one_ticket_and_no_complaint(desk: Desk, page: Page) -> None:
    write(page)
    page.get_by_role("button", name="Submit ticket").dblclick()
    expect(page.get_by_text("is filed.")).to_be_visible()
    settle(page)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
    assert len(desk.tickets()) == 1


def test_many_clicks_in_one_moment_make_one_ticket(desk: Desk, page: Page) -> None:
    write(page)
    expect(page.get_by_text(f"Suggested by {MODEL}")).to_have_count(2)
    page.get_by_role("button", name="Submit ticket").evaluate(
        "button => { for (let n = 0; n < 5; n++) button.click() }"
    )
    expect(page.get_by_text("is filed.")).to_be_visible()
    settle(page)
    assert len(desk.tickets()) == 1


def test_a_form_with_a_fault_names_the_field_and_keeps_its_text(desk: Desk, page: Page) -> None:
    write(page, title="   ")
    submit(page)
    expect(page.get_by_text("Title must not be blank")).to_be_visible()
    expect(page.get_by_label("Description")).to_have_value("June was charged twice.")
    assert desk.tickets() == []


def test_a_long_title_that_is_pasted_is_not_swallowed(page: Page) -> None:
    page.get_by_label("Title").fill("x" * 250)
    assert len(page.get_by_label("Title").input_value()) >= 200


@pytest.mark.parametrize("field", ["Title", "Description"])
def test_half_an_emoji_does_not_cut_the_page_off(desk: Desk, page: Page, field: str) -> None:
    write(page)
    page.get_by_label(field).focus()
    page.get_by_label(field).evaluate(
        """field => {
            const prototype = Object.getPrototypeOf(field);
            Object.getOwnPropertyDescriptor(prototype, "value").set.call(field, "half \\ud83c an emoji");
            field.dispatchEvent(new Event("input", {bubbles: true}));
        }"""
    )
    submit(page)
    expect_filed(page, 1)
    (ticket,) = desk.tickets()
    assert "half \ufffd an emoji" in (ticket["title"], ticket["description"])


def test_a_text_survives_a_look_at_the_other_pages(page: Page, provider: Provider) -> None:
    write(page)
    expect(page.get_by_text(f"Suggested by {MODEL}")).to_have_count(2)
    choose(page, "Priority", "Low")
    page.get_by_role("link", name="Stats").click()
    expect(page.get_by_text("No tickets yet.")).to_be_visible()
    page.get_by_role("link", name="File a ticket").click()
    expect(page.get_by_label("Title")).to_have_value("Charged twice")
    expect(page.get_by_label("Description")).to_have_value("June was charged twice.")
    expect(box(page, "Category")).to_have_value("Billing")
    expect(box(page, "Priority")).to_have_value("Low")


def test_a_ticket_filed_in_one_window_shows_in_another_by_itself(open_window: Opening) -> None:
    mine, theirs, table = open_window(), open_window(), open_window("/tickets")
    expect(table.get_by_text("No tickets yet.")).to_be_visible()
    write(mine)
    submit(mine)
    expect(newest(theirs)).to_have_text(["#1 Charged twice"])
    expect_tickets(table, 1)
    expect(cells(table)).to_have_text(["Charged twice"])


# Lost connections


class Line:
    """The line between a window and the desk, for a test to cut."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.connections: list[WebSocketRoute] = []
        self.is_deaf = False
        page.route_web_socket("**/_stcore/stream", self._relay)
        page.reload()
        settle(page)

    def _relay(self, connection: WebSocketRoute) -> None:
        server = connection.connect_to_server()
        server.on_message(lambda message: None if self.is_deaf else connection.send(message))
        self.connections.append(connection)

    def cut(self) -> None:
        """Ends the connection; returns when the window has made a new one."""
        before = len(self.connections)
        self.is_deaf = False
        self.connections[-1].close(code=3001, reason="lost")
        wait(self.page, lambda: len(self.connections) > before)


def wait(page: Page, condition: Callable[[], object]) -> None:
    """Returns once the condition holds; the window goes on meanwhile."""
    until(lambda: page.wait_for_timeout(20) or condition())


def test_what_is_typed_survives_a_lost_connection_and_makes_one_ticket(desk: Desk, page: Page) -> None:
    line = Line(page)
    write(page)
    expect(page.get_by_text(f"Suggested by {MODEL}")).to_have_count(2)
    line.cut()
    settle(page)
    expect(page.get_by_label("Title")).to_have_value("Charged twice")
    submit(page)
    expect_filed(page, 1)
    assert [ticket["description"] for ticket in desk.tickets()] == ["June was charged twice."]


def test_a_submission_whose_answer_was_lost_can_be_repeated_and_makes_one_ticket(desk: Desk, page: Page) -> None:
    line = Line(page)
    write(page)
    expect(page.get_by_text(f"Suggested by {MODEL}")).to_have_count(2)
    line.is_deaf = True
    submit(page)
    wait(page, desk.tickets)
    expect(page.get_by_label("Title")).to_have_value("Charged twice")
    line.cut()
    settle(page)
    submit(page)
    expect(page.get_by_text("is filed.")).to_be_visible()
    settle(page)
    assert len(desk.tickets()) == 1


def test_a_desk_that_is_killed_and_started_again_gets_the_text_and_files_it_once(
    desk: Desk, page: Page, watch: Watch
) -> None:
    watch.expected = re.compile("ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket|disconnected")
    write(page)
    expect(page.get_by_text(f"Suggested by {MODEL}")).to_have_count(2)
    choose(page, "Priority", "Critical")
    desk.kill()
    desk.start()
    desk.file("Seen after the restart")
    expect(newest(page).first).to_contain_text("Seen after the restart")  # the page has found the desk again
    expect(page.get_by_label("Title")).to_have_value("Charged twice")
    submit(page)
    expect(page.get_by_text("is filed.")).to_be_visible()
    (ticket,) = [ticket for ticket in desk.tickets() if ticket["title"] == "Charged twice"]
    assert (ticket["description"], ticket["priority"]) == ("June was charged twice.", "critical")


@pytest.fixture
def away(desk: Desk) -> Iterator[Callable[[bool], None]]:
    """Call it with True, and the database answers nobody but the test."""

    def away(is_away: bool) -> None:
        desk.sql(f"update pg_database set datallowconn = {not is_away} where datname = 'postgres'", "template1")
        if is_away:
            desk.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'postgres'", "template1")

    yield away
    away(False)


def test_every_page_says_that_the_database_is_away_and_comes_back_by_itself(
    desk: Desk, open_window: Opening, away: Callable[[bool], None]
) -> None:
    desk.file("The first ticket")
    windows = [open_window(address) for address in PAGES]
    away(True)
    for page in windows:
        expect(page.get_by_text("The database cannot be reached right now.").first).to_be_visible()
    away(False)
    for page in windows:
        expect(page.get_by_text("The database cannot be reached right now.")).to_have_count(0)
        settle(page)


def test_a_database_that_was_killed_is_back_within_seconds_with_its_tickets(desk: Desk, open_window: Opening) -> None:
    desk.file("Kept")
    window = open_window("/tickets")
    server = int((desk.folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(server, signal.SIGKILL)
    until(lambda: desk.api.post("/tickets/", json={"title": "New", "description": "Filed"}).status_code == 201)
    expect(window.get_by_text("2 tickets", exact=True)).to_be_visible()
    expect(window.get_by_text("The database cannot be reached")).to_have_count(0)
    assert [ticket["title"] for ticket in desk.tickets()] == ["Kept", "New"]


# Finding and changing


@pytest.fixture
def some(desk: Desk) -> None:
    """Three tickets; the newest, about a refund, is billing and in progress."""
    desk.file("Cannot sign in", "The reset mail never comes.", category="account", priority="high")
    desk.file("Slow exports", "Every export takes an hour.", category="technical")
    desk.file("Second refund", "A refund is missing.", category="billing", priority="critical", status="in_progress")


def test_a_link_opens_the_view_that_it_names(some: None, open_window: Opening) -> None:
    page = open_window("/tickets?category=billing&category=account&status=in_progress&search=refund&sort=oldest")
    expect_tickets(page, 1)
    expect(cells(page)).to_have_text(["Second refund"])
    for chosen in ("Billing", "Account", "In progress"):
        expect(page.get_by_role("button", name=f"Remove {chosen}")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("refund")
    expect(box(page, "Sort")).to_have_value("Oldest first")


def test_the_search_reacts_while_typing(some: None, open_window: Opening) -> None:
    page = open_window("/tickets")
    expect_tickets(page, 3)
    page.get_by_role("searchbox").press_sequentially("REFU", delay=30)
    expect_tickets(page, 1)
    expect(cells(page)).to_have_text(["Second refund"])
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.get_by_role("searchbox").press("Backspace")
    page.get_by_role("searchbox").press_sequentially("XYZ", delay=30)
    expect(page.get_by_text("No ticket matches this filter.")).to_be_visible()


def test_the_address_holds_the_view_and_a_reload_reproduces_it(some: None, open_window: Opening) -> None:
    page = open_window("/tickets")
    choose(page, "Category", "Account")
    choose(page, "Category", "Technical")
    page.keyboard.press("Escape")
    page.get_by_role("searchbox").fill("e")
    choose(page, "Sort", "Oldest first")
    expect_tickets(page, 2)
    expect(cells(page)).to_have_text(["Cannot sign in", "Slow exports"])
    wait(page, lambda: {"category", "search", "sort"} <= set(query(page)))
    address = page.url
    page.reload()
    settle(page)
    expect(cells(page)).to_have_text(["Cannot sign in", "Slow exports"])
    expect(page.get_by_role("searchbox")).to_have_value("e")
    expect(cells(open_window(address))).to_have_text(["Cannot sign in", "Slow exports"])


def test_a_click_on_a_row_opens_the_ticket_beside_the_table_and_its_status_is_stored_at_once(
    some: None, desk: Desk, open_window: Opening
) -> None:
    page = open_window("/tickets")
    click_row(page, 1)
    expect(page.get_by_text("Every export takes an hour.").locator("visible=true")).to_be_visible()
    expect(cells(page)).to_have_count(3)
    choose_beside(page, "Status", "In progress")
    wait(page, lambda: desk.ticket(2)["status"] == "in_progress")
    expect(cells(page, 3)).to_have_text(["In progress", "In progress", "Open"])
    expect(box(page, "Status").last).to_have_value("In progress")
    assert desk.sql("select source, old_value, new_value from ticket_events where kind = 'changed'") == [
        ("dashboard", "open", "in_progress")
    ]


def choose_beside(page: Page, label: str, option: str) -> None:
    """Chooses in the field of the open ticket, not in the filter that has the same name."""
    box(page, label).last.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_another_row_opens_another_ticket_and_the_same_row_once_more_keeps_it(some: None, open_window: Opening) -> None:
    page = open_window("/tickets")
    click_row(page, 0)
    expect(page.get_by_role("link", name="Open ticket #3")).to_be_visible()
    click_row(page, 2)
    expect(page.get_by_role("link", name="Open ticket #1")).to_be_visible()


def test_a_row_opens_the_ticket_that_it_shows_in_whatever_order_the_table_itself_was_put(
    some: None, open_window: Opening
) -> None:
    page = open_window("/tickets?sort=Oldest first")
    click_row(page, -1)  # the header: by title, from A to Z
    expect(cells(page)).to_have_text(["Cannot sign in", "Second refund", "Slow exports"])
    click_row(page, 1)
    expect(page.get_by_role("link", name="Open ticket #3")).to_be_visible()


def test_the_open_ticket_stays_open_when_new_tickets_move_the_rows(
    some: None, desk: Desk, open_window: Opening
) -> None:
    page = open_window("/tickets")
    click_row(page, 1)
    expect(page.get_by_role("link", name="Open ticket #2")).to_be_visible()
    desk.file("Arrived meanwhile")
    expect(cells(page)).to_have_text(["Arrived meanwhile", "Second refund", "Slow exports", "Cannot sign in"])
    expect(page.get_by_role("link", name="Open ticket #2")).to_be_visible()
    choose_beside(page, "Priority", "Low")
    wait(page, lambda: desk.ticket(2)["priority"] == "low")
    assert [ticket["priority"] for ticket in desk.tickets()] == ["high", "low", "critical", "medium"]


def test_back_and_forward_go_from_view_to_view(some: None, open_window: Opening) -> None:
    page = open_window("/tickets?category=Billing")
    expect_tickets(page, 1)
    page.goto("/tickets?category=Account&category=Technical")
    expect_tickets(page, 2)
    page.go_back()
    expect_tickets(page, 1)
    expect(cells(page)).to_have_text(["Second refund"])
    page.go_forward()
    expect_tickets(page, 2)


def test_the_way_back_from_a_ticket_s_own_page_leads_to_the_filtered_list(some: None, open_window: Opening) -> None:
    page = open_window("/tickets?category=Billing")
    click_row(page, 0)
    page.get_by_role("link", name="Open ticket #3").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    page.get_by_role("link", name="Back to the list").click()
    expect_tickets(page, 1)
    expect(page.get_by_role("button", name="Remove Billing")).to_be_visible()


def test_a_ticket_that_does_not_exist_gets_a_kind_message(open_window: Opening) -> None:
    page = open_window("/ticket?id=999999")
    expect(page.get_by_text("There is no ticket #999999. It may have been mistyped.")).to_be_visible()
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_text("No tickets yet.")).to_be_visible()


# Figures


def figure(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def test_the_figures_move_by_themselves_when_a_ticket_is_filed(some: None, desk: Desk, open_window: Opening) -> None:
    page = open_window("/stats")
    expect(figure(page, "Tickets")).to_have_text("3")
    page.evaluate("window.sameDocument = true")
    desk.file(category="billing", priority="critical")
    expect(figure(page, "Tickets")).to_have_text("4")
    expect(figure(page, "Open")).to_have_text("3")
    chart = page.get_by_test_id("stVegaLiteChart").first
    expect(chart).to_have_attribute("aria-label", "By priority: Critical 2, High 1, Medium 1, Low 0")
    expect(chart.locator("svg text", has_text="2")).to_be_visible()
    assert page.evaluate("window.sameDocument")


@pytest.mark.timeout(400)  # the housekeeping of the database may go on for minutes
def test_the_charts_stand_still_while_nothing_changes(some: None, desk: Desk, open_window: Opening) -> None:
    page = open_window("/stats")
    expect(page.locator("[data-testid=stVegaLiteChart] svg")).to_have_count(8)
    settle(page)
    page.evaluate(
        """() => {
            window.changes = [];
            const watch = new MutationObserver(records => window.changes.push(...records.map(r => r.target.outerHTML)));
            const what = {childList: true, subtree: true, attributes: true, characterData: true};
            const parts = "[data-testid=stVegaLiteChart], [data-testid=stMetric]";
            document.querySelectorAll(parts).forEach(part => watch.observe(part, what));
        }"""
    )

    def is_quiet(seconds: int) -> bool:
        """Whether nothing changed in the database for so long; its own housekeeping may count as a change."""
        before = desk.sql("select pg_current_snapshot()::text")
        page.wait_for_timeout(seconds * 1_000)
        return desk.sql("select pg_current_snapshot()::text") == before

    for _ in range(10):
        if not is_quiet(25):  # for so long the page may take its time to follow an earlier change
            continue
        page.evaluate("window.changes = []")
        if is_quiet(15):  # it looks for changes every 5 s, and at another version every 10 s
            break
    assert page.evaluate("window.changes") == []


# Looks


HOSTILE = [
    "<script>alert(1)</script><b>bold</b>",
    "<img src=x onerror=alert(1)>",
    "**bold** _italic_ ~~gone~~ `code`",
    "[link](javascript:alert(1)) ![image](https://evil.example/x.png)",
    "https://evil.example www.evil.example a@evil.example",
    "$E = mc^2$ and $$x$$",
    ":smile: :+1: :red[red] :material/bug:",
    ":streamlit: and :material_bug:",
    "a -> b <- c <-> d -- e >= f <= g ~= h",
    "&lt;b&gt; &amp;amp; &#x3c;",
    "# heading",
    "- item",
    "> quote",
    "back\\slash \\* \\<",
]


MARKUP = "script, b, strong, em, del, code, img, svg, a, h1, h2, li, blockquote, .katex, [role=img]"


def read(element: Locator) -> str:
    """The text of an element as one sees it, with what markup stands in it, which should be none."""
    expect(element).to_be_visible()
    tags = element.locator(MARKUP).evaluate_all("all => all.map(one => one.outerHTML.slice(0, 60))")
    joiners_nobody_sees = dict.fromkeys(map(ord, "\u2060\u200b"))
    return element.inner_text().translate(joiners_nobody_sees).strip() + "".join(f" <<{tag}>>" for tag in tags)


def test_titles_show_as_the_characters_they_consist_of_in_the_newest_list(desk: Desk, open_window: Opening) -> None:
    page = open_window()
    shown = []
    for some in (HOSTILE[:7], HOSTILE[7:]):
        numbers = [desk.file(title)["id"] for title in some]
        page.reload()
        shown += [read(newest(page).filter(has_text=f"#{number} ")) for number in numbers]
    assert shown == [f"#{number} {title}" for number, title in enumerate(HOSTILE, 1)]


def test_texts_show_as_the_characters_they_consist_of_beside_the_table_and_on_a_page_of_their_own(
    desk: Desk, open_window: Opening
) -> None:
    description = "\n\n".join(HOSTILE)
    for hostile in HOSTILE:
        desk.file(hostile, description)
    page = open_window("/tickets?sort=Oldest first")
    expect(cells(page)).to_have_text(HOSTILE)
    for row in (0, 6):
        click_row(page, row)
        expect(page.get_by_role("link", name=f"Open ticket #{row + 1} ")).to_be_visible()
        settle(page)
        assert [read(text) for text in page.locator("[data-testid=stHtml]:visible").all()] == [
            HOSTILE[row],
            description,
        ]
    page.goto("/ticket?id=8")
    expect(page.locator("[data-testid=stHtml]:visible")).to_have_count(2)
    assert [read(text) for text in page.locator("[data-testid=stHtml]:visible").all()] == [HOSTILE[7], description]


def test_what_is_searched_shows_as_it_is_in_what_the_figures_are_about(desk: Desk, open_window: Opening) -> None:
    desk.file()
    searched = "  ".join(HOSTILE)
    page = open_window(f"/stats?search={quote(searched)}")
    about = page.get_by_text("Figures for")
    assert read(about).split() == f"Figures for all tickets containing “{searched}”".split()


def test_what_a_link_asks_for_in_vain_shows_as_it_is(desk: Desk, open_window: Opening) -> None:
    desk.file()
    page = open_window("/tickets?" + "&".join(f"category={quote(hostile)}" for hostile in HOSTILE))
    alerts = page.get_by_test_id("stAlert").get_by_test_id("stMarkdownContainer")
    expect(alerts).to_have_count(len(HOSTILE))
    shown = [read(alert) for alert in alerts.all()]
    assert [re.search("“(.*)”(.*)", text, re.DOTALL)[1] for text in shown] == HOSTILE
    assert not [text for text in shown if "<<" in text]


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_every_page_fits_the_window_follows_the_system_s_theme_and_asks_nothing_of_the_internet(
    desk: Desk, open_window: Opening, width: int, theme: str
) -> None:
    desk.file("W" * 200, "m" * 2_500 + "\n" + "word " * 400)
    desk.sql(
        "insert into tickets (title, description, category, priority) select 'Ticket ' || n || ' with a usual title',"
        " 'A description', 'technical', 'low' from generate_series(1, 60) n"
    )
    page = open_window("/stats", viewport={"width": width, "height": 844}, color_scheme=theme)
    expect(page.locator("[data-testid=stVegaLiteChart] svg")).to_have_count(8)
    number = page.locator("[data-testid=stVegaLiteChart] svg .mark-text.role-mark text").first
    assert is_light(number, "fill") == (theme == "dark")
    for address in (
        "/stats",
        "/tickets?category=technical&status=open&search=e",
        "/ticket?id=999999",
        "/ticket?id=1",
        "/",
    ):
        if address != "/stats":
            page.goto(address)
            settle(page)
        expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)
        assert is_light(page.get_by_test_id("stApp"), "backgroundColor") == (theme == "light")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth - main.clientWidth") <= 0, address
        named = page.locator("link[href], script[src], img[src]").evaluate_all("all => all.map(e => e.href || e.src)")
        assert [url for url in named if not url.startswith(("data:", "http://127.0.0.1"))] == []
    button = page.get_by_role("button", name="Submit ticket")
    button.scroll_into_view_if_needed()
    assert button.evaluate(
        """button => {
            const {left, top, width, height} = button.getBoundingClientRect();
            const points = [[0.05, 0.2], [0.5, 0.5], [0.95, 0.8]];
            const what = ([x, y]) => document.elementFromPoint(left + x * width, top + y * height);
            return points.every(point => button.contains(what(point)));
        }"""
    ), "something covers the button"


@pytest.mark.parametrize(("width", "least"), [(390, 0.9), (1280, 1)])
def test_what_is_filtered_by_and_a_million_tickets_can_be_read(
    desk: Desk, open_window: Opening, width: int, least: float
) -> None:
    desk.file()
    query = "category=technical&category=billing&priority=critical&status=in_progress&status=resolved&assignee=Grace"
    page = open_window(f"/stats?{query}", viewport={"width": width, "height": 844})
    chosen = page.locator("[data-testid=stMultiSelect] [data-tag] > [title]:visible")
    expect(chosen).to_have_text(["Technical", "Billing", "Critical", "In progress", "Resolved", "Grace"])
    number = page.locator("[data-testid=stMetricValue] p")
    expect(number.first).to_have_text("0")
    settle(page)
    number.evaluate_all("all => all.forEach(one => { one.textContent = '1,005,947' })")
    share_seen = "all => all.map(one => one.clientWidth / one.scrollWidth)"
    assert min(chosen.evaluate_all(share_seen)) >= least, "on a phone a letter of the longest may be missing"
    assert min(number.locator("..").evaluate_all(share_seen)) == 1
    expect(number.first).to_have_text("1,005,947")
    if width > 1000:
        tops = [box["y"] for one in chosen.all()[:2] if (box := one.bounding_box())]
        assert tops[0] == tops[1], "two values stand beside each other"


def is_light(element: Locator, property: str) -> bool:
    """Whether this colour of the element is nearer to white than to black."""
    colour = element.evaluate("(element, property) => getComputedStyle(element)[property]", property)
    return sum(map(int, re.findall(r"\d+", colour)[:3])) > 3 * 128


def test_an_empty_desk_leads_to_the_form(open_window: Opening) -> None:
    page = open_window("/tickets")
    page.get_by_role("link", name="File the first ticket").click()
    expect(page.get_by_role("button", name="Submit ticket")).to_be_visible()


def test_every_field_has_a_name_and_the_form_can_be_filed_with_the_keyboard_alone(desk: Desk, page: Page) -> None:
    page.get_by_label("Title").focus()
    page.keyboard.type("Charged twice")
    page.keyboard.press("Tab")
    page.keyboard.type("June was charged twice.")
    for field in ("Category", "Priority"):
        page.keyboard.press("Tab")  # to what its values mean
        page.keyboard.press("Tab")
        expect(box(page, field)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Submit ticket")).to_be_focused()
    page.keyboard.press("Enter")
    expect_filed(page, 1)
    assert desk.ticket(1)["title"] == "Charged twice"


def test_a_long_answer_of_the_api_is_compressed_for_whoever_asks_for_that(desk: Desk) -> None:
    for number in range(5):
        desk.file(f"No {number}", "It fails. " * 20 + "Again.")
    plain, small = (
        httpx.get(f"{desk.url}/api/tickets/", headers={"Accept-Encoding": kind}) for kind in ("identity", "gzip")
    )
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert small.json() == plain.json()
    for answer in (plain, small):
        assert "accept-encoding" in answer.headers["vary"].lower()


def test_the_desk_logs_each_request_in_one_line_of_pairs_without_what_was_searched_for(desk: Desk) -> None:
    number = f"look-{time.monotonic_ns()}"
    answer = desk.api.get("/tickets/?search=hunter2", headers={"X-Request-ID": number})
    assert answer.headers["x-request-id"] == number
    until(lambda: number in desk.log())
    (line,) = [line for line in desk.log().splitlines() if number in line]
    assert line.startswith("at=20")
    assert f"request_id={number} method=GET path=/api/tickets/ status=200 ms=" in line
    assert "hunter2" not in desk.log()


def test_the_api_s_documentation_needs_nothing_from_the_internet(desk: Desk, chromium: Browser, watch: Watch) -> None:
    page = chromium.new_page(base_url=desk.url)
    watch.over(page)
    page.goto("/api/docs")
    expect(page.get_by_text("/tickets/stats").first).to_be_visible()
    page.close()
    assert not watch.faults


# Taking tickets away


def test_the_export_of_a_search_is_the_list_that_is_shown_and_the_page_says_how_far_it_is(
    desk: Desk, open_window: Opening
) -> None:
    for number in range(60):
        desk.file(f"=Invoice {number}", "wrong\nsum", category="billing" if number % 3 else "general")
    window = open_window("/tickets?search=invoice&category=billing")
    expect(window.get_by_text("40 tickets", exact=True)).to_be_visible()
    window.get_by_role("button", name="Export").click()
    window.get_by_role("radio", name="JSON Lines").click()
    link = window.get_by_role("link", name="Download")
    link.evaluate("link => link.removeAttribute('target')")  # its own window closes before a test can look into it
    with window.expect_download() as begun:
        link.click()
    lines = [json.loads(line) for line in begun.value.path().read_text().splitlines()]
    listed = desk.api.get("/tickets/?search=invoice&category=billing&limit=1000").json()
    assert [(line["id"], line["title"]) for line in lines] == [(ticket["id"], ticket["title"]) for ticket in listed]
    assert len(lines) == 40
    expect(window.get_by_text("40 rows exported.")).to_be_visible()
    desk.file("Meanwhile", "something is filed")
    window.wait_for_timeout(4_000)  # the page has rerun by itself
    expect(window.get_by_role("dialog")).to_be_visible()
    window.get_by_role("button", name="Close").click()
    expect(window.get_by_role("dialog")).to_have_count(0)
