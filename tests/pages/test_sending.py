"""What pages draw reaches browsers as Streamlit sends it, in fewer steps."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import runtime
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner import ScriptRunnerEvent
from streamlit.runtime.session_manager import SessionClientDisconnectedError
from streamlit.web.server.starlette import starlette_websocket
from streamlit.web.server.starlette.starlette_websocket import StarletteSessionClient
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ticketcore.ui import sending

DRAWN = ScriptRunnerEvent.ENQUEUE_FORWARD_MSG
THE_RUN: Any = object()
STREAMLIT_S_OWN = AppSession._on_scriptrunner_event


@pytest.fixture(autouse=True)
def fresh_desk() -> None:
    """In place of the empty desk of the other tests."""


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the changes, which are taken back afterwards."""
    for module in (runtime, starlette_websocket):
        monkeypatch.setitem(vars(module), "asyncio", asyncio)
    for kind, name in (
        (AppSession, "_on_scriptrunner_event"),
        (AppSession, "flush_browser_queue"),
        (AppSession, "on_flushed_messages_sent"),
        (WebSocketsSansIOProtocol, "connection_made"),
    ):
        monkeypatch.setattr(kind, name, getattr(kind, name))
    monkeypatch.setattr(sending, "get_instance", Desk)
    sending.tune()


