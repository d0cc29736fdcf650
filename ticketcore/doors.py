"""What every request passes before dashboard or API see it, and what is added to every answer. ASGI, no framework."""

import base64
import hashlib
import importlib.util
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticketcore.settings import Settings

Reading = Callable[[], Settings]

HEALTH = ("/api/health/", "/_stcore/health")
HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[\w.-]+))(?::\d+)?", re.ASCII)
"""A name or an address with its port, as RFC 9110 has it."""

PROXY = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""By these one sees that a request has come a longer way."""

METRICS = "/_stcore/metrics"
MEDIA = "/media/"
SAFE = ("GET", "HEAD", "OPTIONS")

PAGE = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""What a page of the desk may load. Styles in the page are Streamlit's own, which cannot do without."""

NOT_HERE = (
    "This ticket desk has no sign-in, so it answers only on the machine that it runs on, by the name localhost.\n"
    "Whoever runs it can set up sign-in (OIDC_ISSUER and its companions), or open it to everybody with DESK_OPEN=1.\n"
)
FOREIGN = "This was sent by a page of another site.\n"


class Gate:
    """Turns away whoever is not on this machine, where nobody has to sign in and nobody said that it is open.

    The name that the desk was called by has to be one of this machine, too. Otherwise a proxy in front of the desk
    would let everybody in, and a foreign page that gives its own name this machine's address.
    """

    def __init__(self, app: ASGIApp, settings: Reading) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._settings() if scope["type"] in ("http", "websocket") else None
        if (
            settings is None
            or settings.has_sign_in
            or settings.is_open
            or scope["path"].startswith(HEALTH)
            or (_is_here(scope) and _is_called_local(scope))
        ):
            await self._app(scope, receive, send)
        else:
            await _refuse(NOT_HERE, scope, receive, send)


class SameOrigin:
    """Turns away what a browser sends for a page of another site: changes, and connections of the dashboard.

    Whoever sends a token is no such page, which could not know it.
    """

    def __init__(self, app: ASGIApp, settings: Reading) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_foreign(scope):
            await _refuse(FOREIGN, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_foreign(self, scope: Scope) -> bool:
        if scope["type"] not in ("http", "websocket") or scope.get("method") in SAFE:
            return False
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if "authorization" in headers:
            return False
        own = {headers.get("host", "").lower()}
        if url := self._settings().oidc_redirect_url:  # behind a proxy that calls the desk by another name
            own.add(_netloc(str(url)))
        return _netloc(origin) not in own


class Inside:
    """Keeps what Streamlit itself answers to whoever has a role: files that pages made, and its own figures."""

    def __init__(self, app: ASGIApp, settings: Reading, admits: Callable[[Mapping[str, str]], bool]) -> None:
        """`admits` says from a request's cookies whether they are of somebody with a role."""
        self._app, self._settings, self._admits = app, settings, admits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_inside = scope["type"] == "http" and scope["path"].startswith((MEDIA, METRICS))
        if is_inside and self._settings().has_sign_in:
            cookies = HTTPConnection(scope).cookies
            if not await to_thread.run_sync(lambda: self._admits(cookies)):
                await _refuse("Sign in first.\n", scope, receive, send)
                return
        await self._app(scope, receive, send)


class Shield:
    """Tells browsers what the desk never does, so that they refuse it: be framed, run foreign code, tell addresses."""

    def __init__(self, app: ASGIApp, settings: Reading, scripts: Iterable[str] = ()) -> None:
        """`scripts` are those that may stand in a page, word for word, beside Streamlit's own."""
        self._app, self._settings = app, settings
        own = " ".join(_hash_source(script) for script in (*_streamlit_scripts(), *scripts))
        self._page = PAGE.format(scripts=own)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if scope["path"].startswith(MEDIA):
                    headers["Cache-Control"] = "no-store"
                headers["Referrer-Policy"] = "same-origin"
                headers["Content-Security-Policy"] = self._policy(scope["path"])
                self._keep_to_https(headers)
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
            await send(message)

        await self._app(scope, receive, shielded if scope["type"] == "http" else send)

    def _policy(self, path: str) -> str:
        if path.startswith("/api/") and not path.startswith("/api/docs"):
            return "default-src 'none'; frame-ancestors 'none'"
        return PAGE.format(scripts="'unsafe-inline'") if path.startswith("/api/docs") else self._page

    def _keep_to_https(self, headers: MutableHeaders) -> None:
        """Lets browsers send the cookies of a session over https alone, where the desk is reached by it."""
        url = self._settings().oidc_redirect_url
        if url is None or url.scheme != "https":
            return
        cookies = headers.getlist("set-cookie")
        if cookies:
            del headers["set-cookie"]
            for cookie in cookies:
                headers.append("set-cookie", cookie if "; secure" in cookie.lower() else f"{cookie}; Secure")


class WholeText:
    """Lets a form with half a surrogate pair, as a cut emoji leaves it, reach the desk: its place is taken by U+FFFD.

    Otherwise protobuf refuses the whole message, the page reconnects and sends it again, for ever.
    """

    HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
    WHOLE = "\ufffd".encode()  # three bytes as well, so the lengths in the message still fit

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def mended() -> Message:
            message = await receive()
            if sent := message.get("bytes"):
                message = {**message, "bytes": self.HALF.sub(self.WHOLE, sent)}
            return message

        await self.app(scope, mended if scope["type"] == "websocket" else receive, send)


class AsItIs:
    """Sends exports without compression: at a million tickets it would take longer than everything else together.

    Streamlit compresses whatever is asked for with `Accept-Encoding`, so for exports nobody asks.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/tickets/export"):
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
        await self.app(scope, receive, send)


def _streamlit_scripts() -> list[str]:
    """The scripts that stand in Streamlit's own page."""
    streamlit = importlib.util.find_spec("streamlit")
    folder = Path(streamlit.origin if streamlit and streamlit.origin else "").parent
    page = (folder / "static" / "index.html").read_text()
    found: list[str] = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    return found


def _hash_source(script: str) -> str:
    """The script as a content security policy names it (CSP Level 3, `hash-source`)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _is_here(scope: Scope) -> bool:
    client = scope.get("client")
    return client is None or _is_loopback(client[0])  # a socket of the file system has no address


def _is_called_local(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    host = HOST.fullmatch(headers.get("host", "").lower())
    if host is None or any(sign in headers for sign in PROXY):
        return False
    name = host["six"] or host["name"]
    return name.split(".")[-1] == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if found.version == 6 else None
    return (mapped or found).is_loopback


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


async def _refuse(why: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    else:
        await PlainTextResponse(why, 403)(scope, receive, send)
