"""No page has a serious accessibility fault, by axe-core, in either theme and on a narrow screen as on a wide one."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Desk, settle

PAGES = {
    "submit": "/", "tickets": "/tickets", "stats": "/stats", "ticket": "/ticket?id=1", "suggestions": "/suggestions",
    "access": "/access",
}  # fmt: skip

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
"""The Web Content Accessibility Guidelines, levels A and AA."""


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("address", PAGES.values(), ids=PAGES)
def test_no_page_has_a_serious_fault(desk: Desk, chromium: Browser, theme: Any, width: int, address: str) -> None:
    for number in range(3):
        desk.file(f"Charged twice in month {number}", "It says so on my statement.")
    context = chromium.new_context(
        base_url=desk.url, color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    try:
        page: Page = context.new_page()
        page.goto(address)
        settle(page)
        page.wait_for_timeout(1_500)  # for the charts, which draw themselves later
        found = Axe().run(page, options=RULES)
        serious = [
            (
                fault["id"],
                fault["help"],
                [(node["html"][:200], [one["message"] for one in node["any"]]) for node in fault["nodes"]],
            )
            for fault in found.response["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == []
    finally:
        context.close()