def apart(story: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """What a story comes to in a loop of its own, whatever runs in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(story())).result()


def test_others_get_their_turn_after_some_messages_and_after_every_pause(tuned: None) -> None:
    sleep = vars(runtime)["asyncio"].sleep

    async def messages(number: int, pause: float) -> int:
        """How often others got their turn while so many messages were sent."""
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        for _ in range(number):
            await sleep(pause)
        task.cancel()
        return turns

    def turns(number: int, pause: float) -> int:
        return apart(lambda: messages(number, pause))

    assert turns(10 * sending.TOGETHER, 0) == 10
    assert turns(3, 0.01) >= 3
    assert vars(runtime)["asyncio"].wait is asyncio.wait


class Session:
    """As much of a session of Streamlit's as hears of runs, and what its browser gets."""

    _handle_scriptrunner_event_on_event_loop = AppSession._handle_scriptrunner_event_on_event_loop
    _enqueue_forward_msg = AppSession._enqueue_forward_msg
    _create_script_finished_message = AppSession._create_script_finished_message
    _create_session_status_changed_message = AppSession._create_session_status_changed_message
    _local_sources_watcher = _settled = None
    _run_on_save = _settle_pending = False

    def __init__(self) -> None:
        self.id: Any = self  # by which it is looked up
        self._event_loop = asyncio.get_running_loop()
        self._scriptrunner: Any = THE_RUN
        self._state = AppSessionState.APP_IS_RUNNING
        self._browser_queue = ForwardMsgQueue()
        self.woken = self.announced = 0
        self.is_open = True
        self.client: Any = "its browser"
        self.got: list[ForwardMsg] = []
        self.hurt: list[dict[str, Any]] = []
        self._event_loop.set_exception_handler(lambda _loop, context: self.hurt.append(context))

    def _message_enqueued_callback(self) -> None:
        self.announced += 1

    def _call_soon_on_event_loop(self, look: Callable[[], None]) -> None:
        self.woken += 1
        self._event_loop.call_soon_threadsafe(look)

    def flush_browser_queue(self) -> list[ForwardMsg]:
        return AppSession.flush_browser_queue(self)  # type: ignore[arg-type]

    def on_flushed_messages_sent(self) -> None:
        AppSession.on_flushed_messages_sent(self)  # type: ignore[arg-type]

    def sent(self) -> list[bytes]:
        """What the browser got, with what Streamlit's loop would send now."""
        return [message.SerializeToString(deterministic=True) for message in (*self.got, *self._browser_queue.flush())]


class Desk:
    """As much of Streamlit's runtime as sends."""

    @property
    def _session_mgr(self) -> "Desk":
        return self

    def get_active_session_info(self, session: Session) -> Any:
        return SimpleNamespace(session=session, client=session.client) if session.is_open else None

    def _send_message(self, info: Any, message: ForwardMsg) -> None:
        if len(info.session.got) >= MOST:
            raise SessionClientDisconnectedError
        info.session.got.append(message)

    def disconnect_session(self, session: Session, *, client: str) -> None:
        assert client is session.client
        session.is_open = False


MOST = 500
"""Messages after which a browser is taken to be gone."""


def element(text: str, *path: int) -> ForwardMsg:
    message = ForwardMsg()
    message.delta.new_element.text.body = text
    message.metadata.delta_path[:] = path
    return message


def happens(tell: Any, session: Session) -> None:
    """A page is drawn, which draws one place twice, while a run of before draws as well; and ends."""
    for number in range(20):
        tell(session, THE_RUN, DRAWN, forward_msg=element(f"{number}", 0, number))
        tell(session, "a run of before", event=DRAWN, forward_msg=element(f"old {number}", 0, number))
    tell(session, THE_RUN, event=DRAWN, forward_msg=element("instead", 0, 3))
    tell(session, THE_RUN, ScriptRunnerEvent.SCRIPT_STOPPED_FOR_RERUN)
    tell(session, sender=THE_RUN, event=DRAWN, forward_msg=element("after the end", 1, 0))


def test_a_browser_is_sent_what_streamlit_sends_and_its_loop_woken_once(tuned: None) -> None:
    async def told(tell: Any) -> tuple[list[bytes], int]:
        session = Session()
        with ThreadPoolExecutor(1) as page:
            page.submit(happens, tell, session).result()  # the loop looks afterwards
        await asyncio.sleep(0.01)
        assert session.hurt == []
        return session.sent(), session.woken

    wanted, often = apart(lambda: told(STREAMLIT_S_OWN))
    assert len(wanted) == 20 + 3  # the end and the change of state; what was drawn twice is there once
    assert often == 43
    assert apart(lambda: told(AppSession._on_scriptrunner_event)) == (wanted, 1)


def test_what_many_runs_do_at_once_arrives_whole_and_in_order(tuned: None) -> None:
    async def story() -> None:
        sessions = [Session() for _ in range(4)]
        begin = threading.Barrier(len(sessions))

        def draw(session: Session) -> None:
            begin.wait()
            for number in range(2_000):
                AppSession._on_scriptrunner_event(  # type: ignore[misc]
                    session,  # type: ignore[arg-type]
                    THE_RUN,  # type: ignore[arg-type]
                    DRAWN,
                    forward_msg=element(f"{number}", 0, number),
                )

        with ThreadPoolExecutor(len(sessions)) as pages:
            runs = [pages.submit(draw, session) for session in sessions]
            while not all(run.done() for run in runs):
                await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        for session in sessions:
            assert session.hurt == []
            texts = [message.delta.new_element.text.body for message in session._browser_queue.flush()]
            assert texts == [str(number) for number in range(2_000)]

    apart(story)


def test_what_cannot_be_heard_of_is_told_to_the_loop_and_the_rest_is_heard(tuned: None) -> None:
    async def story() -> None:
        session = Session()
        tell: Any = AppSession._on_scriptrunner_event
        tell(session, THE_RUN, ScriptRunnerEvent.SCRIPT_STARTED)  # of no page, which Streamlit refuses
        tell(session, THE_RUN, DRAWN, forward_msg=element("one", 0, 0))
        await asyncio.sleep(0.01)
        (context,) = session.hurt
        assert isinstance(context["exception"], RuntimeError)
        assert len(session.sent()) == 1

    apart(story)


def test_others_on_the_loop_get_their_turn_while_pages_are_drawn_without_end(tuned: None) -> None:
    async def story() -> None:
        session = Session()
        tell: Any = AppSession._on_scriptrunner_event
        turns = 0

        def draw_on() -> None:
            nonlocal turns
            if turns < 5:  # each that is heard of is followed by another
                tell(session, THE_RUN, DRAWN, forward_msg=element("one", 0, 0))

        session._message_enqueued_callback = draw_on  # type: ignore[method-assign]
        draw_on()
        for _ in range(20):
            await asyncio.sleep(0)
            turns += 1
        assert turns == 20
        assert session.woken > 3
        assert len(session.sent()) == 1

    apart(story)


def test_what_could_not_be_told_once_is_told_with_what_comes_next(tuned: None) -> None:
    async def story() -> None:
        session = Session()
        tell: Any = AppSession._on_scriptrunner_event
        call = session._call_soon_on_event_loop
        session._call_soon_on_event_loop = nothing_left  # type: ignore[method-assign]
        with pytest.raises(MemoryError):
            tell(session, THE_RUN, DRAWN, forward_msg=element("one", 0, 0))
        session._call_soon_on_event_loop = call  # type: ignore[method-assign]
        tell(session, THE_RUN, DRAWN, forward_msg=element("two", 0, 1))
        await asyncio.sleep(0.01)
        assert len(session.sent()) == 2

    def nothing_left(_look: object) -> None:
        raise MemoryError

    apart(story)


def drawn(session: Session, number: int, begin: int = 0) -> None:
    for place in range(begin, begin + number):
        tell: Any = AppSession._on_scriptrunner_event
        tell(session, THE_RUN, DRAWN, forward_msg=element(f"{place}", 0, place))


def ends(session: Session) -> None:
    tell: Any = AppSession._on_scriptrunner_event
    tell(session, THE_RUN, ScriptRunnerEvent.SCRIPT_STOPPED_WITH_SUCCESS)


def bodies(messages: list[ForwardMsg]) -> list[str]:
    """What is drawn, and what else is said by its type."""
    return [one.delta.new_element.text.body or str(one.WhichOneof("type")) for one in messages]


END = ["script_finished", "session_status_changed"]


def test_what_is_left_of_a_run_is_sent_when_it_ends(tuned: None) -> None:
    async def story() -> None:
        session = Session()
        drawn(session, 2)
        await asyncio.sleep(0.01)
        assert session.got == [], "until then Streamlit sends it, once in a while"
        assert session.announced == 1
        drawn(session, 1, 2)
        ends(session)
        await asyncio.sleep(0.01)
        assert bodies(session.got) == ["0", "1", "2", *END]
        assert session._browser_queue.is_empty()

    apart(story)


def test_nothing_overtakes_what_is_being_sent(tuned: None) -> None:
    async def story() -> None:
        session = Session()
        drawn(session, 2)
        await asyncio.sleep(0.01)
        first = session.flush_browser_queue()  # Streamlit's loop begins to send it, and lets others have their turn
        drawn(session, 1, 2)
        ends(session)
        await asyncio.sleep(0.01)
        assert session.got == []
        session.on_flushed_messages_sent()
        assert bodies([*first, *session.flush_browser_queue()]) == ["0", "1", "2", *END]
        session.on_flushed_messages_sent()
        drawn(session, 1)
        session._state = AppSessionState.APP_IS_RUNNING
        ends(session)
        await asyncio.sleep(0.01)
        assert bodies(session.got) == ["0", *END]

    apart(story)


def test_half_a_page_that_is_drawn_anew_is_left_to_streamlit_which_drops_it(tuned: None) -> None:
    async def story() -> None:
        session = Session()
        drawn(session, 2)
        tell: Any = AppSession._on_scriptrunner_event
        tell(session, THE_RUN, ScriptRunnerEvent.SCRIPT_STOPPED_FOR_RERUN)
        await asyncio.sleep(0.01)
        assert session.got == []

    apart(story)


@pytest.mark.parametrize("why", ["it is much", "nobody is there", "much waits already"])
def test_what_cannot_be_sent_in_one_turn_is_left_to_streamlit(tuned: None, why: str) -> None:
    async def story() -> None:
        session = Session()
        session.is_open = why != "nobody is there"
        if why == "much waits already":
            session.client = StarletteSessionClient.__new__(StarletteSessionClient)
            session.client._send_queue = asyncio.Queue()
            for _ in range(sending.AT_ONCE):
                session.client._send_queue.put_nowait(b"")
        drawn(session, sending.AT_ONCE if why == "it is much" else 1)
        ends(session)
        await asyncio.sleep(0.01)
        assert session.hurt == []
        assert session.got == []
        assert bodies(session.flush_browser_queue())[-2:] == END

    apart(story)


def test_a_browser_that_is_gone_when_a_run_ends_is_let_go(tuned: None) -> None:
    async def story() -> None:
        session = Session()
        session.got = [element("old", 0, 0)] * MOST
        drawn(session, 1)
        ends(session)
        await asyncio.sleep(0.01)
        assert session.hurt == []
        assert not session.is_open

    apart(story)


class Line:
    """A connection, and what goes over it in one piece each."""

    def __init__(self) -> None:
        self.gone: list[bytes] = []
        self.is_closed = False

    def write(self, piece: bytes) -> None:
        assert not self.is_closed
        self.gone.append(piece)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def get_extra_info(self, _name: str) -> None:
        return None


def test_what_is_written_in_one_turn_goes_in_one_piece_and_before_the_end(tuned: None) -> None:
    async def story() -> None:
        class Protocol:
            loop = asyncio.get_running_loop()
            logger = type("Logger", (), {"level": 20})
            connections: ClassVar[set[Any]] = set()

        protocol: Any = Protocol()
        line: Any = Line()
        WebSocketsSansIOProtocol.connection_made(protocol, line)
        transport = protocol.transport
        for piece in (b"one", b" and", b" two"):
            transport.write(piece)
        assert line.gone == []
        await asyncio.sleep(0)
        assert line.gone == [b"one and two"]
        await asyncio.sleep(0)
        assert line.gone == [b"one and two"]
        transport.write(b"x" * (sending.LARGE + 1))
        assert len(line.gone.pop()) == sending.LARGE + 1
        transport.write(b"three")
        transport.close()
        await asyncio.sleep(0)
        assert line.gone == [b"one and two", b"three"]
        assert transport.is_closing()
        transport.write(b"to nobody")  # as where a browser went while something was on its way
        await asyncio.sleep(0)
        assert line.gone == [b"one and two", b"three"]

    apart(story)


def test_a_browser_gets_what_was_written_once_nothing_more_waits_for_it_and_nothing_of_another_s(tuned: None) -> None:
    async def browser() -> tuple[Line, Callable[[bytes], None]]:
        """A connection, and what puts something into its queue, from which a task writes as Streamlit's does."""

        class Protocol:
            loop = asyncio.get_running_loop()
            logger = type("Logger", (), {"level": 20})
            connections: ClassVar[set[Any]] = set()

        protocol: Any = Protocol()
        line: Any = Line()
        WebSocketsSansIOProtocol.connection_made(protocol, line)
        queue = vars(starlette_websocket)["asyncio"].Queue(maxsize=3)

        async def write() -> None:
            while True:
                protocol.transport.write(await queue.get())

        tasks.append(asyncio.create_task(write()))
        await asyncio.sleep(0)
        return line, queue.put_nowait

    tasks: list[asyncio.Task[None]] = []

    async def story() -> None:
        (ann, to_ann), (ben, to_ben) = [await asyncio.create_task(browser()) for _ in range(2)]
        for piece in (b"one", b" and", b" two"):
            to_ann(piece)
        to_ben(b"three")
        with pytest.raises(asyncio.QueueFull):
            to_ann(b"too much")
        assert ann.gone == ben.gone == []
        await asyncio.sleep(0)
        assert (ann.gone, ben.gone) == ([b"one and two"], [b"three"])
        await asyncio.sleep(0)
        assert (ann.gone, ben.gone) == ([b"one and two"], [b"three"])
        assert vars(starlette_websocket)["asyncio"].create_task is asyncio.create_task

    apart(story)
