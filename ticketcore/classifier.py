"""What a language model suggests for a ticket: a category and a priority, or the default that says why.

The only file that imports openai. A suggestion is never late, never outside the enums and never an error,
whatever the model answers and the ticket says. Neither key nor ticket text reaches a log or a note.
"""

import asyncio
import contextlib
import json
import logging
import re
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future

import openai
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import AliasPath, BaseModel, Field, ValidationError

from ticketcore.circuit import Circuit
from ticketcore.models import Classification, Suggestion, default_suggestion
from ticketcore.prompt import PROMPT
from ticketcore.redaction import redacted
from ticketcore.settings import Settings
from ticketcore.validation import TITLE_LENGTH

OPENAI = "https://api.openai.com/v1"
RETRIES = 1  # of a question, whether it was asked with a schema or without
READ_LENGTH = 8_000  # characters of a description that the model is sent: what it is about shows long before
AT_ONCE = 16  # questions under way; the others wait, and their waiting counts against the deadline

SCHEMA = {**Classification.model_json_schema(), "additionalProperties": False}
RESPONSE_FORMAT: ResponseFormatJSONSchema = {
    "type": "json_schema",
    "json_schema": {"name": "classification", "strict": True, "schema": SCHEMA},
}
UNKNOWN_SCHEMA = {400, 404, 405, 415, 422, 501}  # how providers refuse a response_format that they do not know
ABOUT_THE_TICKET = {400, 413, 422}  # may be due to this ticket's text; the next one may be answered well
FLAT_OBJECT = re.compile(r"\{[^{}]*\}")

PAUSED = "the model is not answering; asked again in a moment"
STOPPING = "the desk is being stopped"
UNUSABLE = "the model's answer was not usable"
STATUS_REASONS = {
    **dict.fromkeys((401, 403), "the model's key was not accepted"),
    404: "the model was not found",
    **dict.fromkeys((429, 503), "the model is overloaded"),
}

log = logging.getLogger(__name__)


Record = Callable[[str, str, str | None], None]
"""Takes down the model, what it is sent, and who asks, at once."""


class _Answer(BaseModel):
    """The part of a completion that is read; openai's own model demands more, which some providers do not send."""

    content: str | None = Field(None, validation_alias=AliasPath("choices", 0, "message", "content"))
    refusal: str | None = Field(None, validation_alias=AliasPath("choices", 0, "message", "refusal"))
    finish_reason: str | None = Field(None, validation_alias=AliasPath("choices", 0, "finish_reason"))


class _UnusableError(Exception):
    """The model answered, but not with a classification; its message is for the agent."""


