"""One browser window without a browser: a client of the WebSocket protocol by which Streamlit's frontend talks to it.

It sends what the frontend sends (the values of all widgets, the address, the page, which messages it still has), takes
in what comes back, and runs by itself the fragments that the page wants run every few seconds. A call returns the
seconds from sending to the end of the run that answers it, however many times the page began anew meanwhile.

Read from the frontend of Streamlit 1.67: `App.tsx`, `WidgetStateManager.ts`, `ForwardMessageCache.ts`.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.bench.frontend import Messages, Tickers
from tests.bench.shown import Node, Shown, Value, read, written

PATIENCE = 60.0
"""Seconds after which an answer is not waited for any longer."""

GRACE = 5.0
"""Seconds that a run has to begin again after another one took its place."""


class PageFailed(Exception):
    """The page showed an error, or did not answer."""


@dataclass(slots=True)
class _Wait:
    """A request that was sent, and the run that answers it."""

    fragment: str
    mark: bool
    began: float
    answered: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    run: str = ""


class Client:
    """A window on the desk at `url`; `redrew` hears of every redrawing that the page began by itself, in seconds."""

    def __init__(self, url: str, *, redrew: Callable[[float], None] = lambda _seconds: None) -> None:
        self.shown = Shown()
        self.restarts = 0
        """How often a run of the whole page stopped to begin anew."""
        self._url, self._redrew = url, redrew
        self._page = self._main = self._path = self._run = ""
        self._pages: dict[str, str] = {}
        self._messages, self._oldest = Messages(), 2
        self._tickers = Tickers(lambda fragment: self._send(fragment=fragment, is_auto=True))
        self._wait: _Wait | None = None
        self._mark = False
        self._redrawing: float | None = None

    async def __aenter__(self) -> Self:
        address = self._url.replace("http", "ws", 1) + "/_stcore/stream"
        self._line: ClientConnection = await connect(
            address, subprotocols=["streamlit"], origin=self._url, max_size=None, open_timeout=PATIENCE  # type: ignore[arg-type, list-item]
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tickers.stop()
        await self._line.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    # What a person does. Each returns the seconds until the page was there.

    async def open(self, path: str = "", query: str = "") -> float:
        """Opens an address; the first thing that a window does."""
        self._path, self.shown.query = path, read(query)
        return await self._ask()

    async def go(self, path: str) -> float:
        """Goes to another page by the navigation at the top."""
        self._tickers.stop()
        self.shown.query = self.shown.bound()
        kept = {node.id for node in self.shown.nodes.values() if node.script == self._main}
        self.shown.values = {name: value for name, value in self.shown.values.items() if name in kept}
        return await self._ask(page=self._pages[path])

    async def set(self, key: str, value: Value) -> float:
        """Gives the widget with this key or label a value."""
        widget = self.widget(key)
        self.shown.set(widget, value)
        return await self._ask(fragment=widget.fragment)

    async def press(self, key: str) -> float:
        """Presses the button with this key or label."""
        button = self.widget(key)
        return await self._ask(fragment=button.fragment, trigger=button.id)

    def widget(self, key: str) -> Node:
        """The widget with this key or label.

        Raises:
            PageFailed: there is none.
        """
        found = self.shown.find(key)
        if found is None:
            raise PageFailed(f"there is no “{key}” on the page")
        return found

    # The way to the server and back.

    async def _ask(self, *, fragment: str = "", page: str = "", trigger: str = "") -> float:
        self.shown.heard.clear()
        self._mark = not self._mark
        self._wait = wait = _Wait(fragment, self._mark, time.perf_counter())
        try:
            async with asyncio.timeout(PATIENCE):
                # Nothing in a run tells what it answers, and one may be on its way already that the page began by
                # itself. What every run tells is a setting that means nothing to the desk, so it is changed each time.
                await self._line.send(BackMsg(set_run_on_save=wait.mark).SerializeToString())
                wait.began = time.perf_counter()
                await self._send(fragment=fragment, page=page, trigger=trigger)
                seconds = await wait.answered
        except TimeoutError:
            raise PageFailed(f"no answer within {PATIENCE:.0f} s") from None
        except ConnectionClosed as closed:
            raise PageFailed(f"the connection was closed: {closed}") from None
        finally:
            self._wait = None
        if self.shown.faults:
            faults = "; ".join(self.shown.faults)
            self.shown.faults.clear()
            raise PageFailed(faults)
        return seconds

    async def _send(self, *, fragment: str = "", page: str = "", trigger: str = "", is_auto: bool = False) -> None:
        message = BackMsg()
        sent = message.rerun_script
        sent.query_string = written(self.shown.query)
        sent.widget_states.widgets.extend(self.shown.values.values())
        if trigger:
            sent.widget_states.widgets.add(id=trigger, trigger_value=True)
        sent.page_script_hash = page or self._page
        if not sent.page_script_hash:
            sent.page_name = self._path
        sent.fragment_id, sent.is_auto_rerun = fragment, is_auto
        sent.cached_message_hashes.extend(self._messages)
        told = sent.context_info
        told.timezone, told.timezone_offset, told.locale = "Europe/Berlin", -60, "en-GB"
        told.url, told.is_embedded, told.color_scheme = f"{self._url}/{self._path}", False, "light"
        await self._line.send(message.SerializeToString())

    async def _read(self) -> None:
        try:
            async for data in self._line:
                message = ForwardMsg()
                message.ParseFromString(data if isinstance(data, bytes) else data.encode())
                self._take(message)
        except ConnectionClosed:
            pass
        if self._wait and not self._wait.answered.done():
            self._wait.answered.set_exception(PageFailed("the connection was closed"))

    def _take(self, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "delta" | "ref_hash":
                self.shown.draw(self._messages.whole(message), self._run)
            case "new_session":
                self._begin(message)
            case "script_finished":
                self._finish(message)
            case "auto_rerun":
                self._tickers.start(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            case "stop_auto_rerun":
                self._tickers.stop(message.stop_auto_rerun.fragment_ids)
            case "page_info_changed":
                self.shown.query = read(message.page_info_changed.query_string)
            case "navigation":
                self._pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
                self._page = message.navigation.page_script_hash
            case "page_not_found":
                self.shown.faults.append(f"there is no page {message.page_not_found.page_name}")
            case "session_event" if message.session_event.HasField("script_compilation_exception"):
                self.shown.faults.append(message.session_event.script_compilation_exception.message)

    def _begin(self, message: ForwardMsg) -> None:
        run, session = message.metadata.run, message.new_session
        self._run, self._main = run.script_run_id, session.main_script_hash
        self._oldest = session.config.max_cached_message_age
        if not run.fragment_ids:
            self._tickers.stop()
            if session.page_script_hash != self._page:
                self._page = session.page_script_hash
                self.shown.leave(self._main)
        wait, mark = self._wait, session.initialize.session_status.run_on_save
        if wait is None or wait.mark != mark:
            return
        if not run.fragment_ids or wait.fragment in run.fragment_ids:
            wait.run = run.script_run_id
        elif wait.run:
            # The server forgets what it has not sent yet of a run that is over, when a fragment's run comes after it
            # (streamlit issue 9921): the browser has half a page, and nothing tells it so.
            asyncio.get_running_loop().call_later(GRACE, self._give_up, wait, wait.run)

    def _give_up(self, wait: _Wait, run: str) -> None:
        if wait.run == run and not wait.answered.done():
            wait.answered.set_exception(PageFailed("the page was broken off half drawn"))

    def _finish(self, message: ForwardMsg) -> None:
        run, status = message.metadata.run, message.script_finished
        now = time.perf_counter()
        asked = self._tickers.answered(run.fragment_ids)
        wait = self._wait
        if status == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self.restarts += not run.fragment_ids
            if wait and wait.run == run.script_run_id:
                wait.run = ""
            self._redrawing = self._redrawing or asked
            return
        if status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.shown.faults.append("a page does not compile")
        if run.fragment_ids or run.script_run_id == self._run:
            self.shown.sweep(run.script_run_id, run.fragment_ids)
        self._messages.ended(run.fragment_ids, self._oldest)
        if wait and wait.run == run.script_run_id:
            self._redrawing = None
            if not wait.answered.done():
                wait.answered.set_result(now - wait.began)
        elif self._redrawing is not None and not run.fragment_ids:
            self._redrew(now - self._redrawing)
            self._redrawing = None
