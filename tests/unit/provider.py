"""A language-model provider on 127.0.0.1: a real HTTP server that does what a test says and records what it is sent."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire; the names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    def message(self, role: str) -> str:
        """What was said in that role, which speaks once."""
        (text,) = [message["content"] for message in self.body["messages"] if message["role"] == role]
        return str(text)


class Handler(BaseHTTPRequestHandler):
    server: "Provider"
    asked: Request
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two packets; an answer would take 40 ms more

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked = Request(self.path, headers, body)
        behaviour = self.server.received(self.asked)
        try:
            behaviour(self)
        except ConnectionError:
            self.left()

    def left(self) -> None:
        """The client hung up before it had its answer."""
        self.close_connection = True
        self.server.left.set()

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        usual = {"Content_Type": "application/json", "Content_Length": str(len(body))}
        self.send_response(status)
        for name, value in {**usual, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: `Provider.requests` tells more."""


Behaviour = Callable[[Handler], None]


class Provider(ThreadingHTTPServer):
    """The server. `behaviours` are shown in turn, one per request, and the last of them for ever.

    It ends when its clients have gone, so close them first.
    """

    daemon_threads = False  # so that closing waits for the last connection and leaves nothing open
    request_queue_size = 64

    def __init__(self, *behaviours: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours = list(behaviours)
        self.requests: list[Request] = []
        self.left = threading.Event()
        """Set when a client has hung up before it had its answer."""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="provider")
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def behaves(self, *behaviours: Behaviour) -> None:
        with self._lock:
            self.behaviours = list(behaviours)

    def received(self, request: Request) -> Behaviour:
        with self._lock:
            self.requests.append(request)
            return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


def says(content: object, *, refusal: str | None = None, finish_reason: str = "stop") -> Behaviour:
    """A completion with this content; what is not text is said as JSON."""
    text = content if isinstance(content, str | None) else json.dumps(content)
    message = {"role": "assistant", "content": text, "refusal": refusal}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return replies(200, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]})


def replies(status: int, body: object, **headers: str) -> Behaviour:
    """This status and body; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler: handler.reply(status, content, **headers)


def fails(status: int, message: str = "no", **headers: str) -> Behaviour:
    """An error as OpenAI's API answers it, which may be tried again at once."""
    error = {"message": message, "type": "error", "code": None, "param": None}
    return replies(status, {"error": error}, **{"retry_after_ms": "1", **headers})


def later(seconds: float, behaviour: Behaviour) -> Behaviour:
    def wait(handler: Handler) -> None:
        time.sleep(seconds)
        behaviour(handler)

    return wait


def hangs(handler: Handler) -> None:
    """No answer at all, for as long as the client stays."""
    with contextlib.suppress(ConnectionError):
        handler.connection.recv(1)
    handler.left()


def drips(handler: Handler) -> None:
    """An answer that comes byte by byte and never ends, for as long as the client stays."""
    handler.reply(200, b"", Content_Length="1000000")
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.02)


def breaks_off(handler: Handler) -> None:
    """Half an answer, and then the connection is gone."""
    handler.reply(200, b'{"choices": [{"message"', Content_Length="1000")
    handler.close_connection = True


def knows_no_schema(otherwise: Behaviour, *, status: int = 400) -> Behaviour:
    """A provider that refuses `response_format`."""

    def behaviour(handler: Handler) -> None:
        refuses = fails(status, "Unrecognized request argument supplied: response_format")
        (refuses if "response_format" in handler.asked.body else otherwise)(handler)

    return behaviour
