"""Pages that look by themselves whether something changed: the desk asks the database once for all of them."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
import streamlit as st

from tests.pages.conftest import Sql
from ticketcore import desk
from ticketcore.access import Person
from ticketcore.errors import DatabaseUnavailable, Forbidden, Overloaded
from ticketcore.ui import following, loaders, me

LOOKS = pytest.mark.parametrize("look", [loaders.recent_version, loaders.shared_version])
Look = Callable[[], tuple[float, str | None]]


@LOOKS
def test_whoever_looks_soon_after_another_sees_the_same_and_later_a_change(sql: Sql, look: Look) -> None:
    first = look()
    sql("insert into tickets (title, description, category, priority) values ('New', 'A', 'billing', 'low')")
    assert look() == first
    st.cache_data.clear()  # as when its time is over
    assert look()[1] not in (first[1], None)


@LOOKS
def test_whose_session_has_ended_is_told_so_whoever_looked_before(monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    assert look()[1]
    monkeypatch.setattr(me, "desk", lambda: desk.current().seat(Person(None, None)))
    with pytest.raises(Forbidden):
        look()


@LOOKS
def test_a_database_that_is_away_is_found_out_once_for_all(monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    asked = []

    def version() -> str:
        asked.append(1)
        raise DatabaseUnavailable

    monkeypatch.setattr(loaders, "version", version)
    assert [look()[1] for _ in range(5)] == [None] * 5
    assert len(asked) == 1


@LOOKS
def test_a_database_that_has_too_much_to_do_is_no_reason_to_draw_pages_anew(
    monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    def version() -> str:
        raise Overloaded

    before = time.monotonic()
    monkeypatch.setattr(loaders, "version", version)
    taken, found = look()
    assert found is None
    assert taken < before


def test_a_page_that_would_be_drawn_by_itself_lets_others_go_first_but_not_for_ever() -> None:
    patient, another = following._Courtesy(), following._Courtesy()
    assert not patient.waits(), "nobody is drawn"
    begun, over = threading.Event(), threading.Event()

    def draw() -> None:
        with suppress(ZeroDivisionError), following.drawing():
            begun.set()
            over.wait(20)
            raise ZeroDivisionError

    thread = threading.Thread(target=draw)
    thread.start()
    assert begun.wait(20)
    assert [patient.waits() for _ in range(4)] == [True, True, False, False]
    assert another.waits()
    over.set()
    thread.join()
    assert not another.waits()


def test_pages_that_are_drawn_by_themselves_do_not_wait_for_each_other() -> None:
    patient = following._Courtesy()
    for is_by_itself in (True, False):
        if is_by_itself:
            st.session_state[following._ITSELF] = time.monotonic()
        with following.drawing():
            assert patient.waits() != is_by_itself
    assert following._ITSELF not in st.session_state


def test_that_the_database_is_away_is_said_at_once_and_what_changed_when_it_is_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[Callable[[], None]] = []
    now, version = 100.0, "newer"
    monkeypatch.setattr(following.st, "fragment", lambda **_: lambda look: looks.append(look) or look)
    monkeypatch.setattr(following.st, "session_state", {})
    monkeypatch.setattr(following.st, "rerun", lambda: drawn.append(now))
    monkeypatch.setattr(following.random, "randrange", lambda _: 2)
    monkeypatch.setattr(following.time, "monotonic", lambda: now)
    monkeypatch.setattr(loaders, "shared_version", lambda: (now, version))

    def looked_at(*moments: float) -> list[float]:
        nonlocal now
        drawn.clear()
        for now in moments:  # noqa: B007 - what is asked meanwhile sees it
            looks[-1]()
        return drawn

    drawn: list[float] = []
    following.rerun_together("older", "shown", began=99.0)
    assert looked_at(105, 110, 115) == [], "to draw it takes a second, and thirty of them have not gone by"
    assert looked_at(120, 125, 130) == [130], "others are first"
    assert following.st.session_state == {"shown": (130, "newer"), following._ITSELF: 130}
    assert following.version_to_show("shown") == "newer", "the one that all see"
    assert "shown" not in following.st.session_state
    now = 100.0
    following.rerun_together("older", "shown", began=99.0)
    version = None
    assert looked_at(100.5, 105) == [105]


@pytest.mark.parametrize(("took", "wanted"), [(0.1, 110.0), (0.6, 120.0), (2.0, 140.0), (9.0, 160.0)])
def test_a_list_that_takes_long_to_draw_is_drawn_seldom_but_within_half_a_minute_if_it_can(
    monkeypatch: pytest.MonkeyPatch, took: float, wanted: float
) -> None:
    looks: list[Callable[[], None]] = []
    drawn: list[float] = []
    now = 100.0
    monkeypatch.setattr(following.st, "fragment", lambda **_: lambda look: looks.append(look) or look)
    monkeypatch.setattr(following.st, "session_state", {})
    monkeypatch.setattr(following.st, "rerun", lambda: drawn.append(now))
    monkeypatch.setattr(following.time, "monotonic", lambda: now)
    monkeypatch.setattr(loaders, "recent_version", lambda: (now, "newer"))
    following.rerun_when_changed("older", began=100.0 - took)
    for now in (105.0, 110.0, 115.0, 120.0, 135.0, 140.0, 155.0, 160.0):  # noqa: B007 - what is asked meanwhile sees it
        if not drawn:
            looks[-1]()
    assert drawn == [wanted]
    assert following.st.session_state == {following._ITSELF: drawn[0]}


def test_what_was_said_of_a_run_that_never_was_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A click may come just before the page draws itself anew: its own run is not that one, nor is the next visit."""
    monkeypatch.setattr(loaders, "version_if_there", lambda: "newest")
    state = {"shown": (time.monotonic() - 60, "older"), following._ITSELF: time.monotonic() - 60}
    monkeypatch.setattr(following.st, "session_state", state)
    assert following.version_to_show("shown") == "newest"
    with following.drawing():
        assert following._Courtesy().waits(), "somebody did something"
    assert state == {}


def test_whose_session_has_ended_while_a_page_was_open_sees_the_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Callable[[], None]] = []
    drawn: list[str] = []
    monkeypatch.setattr(following.st, "fragment", lambda **_: lambda look: looks.append(look) or look)
    monkeypatch.setattr(following.st, "rerun", lambda: drawn.append("anew"))
    following.rerun_when_changed("older")
    assert drawn == []
    monkeypatch.setattr(me, "may", lambda _role: False)
    looks[0]()
    assert drawn == ["anew"]
