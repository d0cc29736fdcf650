"""Every mark of the stats page leads to the tickets behind it: the list that its link opens has as many as it says."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from tests.lives import HOUR, NOW, lives, store
from tests.oracle import PRIORITIES
from ticketcore import database, driver, listing
from ticketcore.filters import TicketFilter
from ticketcore.models import Priority
from ticketcore.period import Period, Unit
from ticketcore.review import review
from ticketcore.ui.marks import Shown
from ticketcore.ui.workbook import sheets
from ticketcore.validation import parse

BERLIN = ZoneInfo("Europe/Berlin")
TARGETS = dict(zip(map(Priority, PRIORITIES), (168 * HOUR, 72 * HOUR, 24 * HOUR, 4 * HOUR), strict=True))
PERIODS = {
    "a month with 25 hours on a day": Period(date(2026, 10, 20), date(2026, 11, 18), BERLIN, NOW),
    "into the future": Period(date(2026, 8, 20), date(2026, 12, 31), BERLIN, NOW),
    "long over": Period(date(2026, 9, 3), date(2026, 9, 17), BERLIN, NOW),
}
FILTERS: list[dict[str, Any]] = [
    {},
    {"priority": ["high", "low"], "status": ["open", "closed"], "assignee": ["Ann"]},
    {"category": ["billing"], "search": "a"},
    {"status": ["closed"]},
]


@pytest.fixture(scope="module")
def filled(newest_server: str) -> Iterator[database.Database]:
    """A desk with random lives, for all tests of this file."""
    db = database.Database(newest_server)
    engine = sa.create_engine(driver.driver_url(newest_server), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as sql:
        store(sql, lives(400))
        yield db
        sql.exec_driver_sql("truncate tickets, ticket_events restart identity")
    db.close()


@pytest.fixture(autouse=True)
def fresh_desk() -> None:
    """In place of the empty desk of the other tests."""


def behind(link: str) -> TicketFilter:
    """The filter that the tickets page reads from a link, worked out anew: words, days of Berlin, and the rest."""
    values: dict[str, Any] = {}
    pairs = parse_qsl(urlsplit(link).query, strict_parsing=True)
    pairs += [pair for key, words in pairs if key == "behind" for pair in parse_qsl(words, strict_parsing=True)]
    several = (
        "category",
        "priority",
        "status",
        "assignee",
        "weekday",
        "hour",
        "suggestion_source",
        "suggested_category",
    )
    for key, word in pairs:
        if key in ("from", "to"):
            day = pd.Timestamp(word) + pd.Timedelta(days=int(key == "to"))
            values[f"created_{key}"] = day.tz_localize(BERLIN).to_pydatetime()
        elif key in several:
            facet = key in ("category", "priority", "status")
            values.setdefault(key, []).append(word.lower().replace(" ", "_") if facet else word)
        elif key != "behind":
            values[key] = word
    return parse(TicketFilter, values)


def marks(frame: pd.DataFrame) -> Iterator[tuple[int, str | None]]:
    """Each number of a frame with its link."""
    for column in frame:
        name = str(column)
        number = {"link": "kept" if "kept" in frame else "number"}.get(name, name.removesuffix("_link"))
        if name.endswith("link"):
            for count, link in zip(frame[number], frame[name], strict=True):
                yield int(count), None if pd.isna(link) else str(link)


FRAMES = ("flow", "backlog", "resolution", "response", "promises", "ages", "arrivals", "work", "suggestions",
          "suggestions_over_time", "confusion")  # fmt: skip


@pytest.mark.parametrize("matching", FILTERS, ids=str)
@pytest.mark.parametrize("period", PERIODS.values(), ids=PERIODS)
def test_the_list_behind_every_mark_has_as_many_tickets_as_the_mark_says(
    filled: database.Database, period: Period, matching: dict[str, Any]
) -> None:
    where = parse(TicketFilter, matching)
    shown = Shown(review(filled, where, period, Unit.WEEK, TARGETS), where, period, TARGETS)
    followed = 0
    for name in FRAMES:
        for number, link in marks(getattr(shown, name).to_pandas()):
            assert (link is None) == (number == 0), (name, number, link)
            if link:
                followed += 1
                assert listing.count(filled, behind(link)).number == number, (name, link)
    assert followed > 20 or matching == {"status": ["closed"]}


def test_the_workbook_holds_the_numbers_of_the_page_and_no_links(filled: database.Database) -> None:
    period = PERIODS["long over"]
    shown = Shown(review(filled, TicketFilter(), period, Unit.DAY, TARGETS), TicketFilter(), period, TARGETS)
    found = sheets(shown)
    assert found["Created and resolved"]["number"].tolist() == shown.flow["number"].to_pylist()
    assert not [column for frame in found.values() for column in frame if "link" in str(column)]
