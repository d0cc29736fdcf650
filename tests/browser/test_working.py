"""Working on tickets in a real browser: one's name, the keys, and somebody who was faster."""

from contextlib import suppress

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Desk, Opening, settle


def test_the_browser_remembers_who_sits_there(desk: Desk, open_window: Opening) -> None:
    number = desk.file("Charged twice")["id"]
    page = open_window(f"/ticket?id={number}")
    page.get_by_role("button", name="Who are you?").click()
    page.get_by_label("Your name", exact=True).fill("Ann Lee")
    page.get_by_label("Your name", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Ann Lee")).to_be_visible()
    page.wait_for_function("document.cookie.includes('desk_name')")
    page.reload()
    page.get_by_role("button", name="Assign to me").click()
    expect(page.get_by_text("Assigned to Ann Lee")).to_be_visible()
    expect(page.get_by_text("Assignee nobody → Ann Lee by Ann Lee")).to_be_visible()


def press(page: Page, key: str, there: Locator) -> None:
    """Presses a key until what it leads to is there: Streamlit listens for keys only a while after it has drawn."""
    for _ in range(8):
        settle(page)
        page.keyboard.press(key)
        with suppress(AssertionError):
            expect(there).to_be_visible(timeout=4_000)
            return
    expect(there).to_be_visible()


def test_keys_lead_through_the_list_and_back_to_it(desk: Desk, open_window: Opening) -> None:
    for title in ("First", "Second", "Third"):
        desk.file(title)
    page = open_window("/ticket?id=2")
    expect(page.get_by_text("Second", exact=True)).to_be_visible()
    press(page, "j", page.get_by_text("First", exact=True))
    press(page, "k", page.get_by_text("Second", exact=True))
    press(page, "e", page.get_by_label("Title"))
    expect(page.get_by_label("Title")).to_have_value("Second")
    page.get_by_label("Title").fill("Second, rewritten")
    page.get_by_label("Title").press("Alt+Enter")
    expect(page.get_by_text("Second, rewritten", exact=True)).to_be_visible()
    press(page, "Escape", page.get_by_text("3 tickets"))


def test_two_who_rewrite_one_ticket_lose_nothing(desk: Desk, open_window: Opening) -> None:
    desk.file("Old title")
    mine, theirs = open_window("/ticket?id=1"), open_window("/ticket?id=1")
    for page, title in ((mine, "Mine"), (theirs, "Theirs")):
        page.get_by_role("button", name="Edit").click()
        page.get_by_label("Title").fill(title)
        page.get_by_label("Title").press("Tab")
    theirs.get_by_role("button", name="Save").click()
    expect(theirs.get_by_text("Theirs", exact=True)).to_be_visible()
    expect(mine.get_by_text("Somebody else changed this ticket")).to_be_visible()
    expect(mine.get_by_label("Title")).to_have_value("Mine")
    mine.get_by_role("button", name="Save mine anyway").click()
    expect(theirs.get_by_text("Mine", exact=True)).to_be_visible()


def test_a_view_is_saved_and_one_click_shows_it(desk: Desk, open_window: Opening) -> None:
    desk.file("Charged twice", category="billing")
    desk.file("Cannot log in", category="technical")
    page = open_window("/tickets?category=Billing")
    expect(page.get_by_text("1 ticket", exact=True)).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Save this view as").fill("Money")
    page.get_by_label("Save this view as").press("Enter")
    page.get_by_role("button", name="Save view").click()
    expect(page.get_by_role("button", name="Money")).to_be_visible()
    page = open_window("/tickets")
    expect(page.get_by_text("2 tickets", exact=True)).to_be_visible()
    page.get_by_role("button", name="Views").click()
    settle(page)
    page.get_by_role("button", name="Money").click()
    expect(page.get_by_text("1 ticket", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Money")).to_have_count(0)
    settle(page)
    page.get_by_role("button", name="Views").click()
    settle(page)
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("button", name="Money")).to_have_count(0)


def test_ticks_stay_with_their_tickets_when_others_come(desk: Desk, open_window: Opening) -> None:
    for number in range(1, 5):
        desk.file(f"Ticket {number}")
    page = open_window("/tickets")
    page.get_by_text("Change several").click()
    expect(page.get_by_text("Tick tickets in the table to change them together.")).to_be_visible()
    settle(page)
    page.get_by_test_id("data-grid-canvas").wait_for()  # its code comes after the page
    grid = page.get_by_test_id("stDataFrame").bounding_box()
    assert grid

    def tick(row: int) -> None:
        page.mouse.click(grid["x"] + 18, grid["y"] + 36 + 35 * row + 17)

    for number, row in enumerate((0, 1, 3), 1):  # tickets 4, 3 and 1, since the newest is first
        tick(row)
        ticked = f"{number} ticket{'s' * (number > 1)}. Choose what to change about them."
        expect(page.get_by_text(ticked)).to_be_visible()
    desk.file("Another one")
    tick(0)  # off again, before the list has followed
    expect(page.get_by_text("5 tickets", exact=True)).to_be_visible()
    expect(page.get_by_text("2 tickets. Choose what to change about them.")).to_be_visible()
    desk.file("And another one")
    expect(page.get_by_text("6 tickets", exact=True)).to_be_visible()
    settle(page)
    expect(page.get_by_text("2 tickets. Choose what to change about them.")).to_be_visible()
    page.get_by_role("combobox", name="New status").click()
    page.get_by_role("option", name="Closed").click()
    page.get_by_role("button", name="Change 2 of 2 tickets").click()
    expect(page.get_by_text("2 tickets changed.")).to_be_visible()
    assert {ticket["id"] for ticket in desk.tickets() if ticket["status"] == "closed"} == {1, 3}
