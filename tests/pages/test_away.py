"""The database goes away and comes back: every page says so, no text is lost, and nobody has to restart anything."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from streamlit.testing.v1 import AppTest

from tests.conftest import FAST
from tests.pages.conftest import Filing, change, click, field, listed, run, shows, texts, values, visit
from ticketcore import desk
from ticketcore.embedded import EmbeddedServer
from ticketcore.errors import Overloaded
from ticketcore.ui import loaders, widgets


class Power:
    """The switch of a PostgreSQL of one's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.on()
        self.url = self.server.url

    def on(self) -> None:
        self.server = EmbeddedServer(self.folder, options=FAST)

    def off(self) -> None:
        self.server.stop()

    def titles(self) -> list[str]:
        connection = psycopg2.connect(self.url)
        with connection, connection.cursor() as cursor:
            cursor.execute("select title from tickets order by id")
            found = [title for (title,) in cursor.fetchall()]
        connection.close()
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("postgresql-away")


@pytest.fixture
def power(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Power]:
    """The switch of the server that the desk uses, which holds one ticket."""
    power = Power(folder)
    monkeypatch.setenv("DATABASE_URL", power.url)
    connection = psycopg2.connect(power.url)
    desk.current()
    with connection, connection.cursor() as cursor:
        cursor.execute("truncate tickets, ticket_events restart identity")
        cursor.execute(
            "insert into tickets (title, description, category, priority)"
            " values ('The first ticket', 'Its description', 'general', 'medium')"
        )
    connection.close()
    yield power
    desk.stop()
    power.off()


def is_sorry(at: AppTest) -> bool:
    """Whether the page says that the database is away, in the desk's own words and once."""
    (error,) = at.error
    assert error.value.startswith("The database cannot be reached right now\\.")
    assert not [text for text in texts(at) if any(word in text for word in ("psycopg", "Traceback", "socket", "SQL"))]
    return True


def timeless(at: AppTest) -> list[str]:
    """The texts, but for how long ago something was."""
    return [re.sub(r"\b(now|a moment ago|an? \w+ ago|\d+ \w+ ago)\b", "…", text) for text in texts(at)]


@pytest.mark.parametrize(("page", "params"), [("browse.py", {}), ("stats.py", {}), ("ticket.py", {"id": "1"})])
def test_a_page_says_that_the_database_is_away_and_is_whole_again_when_it_is_back(
    power: Power, page: str, params: dict[str, str]
) -> None:
    at = visit(page, **params)
    whole = timeless(at)
    power.off()
    assert is_sorry(run(at))
    assert shows(at, "This page comes back by itself.")
    assert is_sorry(run(at))
    power.on()
    run(at)
    assert not at.error
    assert timeless(at) == whole


@pytest.mark.parametrize(("page", "params"), [("browse.py", {}), ("stats.py", {}), ("ticket.py", {"id": "1"})])
def test_who_comes_while_the_database_is_away_sees_the_page_once_it_is_back(
    power: Power, page: str, params: dict[str, str]
) -> None:
    power.off()
    at = visit(page, **params)
    assert is_sorry(at)
    power.on()
    run(at)
    assert not at.error
    assert at.dataframe or at.metric or at.html


def test_the_form_stays_usable_and_keeps_its_text_and_the_ticket_is_filed_once_the_database_is_back(
    power: Power,
) -> None:
    at = visit()
    power.off()
    change(at, "Title", "Written in the dark")
    change(at, "Description", "Every character counts.")
    change(at, "Priority", "critical")
    click(at, "Submit ticket")
    assert shows(at, "Your text is still here.")
    written = ["Written in the dark", "Every character counts.", "critical"]
    assert values(at, "Title", "Description", "Priority") == written
    click(at, "Submit ticket")
    assert values(at, "Title", "Description", "Priority") == written
    power.on()
    run(at)
    assert values(at, "Title", "Description", "Priority") == written
    click(at, "Submit ticket")
    assert power.titles() == ["The first ticket", "Written in the dark"]
    assert not at.error
    assert values(at, "Title", "Description") == ["", ""]
    assert shows(at, "#2 Written in the dark")


def test_the_newest_list_beside_the_form_says_that_the_database_is_away_and_comes_back(power: Power) -> None:
    at = visit()
    power.off()
    assert is_sorry(run(at))
    power.on()
    assert shows(run(at), "#1 The first ticket")
    assert not at.error


def test_a_status_that_could_not_be_stored_is_not_shown_as_if_it_were(power: Power) -> None:
    at = visit("ticket.py", id="1")
    power.off()
    change(at, "Status", "closed")
    assert at.error
    power.on()
    run(at)
    assert field(at, "Status").value == "open"
    change(at, "Status", "resolved")
    assert field(run(at), "Status").value == "resolved"


def test_a_filter_can_be_changed_while_the_database_is_away_and_counts_when_it_is_back(power: Power) -> None:
    at = visit("browse.py")
    power.off()
    change(at, "Search", "first")
    assert is_sorry(at)
    power.on()
    assert listed(run(at)) == ["The first ticket"]
    assert field(at, "Search").value == "first"
    assert shows(change(at, "Search", "second"), "No ticket matches this filter.")


@pytest.mark.parametrize("script", ["browse.py", "stats.py"])
def test_a_database_with_too_much_to_do_is_asked_again_when_whoever_looks_says_so(
    file_ticket: Filing, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    file_ticket("There")
    asked = []

    def overloaded(*_: object) -> None:
        asked.append(1)
        raise Overloaded("It took too long. Narrow the filter.")

    with monkeypatch.context() as busy:
        for name in ("count", "overview"):
            busy.setattr(loaders, name, overloaded)
        at = visit(script)
        assert [error.value for error in at.error] == ["It took too long\\. Narrow the filter\\."]
        assert len(asked) == 1
    click(at, "Try again")
    assert not at.error
    assert listed(at) == ["There"] if script == "browse.py" else at.metric


def test_whose_session_ends_while_the_database_has_too_much_to_do_sees_the_way_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []
    look = widgets._see_whether_the_session_is_over.__wrapped__
    monkeypatch.setattr(widgets, "_see_whether_the_session_is_over", look)
    monkeypatch.setattr(widgets.st, "rerun", lambda: drawn.append("anew"))
    for may, wanted in ((True, []), (False, ["anew"])):
        monkeypatch.setattr(widgets.me, "may", lambda _role, may=may: may)
        with widgets.guard():
            raise Overloaded  # the look begins with the page, and is taken again every five seconds
        assert drawn == wanted
