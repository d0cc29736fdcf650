"""How what pages draw reaches the browsers.

Streamlit's event loop is told of each element, looks up after each, and has each written by a call of the operating
system: while others compute it waits for the interpreter every time, and they for it. Here it takes what there is.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import get_instance, runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunnerEvent
from streamlit.runtime.session_manager import SessionClient, SessionClientDisconnectedError
from streamlit.web.server.starlette import starlette_websocket
from streamlit.web.server.starlette.starlette_websocket import StarletteSessionClient
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

TOGETHER, AT_ONCE = 50, 200
"""Messages to a browser after which the event loop looks what else there is to do, and which may be left of a run when
it ends, for all to be sent in one turn; Streamlit lets 500 wait."""

LARGE = 65_536
"""Bytes that are written at once, so that who cannot read as fast is waited for."""

_ENDS = frozenset(
    {
        ScriptRunnerEvent.SCRIPT_STOPPED_WITH_SUCCESS,
        ScriptRunnerEvent.SCRIPT_STOPPED_WITH_COMPILE_ERROR,
        ScriptRunnerEvent.FRAGMENT_STOPPED_WITH_SUCCESS,
    }
)


def tune() -> None:
    """Changes it; for once, before the first visitor."""
    vars(runtime)["asyncio"] = SimpleNamespace(**{**vars(asyncio), "sleep": _seldom()})
    left = _Left()
    AppSession.flush_browser_queue = left.taken(AppSession.flush_browser_queue)  # type: ignore[assignment, method-assign]
    AppSession.on_flushed_messages_sent = left.sent(AppSession.on_flushed_messages_sent)  # type: ignore[assignment, method-assign]
    AppSession._on_scriptrunner_event = _told_together(left.send)  # type: ignore[method-assign]
    vars(starlette_websocket)["asyncio"] = SimpleNamespace(**{**vars(asyncio), "Queue": _Drained})
    WebSocketsSansIOProtocol.connection_made = _written_together(  # type: ignore[method-assign]
        WebSocketsSansIOProtocol.connection_made
    )


def _seldom() -> Callable[[float], Coroutine[Any, Any, None]]:
    """`asyncio.sleep`, which gives way to others without sleeping once in a while alone."""
    messages = itertools.count(1)

    async def sleep(seconds: float) -> None:
        if seconds or next(messages) % TOGETHER == 0:
            await asyncio.sleep(seconds)

    return sleep


def _told_together(send: Callable[[AppSession], None]) -> Callable[..., None]:
    """Tells the loop what runs do: all that happened until it looks, in the order in which it happened.

    What there is when a run ends is sent.
    """
    happened: deque[tuple[AppSession, Any, ScriptRunnerEvent, ForwardMsg | None, dict[str, Any]]] = deque()
    is_told = False

    def tell(
        session: AppSession, sender: Any, event: ScriptRunnerEvent, forward_msg: ForwardMsg | None = None, **more: Any
    ) -> None:
        nonlocal is_told
        happened.append((session, sender, event, forward_msg, more))
        if is_told:
            return
        is_told = True
        try:
            session._call_soon_on_event_loop(look)
        except BaseException:
            is_told = False
            raise

    def look() -> None:
        nonlocal is_told
        is_told = False  # first, so that what happens from now on is told anew
        drawn: AppSession | None = None
        for _ in range(len(happened)):  # and no more, so that others get their turn on the loop
            session, sender, event, message, more = happened.popleft()
            try:
                if event is not ScriptRunnerEvent.ENQUEUE_FORWARD_MSG or message is None:
                    session._handle_scriptrunner_event_on_event_loop(sender, event, message, **more)
                    if event in _ENDS:
                        send(session)
                elif sender is session._scriptrunner:  # the same, without looking what else it might be
                    session._browser_queue.enqueue(message)
                    drawn = session
            except Exception as error:  # noqa: BLE001 - as a loop does with each that it calls
                context = {"message": f"what a run did was not heard of: {event}", "exception": error}
                session._event_loop.call_exception_handler(context)
        if drawn and drawn._message_enqueued_callback:  # it wakes whoever sends, whosever it is
            drawn._message_enqueued_callback()

    return tell


class _Left:
    """Sends what is left of a run when it ends, unless the rest of it is being sent at the moment.

    Streamlit's loop comes to it after some turns, and in each it waits for the interpreter while others compute: a
    tenth of a second where many pages are drawn.
    """

    def __init__(self) -> None:
        self._under_way: WeakSet[AppSession] = WeakSet()

    def taken(self, take: Callable[[AppSession], list[ForwardMsg]]) -> Callable[[AppSession], list[ForwardMsg]]:
        """Remembers that what is taken is under way, which lets others have their turn in between."""

        def flush_browser_queue(session: AppSession) -> list[ForwardMsg]:
            messages = take(session)
            if messages:
                self._under_way.add(session)
            return messages

        return flush_browser_queue

    def sent(self, settle: Callable[[AppSession], None]) -> Callable[[AppSession], None]:
        """Forgets it again."""

        def on_flushed_messages_sent(session: AppSession) -> None:
            self._under_way.discard(session)
            settle(session)

        return on_flushed_messages_sent

    def send(self, session: AppSession) -> None:
        """As Streamlit's loop does."""
        desk = get_instance()
        info = desk._session_mgr.get_active_session_info(session.id)
        if info is None or session in self._under_way:
            return
        if len(session._browser_queue) + _waiting(info.client) > AT_ONCE:
            return
        try:
            for message in session.flush_browser_queue():
                try:
                    desk._send_message(info, message)
                except SessionClientDisconnectedError:
                    desk.disconnect_session(session.id, client=info.client)
        finally:
            session.on_flushed_messages_sent()


def _waiting(client: SessionClient) -> int:
    """Messages that wait to be written to a browser; when they are 500 it is taken to be gone."""
    return client._send_queue.qsize() if isinstance(client, StarletteSessionClient) else 0


class _Together:
    """A connection on which what is written in one turn of the loop is sent at its end, or earlier when asked for."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self.send)
        self._pieces.append(piece)
        if len(piece) > LARGE:
            self.send()

    def close(self) -> None:
        self.send()
        self._transport.close()

    def send(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


_connection: ContextVar[_Together | None] = ContextVar("_connection", default=None)
"""That of the browser to which a task belongs."""


def _written_together(made: Callable[..., None]) -> Callable[..., None]:
    def connection_made(protocol: WebSocketsSansIOProtocol, transport: asyncio.Transport) -> None:
        together = _Together(transport, protocol.loop)
        _connection.set(together)  # whatever begins with this connection begins right now
        made(protocol, together)

    return connection_made


class _Drained(asyncio.Queue[bytes]):
    """What is to be written to a browser. Who comes for more when there is nothing sends what was written."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._connection = _connection.get()

    async def get(self) -> bytes:
        if self.empty() and self._connection:
            self._connection.send()
        return await super().get()
