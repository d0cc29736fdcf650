"""Pages that look by themselves whether something changed: the desk asks the database once for all of them."""

import itertools
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace

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
def test_whoever_looks_soon_after_another_sees_the_same_and_later_a_change(
    sql: Sql, monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    monkeypatch.setattr(loaders, "BEAT", 1e9)  # no other begins meanwhile
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
    monkeypatch.setattr(loaders, "BEAT", 1e9)  # no other begins meanwhile

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


class Clock:
    """Time as the desk sees it, and windows that look at it by themselves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.computed = 100.0, 50.0
        self.looks: list[Callable[[], None]] = []
        self.drawn: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "thread_time", lambda: self.computed)
        monkeypatch.setattr(following, "_costs", {})
        monkeypatch.setattr(following.st, "session_state", {})
        monkeypatch.setattr(following.st, "fragment", lambda **_: lambda look: self.looks.append(look) or look)
        monkeypatch.setattr(following.st, "rerun", lambda: self.drawn.append(self.now))

    def looked_at(self, *moments: float) -> list[float]:
        """When the page that came last is drawn anew, if it looks at these moments."""
        self.drawn.clear()
        for self.now in moments:
            if not self.drawn:
                self.looks[-1]()
        return self.drawn


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_that_the_database_is_away_is_said_at_once_and_what_changed_when_it_is_time(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    version: str | None = "newer"
    monkeypatch.setattr(following.random, "uniform", lambda _first, last: last)
    monkeypatch.setattr(loaders, "version", lambda: version or unavailable())

    def unavailable() -> str:
        raise DatabaseUnavailable

    following.rerun_together("older", "shown", following.Began(99.0, 49.0))
    assert clock.looked_at(105, 110, 115) == [], "to draw it takes a second: it is drawn every forty"
    assert clock.looked_at(120, 125, 130) == [125], "others are first"
    assert following.st.session_state == {"shown": (125, "newer"), following._ITSELF: 125}
    assert following.version_to_show("shown") == "newer", "the one that all see"
    assert "shown" not in following.st.session_state
    clock.now = 160.0
    following.rerun_together("older", "shown", following.Began(159.0, 49.0))
    version = None
    assert clock.looked_at(160.5, 166) == [166]


def test_what_is_known_of_the_first_beat_holds_for_those_who_look_seldom(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    versions: list[str | None] = []

    def version() -> str:
        if versions[-1] is None:
            raise DatabaseUnavailable
        return versions[-1]

    def seen(now: float, became: str | None, beats: int) -> str | None:
        clock.now = now
        versions.append(became)
        return loaders.shared_version(beats)[1]

    monkeypatch.setattr(loaders, "version", version)
    assert seen(81, "a", 1) == "a"
    assert [seen(85, "b", beats) for beats in (1, 2, 4, 8)] == ["a"] * 4
    assert [seen(99, "c", beats) for beats in (1, 2, 4, 8)] == ["c", "a", "a", "a"]
    assert [seen(121, "d", beats) for beats in (1, 2, 4, 8)] == ["d", "d", "d", "a"]
    assert [seen(131, None, beats) for beats in (1, 2, 4, 8)] == [None] * 4, "it is away: who looks seldom sees it too"
    assert [seen(160, None, beats) for beats in (1, 2, 4, 8)] == [None] * 4
    assert [seen(172, "e", beats) for beats in (1, 2, 4, 8)] == ["e"] * 4, "and that it is there again"


def test_what_one_window_paid_for_figures_others_do_not_ask_for_again_sooner(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """Of ten windows one draws the figures, and nine take them from the cache."""
    monkeypatch.setattr(following.random, "uniform", lambda first, _last: first)
    monkeypatch.setattr(loaders, "version", lambda: "newer")
    following.rerun_together("older", "shown", following.Began(99.0, 49.0))
    following.rerun_together("older", "shown", following.Began(99.9, 49.99))
    assert clock.looked_at(105, 110, 115) == []
    assert clock.looked_at(120) == [120]
    clock.now = 100.0
    following.rerun_together("another", "shown", following.Began(99.9, 49.99))
    assert clock.looked_at(105, 110) == [110], "another version was not paid for"
    clock.now = 100.0
    monkeypatch.setattr(following.st, "query_params", SimpleNamespace(to_dict=lambda: {"period": "7"}))
    following.rerun_together("older", "shown", following.Began(99.9, 49.99))
    assert clock.looked_at(105, 110) == [110], "nor were the figures of another period"


def test_what_changes_on_a_desk_that_was_quiet_is_shown_soon_however_long_it_took_to_draw_it_last(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(following.random, "uniform", lambda first, _last: first)
    version = "same"
    monkeypatch.setattr(loaders, "version", lambda: version)
    following.rerun_together("same", "shown", following.Began(90.0, 40.0))
    assert clock.looked_at(*range(105, 325, 5)) == []
    version = "newer"
    assert clock.looked_at(325, 330) == [330]


def test_a_turn_that_has_come_is_not_lost_by_looking_early_in_the_next_beat(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """A tab that is hidden looks once a minute, always as early in a beat."""
    monkeypatch.setattr(following.random, "uniform", lambda _first, last: last)
    monkeypatch.setattr(loaders, "version", lambda: "newer")
    following.rerun_together("older", "shown", following.Began(99.9, 49.99))
    assert clock.looked_at(161, 221) == [221]


@pytest.mark.parametrize(
    ("took", "computed", "every"),
    [
        (0.1, 0.1, 10), (0.46, 0.46, 10), (0.5, 0.5, 20), (1.0, 1.0, 40), (3.0, 3.0, 80),
        (1.4, 0.1, 10), (2.0, 0.1, 20), (4.0, 0.1, 40), (9.0, 0.1, 80),
    ],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(6))
def test_who_look_at_the_same_figures_see_the_same_version_and_seldom_another(
    monkeypatch: pytest.MonkeyPatch, took: float, computed: float, every: float, seed: int
) -> None:
    """Two windows while something changes all the time, however long it takes to draw them."""
    chance = random.Random(seed)
    monkeypatch.setattr(following.random, "uniform", chance.uniform)
    clock = Clock(monkeypatch)
    clock.now += chance.uniform(0, 80)
    monkeypatch.setattr(loaders, "version", lambda: str(clock.now))
    shows: list[list[tuple[float, str]]] = [[], []]
    looks: list[Callable[[], None]] = []
    due: list[float] = []

    def draw(window: int) -> None:
        """Draws a window at the present time; it looks again as long after as Streamlit lets it."""
        version = following.version_to_show("shown")
        assert version
        shows[window].append((clock.now, version))
        began = clock.now
        clock.now += took
        following.rerun_together(version, "shown", following.Began(began, clock.computed - computed))
        looks[window:] = [clock.looks.pop(), *looks[window + 1 :]]
        due[window:] = [clock.now + following.LOOKS, *due[window + 1 :]]
        clock.now = began

    draw(0)
    clock.now += chance.uniform(2, 4)
    draw(1)
    begun = clock.now
    while (soonest := min(due)) < begun + 160 + took:
        window, clock.now = due.index(soonest), soonest
        due[window] += following.LOOKS
        clock.drawn.clear()
        looks[window]()
        if clock.drawn:
            draw(window)
    seen = [[version for _, version in shown[1:]] for shown in shows]
    assert seen[0]
    assert len(set(seen[0]) & set(seen[1])) >= 0.8 * min(map(len, seen)) - 1, (
        "but for one that somebody came too late for"
    )
    for shown in shows:
        moments = [moment for moment, _ in shown[1:]]
        assert all(after - before >= 0.6 * loaders.BEAT for before, after in itertools.pairwise(moments))
        assert len(moments) <= 160 / every + 1
        assert moments[0] < begun + took + every + 3 * following.LOOKS
        assert all(after - before < every + 3 * following.LOOKS for before, after in itertools.pairwise(moments))


@pytest.mark.parametrize(("took", "wanted"), [(0.1, 110.0), (0.6, 120.0), (2.0, 140.0), (9.0, 160.0)])
def test_a_list_that_takes_long_to_draw_is_drawn_seldom_but_within_half_a_minute_if_it_can(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, took: float, wanted: float
) -> None:
    monkeypatch.setattr(loaders, "recent_version", lambda: (clock.now, "newer"))
    following.rerun_when_changed("older", following.Began(100.0 - took, 50.0))
    assert clock.looked_at(105.0, 110.0, 115.0, 120.0, 135.0, 140.0, 155.0, 160.0) == [wanted]
    assert following.st.session_state == {following._ITSELF: wanted}


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