class Classifier:
    """Asks the model that the settings name, each question with at most one retry, for `SUGGESTION_TIMEOUT` in all.

    One daemon thread, started by the first question, waits for every answer. Timeouts, lost connections, refused
    keys, errors of the provider and answers that are not JSON count for the circuit. What may be due to one ticket's
    text does not (a refusal, an answer outside the enums, a status 400, 413 or 422), so that one odd customer does
    not switch suggestions off for the others.
    """

    def __init__(
        self, settings: Settings, *, record: Record | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.model = settings.openai_model
        self.is_configured = settings.openai_api_key is not None
        # Made now, because openai imports its parts when they are first used: a page's run changes sys.path, and
        # another thread that is importing then may look past the folder that it needs.
        self._settings = settings
        self._client: openai.AsyncOpenAI | None = None
        if self.is_configured:
            with contextlib.suppress(Exception):  # such as a proxy that cannot be used; the first question will say so
                self._client = _client(settings)
        self._redacts = settings.suggestion_redact
        self._record = record
        self._deadline = settings.suggestion_timeout
        self._circuit = Circuit(now)
        self._knows_schema = True
        self._places = asyncio.Semaphore(AT_ONCE)
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._thread = threading.Thread(target=self._live, name="classifier", daemon=True)
        self._questions = weakref.WeakSet[asyncio.Task[Suggestion]]()
        self._lock = threading.Lock()
        self._is_closed = False
        self._stop = asyncio.Event()

    def ask(self, description: str, title: str = "", *, asked_by: str | None = None) -> Future[Suggestion]:
        """A suggestion to come, within the deadline; it never raises. Cancelling it ends the request."""
        if self.is_configured and self._redacts:
            description, title = redacted(description[:READ_LENGTH]), redacted(title[:TITLE_LENGTH])
        with self._lock:
            if not self.is_configured or self._is_closed:
                reason = STOPPING if self.is_configured else "no language model is configured"
                known: Future[Suggestion] = Future()
                known.set_result(default_suggestion(reason))
                return known
            loop = self._runner.get_loop()
            if not self._thread.is_alive():
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(self._suggest(_as_json(description, title), asked_by), loop)

    def suggest(self, description: str, title: str = "") -> Suggestion:
        """The suggestion, waited for."""
        return self.ask(description, title).result()

    def close(self) -> None:
        """End the thread and its connections; what is still being asked gets the default."""
        with self._lock:
            if self._thread.is_alive() and not self._is_closed:
                self._runner.get_loop().call_soon_threadsafe(self._stop.set)
            self._is_closed = True
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _live(self) -> None:
        with self._runner as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._stop.wait()
        for question in self._questions:
            question.cancel()
        await asyncio.gather(*self._questions, return_exceptions=True)
        if self._client:
            await self._client.close()

    async def _suggest(self, ticket: str, asked_by: str | None) -> Suggestion:
        if question := asyncio.current_task():
            self._questions.add(question)
        try:
            async with asyncio.timeout(self._deadline), self._places:
                if not self._circuit.lets_through():
                    return default_suggestion(PAUSED)
                if self._record:
                    self._record(self.model, ticket, asked_by)
                found = _classification(await self._answer(ticket))
        except asyncio.CancelledError:
            self._circuit.forget()
            if self._is_closed:
                return default_suggestion(STOPPING)
            raise
        except Exception as error:  # noqa: BLE001  whatever goes wrong here, the ticket can still be filed
            reason, is_outage = _explained(error, self._deadline)
            self._circuit.record(failed=is_outage)
            # The error's own text may quote the key or the ticket; its kind does not.
            log.warning("No suggestion: %s (%s)", reason, type(error).__name__)
            return default_suggestion(reason)
        self._circuit.record(failed=False)
        return Suggestion(category=found.category, priority=found.priority, source=self.model)

    async def _answer(self, ticket: str) -> _Answer:
        """The model's answer, asked for with a schema unless the provider is known to know none."""
        retries = RETRIES
        if self._knows_schema:
            try:
                return await self._completion(ticket, RESPONSE_FORMAT)
            except openai.APIStatusError as error:
                if error.status_code not in UNKNOWN_SCHEMA:
                    raise
                retries = 0 if error.status_code >= 500 else RETRIES  # the client has tried those again already
        answer = await self._completion(ticket, openai.omit, retries)
        self._knows_schema = False
        return answer

    async def _completion(
        self, ticket: str, response_format: ResponseFormatJSONSchema | openai.Omit, retries: int = RETRIES
    ) -> _Answer:
        self._client = self._client or _client(self._settings)
        client = _of_no_account(self._client.with_options(max_retries=retries))
        # Neither temperature nor max_tokens: reasoning models refuse them.
        response = await client.chat.completions.with_raw_response.create(
            model=self.model,
            messages=[{"role": "system", "content": PROMPT}, {"role": "user", "content": ticket}],
            response_format=response_format,
        )
        return _Answer.model_validate_json(response.content)


def _client(settings: Settings) -> openai.AsyncOpenAI:
    """A client that takes key, address and account from the settings alone; proxies come from the environment."""
    key = settings.openai_api_key.get_secret_value().strip() if settings.openai_api_key else ""
    url = str(settings.openai_base_url or OPENAI)
    client = openai.AsyncOpenAI(api_key=key, admin_api_key="", base_url=url, timeout=None)
    _ = client.chat.completions.with_raw_response
    return client


def _of_no_account(client: openai.AsyncOpenAI) -> openai.AsyncOpenAI:
    """`client` without the organization and project that openai takes from the environment, for each copy anew."""
    client.organization = client.project = None
    return client


def _as_json(description: str, title: str) -> str:
    ticket = {"title": title[:TITLE_LENGTH], "description": description[:READ_LENGTH]}
    text = json.dumps({name: value for name, value in ticket.items() if value}, ensure_ascii=False)
    return text.encode(errors="replace").decode()  # half a surrogate pair cannot be sent


def _classification(answer: _Answer) -> Classification:
    """The one classification in the answer; code fences and sentences around it do not matter.

    Raises:
        _UnusableError: there is none, or there are several that differ.
    """
    if answer.refusal or answer.finish_reason == "content_filter":
        raise _UnusableError("the model refused to answer")
    content = answer.content or ""
    found = set()
    for text in (content, *FLAT_OBJECT.findall(content)):
        with contextlib.suppress(ValidationError):
            found.add(Classification.model_validate_json(text))
    if len(found) != 1 or answer.finish_reason == "length":
        raise _UnusableError(UNUSABLE)
    return found.pop()


def _explained(error: Exception, deadline: float) -> tuple[str, bool]:
    """Why there is no suggestion, for the agent, and whether it is an outage: the next question may well fail too."""
    match error:
        case _UnusableError():
            return str(error), False
        case TimeoutError():
            return f"the model took longer than {deadline:g} s", True
        case openai.APIConnectionError():
            return "the model cannot be reached", True
        case openai.APIStatusError(status_code=status):
            reason = STATUS_REASONS.get(status, f"the model answered with error {status}")
            return reason, status not in ABOUT_THE_TICKET
        case ValidationError():
            return UNUSABLE, True
        case _:
            return "the model could not be asked", True
