"""What the desk changes in Streamlit's insides does the same as before, in less time."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit import config
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import app_session

from ticketcore.ui import tuning

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
    yield populate
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_theme_is_the_one_that_streamlit_puts_together(untuned: Any, section: str) -> None:
    tuning.tune()
    wanted = CustomThemeConfig()
    untuned(wanted, section)
    assert wanted.ByteSize() or "sidebar" in section
    for _ in range(2):
        found = CustomThemeConfig()
        app_session._populate_theme_msg(found, section)
        assert found == wanted
        found.primary_color = "#123456"  # each gets its own


def test_what_was_loaded_is_looked_through_no_more_and_what_comes_still_is(untuned: Any) -> None:
    tuning.settle()
    assert gc.get_freeze_count() > 100_000
    circle: list[Any] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1
