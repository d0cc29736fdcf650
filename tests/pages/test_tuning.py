"""What the desk changes in Streamlit's insides does the same as before, in less time."""

import asyncio
import gc
import inspect
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from streamlit import config, type_util
from streamlit.proto.NewSession_pb2 import NewSession
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from ticketcore.ui import sending, tuning

SECTIONS = ("theme", "theme.light", "theme.dark", "theme.sidebar", "theme.light.sidebar", "theme.dark.sidebar")


@pytest.fixture(autouse=True)
def fresh_desk() -> None:
    """In place of the empty desk of the other tests."""


@pytest.fixture
def untuned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """How Streamlit itself puts the theme together."""
    populate, threshold = app_session._populate_theme_msg, gc.get_threshold()
    monkeypatch.setattr(app_session, "_populate_theme_msg", populate)  # put back afterwards
    monkeypatch.setattr(config, "_config_lock", config._config_lock)
    monkeypatch.setattr(sending, "tune", lambda: None)  # see test_sending.py
    monkeypatch.setattr(AppSession, "_create_scriptrunner", AppSession._create_scriptrunner)
    monkeypatch.setattr(type_util, "get_func_parameters", type_util.get_func_parameters)
    yield populate
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_the_theme_is_the_one_that_streamlit_puts_together(untuned: Any) -> None:
    def told(populate: Any) -> NewSession:
        """The parts of the theme, where Streamlit puts them."""
        message = NewSession()
        theme = message.custom_theme
        parts = (theme, theme.light, theme.dark, theme.sidebar, theme.light.sidebar, theme.dark.sidebar)
        for part, section in zip(parts, SECTIONS, strict=True):
            populate(part, section)
        return message

    tuning.tune()
    assert app_session._populate_theme_msg is not untuned
    wanted = told(untuned)
    assert wanted.custom_theme.light.primary_color
    for _ in range(2):
        found = told(app_session._populate_theme_msg)
        assert found.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)
        found.custom_theme.light.primary_color = "#123456"  # each gets its own


class Circle:
    """Refers to itself, so that only the collection of garbage ends it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_loaded_is_looked_through_no_more_and_what_comes_still_is(untuned: Any) -> None:
    tuning.settle()
    assert gc.get_freeze_count() > 100_000
    left = weakref.ref(Circle())
    gc.collect()
    assert left() is None


class Session:
    """As much of a session of Streamlit's as begins runs."""

    def __init__(self) -> None:
        self._scriptrunner: Any = None
        self._state = AppSessionState.APP_NOT_RUNNING
        self._event_loop = asyncio.get_running_loop()
        self.fragments = {"it", "other"}
        self.begin = lambda data: AppSession._create_scriptrunner(self, data)  # type: ignore[arg-type]

    def has_fragment(self, name: str) -> bool:
        return name in self.fragments


OVER = object()
"""A run that takes nothing more, of which it has not been heard yet that it is over."""


def asked(value: str, fragment: str = "") -> RerunData:
    """What a browser asks for whose only field has this value."""
    states = WidgetStates(widgets=[WidgetState(id="field", string_value=value)])
    return RerunData(fragment_id=fragment or None, widget_states=states, page_name=value)


FRAGMENT, PAGE = asked("old", "it"), asked("new")


@pytest.fixture
def begun(untuned: Any, monkeypatch: pytest.MonkeyPatch) -> list[RerunData]:
    """The runs that began."""
    begun: list[RerunData] = []
    monkeypatch.setattr(AppSession, "_create_scriptrunner", lambda _session, data: begun.append(data))
    tuning.tune()
    return begun


def happens(story: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
    async def within() -> None:
        await story(Session())

    with ThreadPoolExecutor(1) as apart:  # a loop of its own, whatever runs in this thread
        apart.submit(lambda: asyncio.run(within())).result()


@pytest.mark.parametrize("then", ["it ended", "the fragment is gone", "the window was closed"])
def test_a_fragment_is_run_once_the_end_of_the_run_before_was_heard_of(begun: list[RerunData], then: str) -> None:
    async def story(session: Session) -> None:
        session.begin(FRAGMENT)
        assert begun == [FRAGMENT], "nothing went before"
        begun.clear()
        session._scriptrunner = OVER
        session.begin(PAGE)
        assert begun == [PAGE], "a page does not wait"
        begun.clear()
        session.begin(FRAGMENT)
        await asyncio.sleep(5 * tuning.SOON)
        assert begun == []
        session._scriptrunner = None
        if then == "the fragment is gone":
            session.fragments.clear()
        if then == "the window was closed":
            session._state = AppSessionState.SHUTDOWN_REQUESTED
        await asyncio.sleep(5 * tuning.SOON)
        assert begun == ([FRAGMENT] if then == "it ended" else [])

    happens(story)


def test_a_page_that_is_asked_for_while_a_fragment_waits_is_run_as_it_was_asked_for_last(
    begun: list[RerunData],
) -> None:
    async def story(session: Session) -> None:
        session._scriptrunner = OVER
        session.begin(FRAGMENT)
        session._scriptrunner = None
        session.begin(PAGE)
        await asyncio.sleep(5 * tuning.SOON)
        (one,) = begun
        assert (one.page_name, one.fragment_id_queue) == ("new", [])
        assert one.widget_states
        assert [state.string_value for state in one.widget_states.widgets] == ["new"]

    happens(story)


def test_fragments_that_wait_are_run_together_with_what_was_said_last(begun: list[RerunData]) -> None:
    async def story(session: Session) -> None:
        session._scriptrunner = OVER
        session.begin(FRAGMENT)
        session.begin(asked("newer", "other"))
        session._scriptrunner = None
        await asyncio.sleep(5 * tuning.SOON)
        (one,) = begun
        assert one.fragment_id_queue == ["it", "other"]
        assert one.page_name == "newer"

    happens(story)


def test_a_click_that_waits_is_not_lost_when_a_page_is_asked_for(begun: list[RerunData]) -> None:
    async def story(session: Session) -> None:
        session._scriptrunner = OVER
        states = WidgetStates(widgets=[WidgetState(id="button", trigger_value=True)])
        session.begin(RerunData(fragment_id="it", widget_states=states))
        session._scriptrunner = None
        session.begin(PAGE)
        (one,) = begun
        assert one.widget_states
        assert {state.id for state in one.widget_states.widgets if state.trigger_value} == {"button"}

    happens(story)


def test_what_goes_wrong_when_a_fragment_begins_late_is_told_to_its_window(
    begun: list[RerunData], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_session: object, _data: RerunData) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(AppSession, "_create_scriptrunner", tuning._one_by_one(fails))
    told: list[Exception] = []

    async def story(session: Session) -> None:
        session.handle_backmsg_exception = told.append
        session._scriptrunner = OVER
        session.begin(FRAGMENT)
        session._scriptrunner = None
        await asyncio.sleep(5 * tuning.SOON)

    happens(story)
    assert [type(one) for one in told] == [ZeroDivisionError]


def test_a_function_s_arguments_are_read_once(untuned: Any) -> None:
    def cached(matching: str, *, at: int = 3) -> None: ...

    wanted = type_util.get_func_parameters(cached)
    tuning.tune()
    assert type_util.get_func_parameters(cached) == wanted == [*inspect.signature(cached).parameters.values()]
    assert type_util.get_func_parameters(cached) is type_util.get_func_parameters(cached)
