"""How what pages draw reaches the browsers.

Streamlit's event loop is told of each element, looks up after each, and has each written by a call of the operating
system: while others compute it waits for the interpreter every time, and they for it. Here it takes what there is.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.scriptrunner import ScriptRunnerEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

TOGETHER = 50
"""Messages to a browser after which the event loop looks what else there is to do; Streamlit lets 500 wait."""


def tune() -> None:
    """Changes it; for once, before the first visitor."""
    vars(runtime)["asyncio"] = SimpleNamespace(**{**vars(asyncio), "sleep": _seldom()})
    AppSession._on_scriptrunner_event = _told_together()  # type: ignore[method-assign]
    Runtime._enqueued_some_message = _told_here(  # type: ignore[assignment, method-assign]
        Runtime._enqueued_some_message
    )
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


def _told_together() -> Callable[..., None]:
    """Tells the loop what runs do: all that happened until it looks, in the order in which it happened."""
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
        for _ in range(len(happened)):  # and no more, so that others get their turn on the loop
            session, sender, event, message, more = happened.popleft()
            try:
                if event is not ScriptRunnerEvent.ENQUEUE_FORWARD_MSG or message is None:
                    session._handle_scriptrunner_event_on_event_loop(sender, event, message, **more)
                elif sender is session._scriptrunner:  # the same, without looking what else it might be
                    session._enqueue_forward_msg(message)
            except Exception as error:  # noqa: BLE001 - as a loop does with each that it calls
                context = {"message": f"what a run did was not heard of: {event}", "exception": error}
                session._event_loop.call_exception_handler(context)

    return tell


def _told_here(tell: Callable[[Runtime], None]) -> Callable[[Runtime], None]:
    """Tells the loop that there is something to send; at once where the loop itself says so."""

    def told(of: Runtime) -> None:
        objects = of._get_async_objs()
        if asyncio._get_running_loop() is objects.eventloop:
            objects.need_send_data.set()
        else:
            tell(of)

    return told


class _Together:
    """A connection on which what is written in one turn of the loop is sent at its end."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._send)
        self._pieces.append(piece)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _written_together(made: Callable[..., None]) -> Callable[..., None]:
    def connection_made(protocol: WebSocketsSansIOProtocol, transport: asyncio.Transport) -> None:
        made(protocol, _Together(transport, protocol.loop))

    return connection_made
