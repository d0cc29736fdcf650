"""What of Streamlit's insides is changed, because on a desk with many visitors it costs more than it gives, or loses
what was to be shown. And how Python collects garbage, for the same reason.
"""

import gc
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from weakref import WeakKeyDictionary

from streamlit import config, env_util, type_util
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from ticketcore.ui import sending

Populate = Callable[..., None]
Create = Callable[[AppSession, RerunData], None]

SOON = 0.01
"""Seconds after which a run that cannot begin yet is tried again."""


def tune() -> None:
    """Changes them; for once the settings are read and before the first visitor."""
    # Streamlit takes a lock for every look at its settings, a hundred times a page, and whoever loses the interpreter
    # while holding it lets all others wait. Once the process runs nobody changes them, and to look needs no lock.
    config._config_lock = nullcontext()  # type: ignore[assignment]
    app_session._populate_theme_msg = _kept(app_session._populate_theme_msg)
    AppSession._create_scriptrunner = _one_by_one(  # type: ignore[assignment, method-assign]
        AppSession._create_scriptrunner
    )
    sending.tune()
    # What is cached is found by the names of its arguments, for each of which Streamlit reads the whole signature.
    type_util.get_func_parameters = lru_cache(type_util.get_func_parameters)


def settle() -> None:
    """Does what the first visitor would wait for, and takes what the process has loaded out of Python's garbage
    collection; for once it has started.

    To look for garbage among it took 200–1,100 ms, every twenty seconds under load, in which nobody was answered.
    """
    env_util.is_repl()  # Streamlit asks with the first page, and looks at each module there is: 0.35 s, the second 0.01
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 10, 10)


def _one_by_one(create: Create) -> Create:
    """Begins a run; one of fragments alone only after the end of the run before it was heard of.

    Streamlit listens to the last run alone. On a busy desk the end of a page may be waiting to be heard when it is time
    for a fragment of it, and half of the page would never reach the browser (streamlit issue 9921). What is asked for
    meanwhile is put together with it in the order in which it came, as Streamlit does.
    """
    waiting: WeakKeyDictionary[AppSession, RerunData] = WeakKeyDictionary()

    def begin(session: AppSession, data: RerunData) -> None:
        if session in waiting:
            data = _together(waiting.pop(session), data)
        if session._scriptrunner is None or not _fragments(data):
            create(session, data)
        else:
            waiting[session] = data
            session._event_loop.call_later(SOON, again, session)

    def again(session: AppSession) -> None:
        data = waiting.pop(session, None)
        if data is None or session._state is AppSessionState.SHUTDOWN_REQUESTED:
            return
        if any(map(session.has_fragment, _fragments(data))):
            try:
                begin(session, data)
            except Exception as error:  # noqa: BLE001 - as Streamlit does with what a browser asks for
                session.handle_backmsg_exception(error)

    return begin


def _fragments(data: RerunData) -> list[str]:
    """Those that are to be run; none for a whole page."""
    return [data.fragment_id] if data.fragment_id else data.fragment_id_queue


def _together(earlier: RerunData, later: RerunData) -> RerunData:
    requests = ScriptRequests()
    requests.request_rerun_batch([earlier, later])
    return requests._rerun_data


def _kept(populate: Populate) -> Populate:
    """The theme as a message, put together once: Streamlit does it in every run, which is a fourth of a small one."""

    @lru_cache
    def made(section: str) -> CustomThemeConfig:
        message = CustomThemeConfig()
        populate(message, section)
        return message

    def put(message: CustomThemeConfig, section: str = "theme") -> None:
        kept = made(section)
        if kept.ByteSize():  # what is not there is not to be there and empty
            message.MergeFrom(kept)

    return put
