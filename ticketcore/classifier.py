"""What a language model suggests for a ticket: a category and a priority, or the default that says why.

The only file that imports openai. A suggestion is never late, never outside the enums and never an error,
whatever the model answers and the ticket says. Neither key nor ticket text reaches a log or a note.
"""

import asyncio
import contextlib
import json
import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import cast

import openai
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import ValidationError

from ticketcore.circuit import Circuit
from ticketcore.completion import SCHEMA, UNUSABLE, Answer, UnusableError, classification
from ticketcore.prompt import EXAMPLE_LENGTH, READ_LENGTH, VERSION, Example, Message, as_json, conversation
from ticketcore.redaction import redacted
from ticketcore.settings import Settings
from ticketcore.suggestion import Suggestion, by_model, default_suggestion
from ticketcore.validation import TITLE_LENGTH

OPENAI = "https://api.openai.com/v1"
RETRIES = 1  # of a question, whether it was asked with a schema or without
AT_ONCE = 16  # questions under way; the others wait, and their waiting counts against the deadline

RESPONSE_FORMAT: ResponseFormatJSONSchema = {
    "type": "json_schema",
    "json_schema": {"name": "classification", "strict": True, "schema": SCHEMA},
}
UNKNOWN_SCHEMA = {400, 404, 405, 415, 422, 501}  # how providers refuse a response_format that they do not know
ABOUT_THE_TICKET = {400, 413, 422}  # may be due to this ticket's text; the next one may be answered well

PAUSED = "the model is not answering; asked again in a moment"
STOPPING = "the desk is being stopped"
STATUS_REASONS = {
    **dict.fromkeys((401, 403), "the model's key was not accepted"),
    404: "the model was not found",
    **dict.fromkeys((429, 503), "the model is overloaded"),
}

log = logging.getLogger(__name__)


Record = Callable[[str, str, str | None], None]
"""Takes down the model, what it is sent, and who asks, at once."""


class Classifier:
    """Asks the model that the settings name, each question with at most one retry, for `SUGGESTION_TIMEOUT` in all.

    One daemon thread, started by the first question, waits for every answer. Timeouts, lost connections, refused
    keys, errors of the provider and answers that are not JSON count for the circuit. What may be due to one ticket's
    text does not (a refusal, an answer outside the enums, a status 400, 413 or 422), so that one odd customer does
    not switch suggestions off for the others.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        record: Record | None = None,
        examples: Callable[[], Sequence[Example]] = tuple,
        now: Callable[[], float] = time.monotonic,
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
        self._examples = examples
        # To mask them takes 50 ms, and they stay a while.
        self._masked_examples = lru_cache(maxsize=1)(self._all_masked)
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
        said: list[Message] = []
        if self.is_configured:
            said = self._conversation(description, title)
        with self._lock:
            if not self.is_configured or self._is_closed:
                reason = STOPPING if self.is_configured else "no language model is configured"
                known: Future[Suggestion] = Future()
                known.set_result(default_suggestion(reason))
                return known
            loop = self._runner.get_loop()
            if not self._thread.is_alive():
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(self._suggest(said, asked_by), loop)

    def _conversation(self, description: str, title: str) -> list[Message]:
        ticket = as_json(self._masked(description[:READ_LENGTH]), self._masked(title[:TITLE_LENGTH]))
        return conversation(ticket, self._settings.definitions, self._masked_examples(tuple(self._examples())))

    def _masked(self, text: str) -> str:
        return redacted(text) if self._redacts else text

    def _all_masked(self, examples: tuple[Example, ...]) -> list[Example]:
        return [
            one._replace(title=self._masked(one.title), description=self._masked(one.description[:EXAMPLE_LENGTH]))
            for one in examples
        ]

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

    async def _suggest(self, said: list[Message], asked_by: str | None) -> Suggestion:
        if question := asyncio.current_task():
            self._questions.add(question)
        try:
            async with asyncio.timeout(self._deadline), self._places:
                if not self._circuit.lets_through():
                    return default_suggestion(PAUSED)
                if self._record:
                    sent = "\n".join(one.content for one in said[1:])
                    self._record(f"{self.model}, prompt {VERSION}", sent, asked_by)
                found = classification(await self._answer(said))
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
        return by_model(self.model, found, "\n".join(json.loads(said[-1].content).values()))

    async def _answer(self, said: list[Message]) -> Answer:
        """The model's answer, asked for with a schema unless the provider is known to know none."""
        retries = RETRIES
        if self._knows_schema:
            try:
                return await self._completion(said, RESPONSE_FORMAT)
            except openai.APIStatusError as error:
                if error.status_code not in UNKNOWN_SCHEMA:
                    raise
                retries = 0 if error.status_code >= 500 else RETRIES  # the client has tried those again already
        answer = await self._completion(said, openai.omit, retries)
        self._knows_schema = False
        return answer

    async def _completion(
        self, said: list[Message], response_format: ResponseFormatJSONSchema | openai.Omit, retries: int = RETRIES
    ) -> Answer:
        self._client = self._client or _client(self._settings)
        client = _of_no_account(self._client.with_options(max_retries=retries))
        # Neither temperature nor max_tokens: reasoning models refuse them.
        response = await client.chat.completions.with_raw_response.create(
            model=self.model,
            messages=[cast(ChatCompletionMessageParam, one._asdict()) for one in said],
            response_format=response_format,
        )
        return Answer.model_validate_json(response.content)


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


def _explained(error: Exception, deadline: float) -> tuple[str, bool]:
    """Why there is no suggestion, for the agent, and whether it is an outage: the next question may well fail too."""
    match error:
        case UnusableError():
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
