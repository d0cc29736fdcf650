"""Who suggests: the language model, where one is configured and answers; the desk's model; rules; the default.

A suggestion is never an error and waits for nothing but the language model, whose deadline is its own.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from dataclasses import replace
from typing import Literal

from ticketcore.classifier import Classifier
from ticketcore.metrics import SUGGESTIONS
from ticketcore.suggestion import PARTS, Opinion, Similar, Suggestion, default_suggestion
from ticketcore.triage.knowledge import NOTHING, Knowledge

log = logging.getLogger(__name__)

FindSimilar = Callable[[str, tuple[str, ...]], tuple[Similar, ...]]
"""Earlier tickets like a text of which these words weighed most."""

Shadow = Literal["0", "1", "model"]
"""Whose second opinion is kept silently: nobody's, that of the next in the chain, or the language model's."""

PATIENCE = 0.5
"""Seconds that similar tickets may take: they are evidence, and nobody is to wait for it."""


class Chain:
    """Asks the members in turn, for category and priority each on its own. Ended with `close()`."""

    def __init__(
        self,
        classifier: Classifier,
        *,
        knowledge: Callable[[], Knowledge] = lambda: NOTHING,
        similar: FindSimilar = lambda *_: (),
        shadow: Shadow = "0",
    ) -> None:
        self._classifier, self._knowledge, self._similar = classifier, knowledge, similar
        self._shadow = shadow
        self._pool = ThreadPoolExecutor(4, "chain")
        self._looking, self._free = ThreadPoolExecutor(4, "similar"), threading.BoundedSemaphore(4)

    def ask(self, description: str, title: str = "", *, asked_by: str | None = None) -> Future[Suggestion]:
        """A suggestion to come; it never raises. Cancelling it ends the question to the language model."""
        answer: Future[Suggestion] = Future()
        try:
            own = self._pool.submit(self._opinions, f"{title}\n{description}".strip())
            asked = self._classifier.ask(description, title, asked_by=asked_by)
            answer.add_done_callback(lambda done: asked.cancel() if done.cancelled() else None)
            asked.add_done_callback(lambda _: self._go_on(answer, asked, own))
        except RuntimeError:  # it is being stopped
            answer.set_result(default_suggestion("the desk is being stopped"))
        return answer

    def suggest(self, description: str, title: str = "") -> Suggestion:
        """The suggestion, waited for."""
        return self.ask(description, title).result()

    def close(self) -> None:
        """Ends the language model's questions and the threads."""
        self._classifier.close()
        self._pool.shutdown(wait=True)
        self._looking.shutdown(wait=False, cancel_futures=True)

    def _go_on(
        self, answer: Future[Suggestion], asked: Future[Suggestion], own: Future[tuple[Suggestion, Suggestion]]
    ) -> None:
        try:
            self._pool.submit(self._finish, answer, asked, own)
        except RuntimeError:
            if answer.set_running_or_notify_cancel():
                answer.set_result(default_suggestion("the desk is being stopped"))

    def _finish(
        self, answer: Future[Suggestion], asked: Future[Suggestion], own: Future[tuple[Suggestion, Suggestion]]
    ) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            found = self._combined(asked.result(), *own.result())
            SUGGESTIONS.labels(source=found.source).inc()
            answer.set_result(found)
        except (CancelledError, Exception) as error:  # the ticket can be filed whatever goes wrong
            log.exception("No suggestion: %s", type(error).__name__)
            answer.set_result(default_suggestion("the suggestion failed; the failure was logged"))

    def _combined(self, told: Suggestion, own: Suggestion, next_best: Suggestion) -> Suggestion:
        """What the language model says or, where it says nothing, the desk itself; with the other's answer beside."""
        if told.is_default:
            note = told.note if own.is_default or self._classifier.is_configured else None
            if not own.is_default:
                note = note and note.removeprefix("Default: ")
            return replace(own, note=note, shadow=next_best if self._shadow == "1" else None)
        track = self._knowledge().track
        category, priority = (
            replace(opinion, confidence=track(opinion.source, opinion.value))
            for opinion in (told.on_category, told.on_priority)
        )
        by_model = Suggestion(category, priority, similar=own.similar)
        if self._shadow == "model":
            return replace(own, shadow=by_model)
        return replace(by_model, shadow=own if self._shadow == "1" else None)

    def _opinions(self, text: str) -> tuple[Suggestion, Suggestion]:
        """What the desk itself suggests, and what it would if the first to have an opinion were not there."""
        known = self._knowledge()
        opinions = {part: known.opinions(part, text) for part in PARTS}
        words = tuple(word for part in PARTS for word in opinions[part][0].words)
        similar = self._looked_up(text, words)
        category, priority = (opinions[part] for part in PARTS)
        first, second = (Suggestion(_at(category, place), _at(priority, place), similar=similar) for place in (0, 1))
        return first, second

    def _looked_up(self, text: str, words: tuple[str, ...]) -> tuple[Similar, ...]:
        # While searches hang, whoever comes next does without one at once.
        if not self._free.acquire(blocking=False):
            return ()
        try:
            looking = self._looking.submit(self._similar, text, words)
        except RuntimeError:
            self._free.release()
            raise
        looking.add_done_callback(lambda _: self._free.release())
        try:
            return looking.result(PATIENCE)
        except (LateError, Exception) as error:  # noqa: BLE001  they are a courtesy
            looking.cancel()
            log.info("No similar tickets: %s", type(error).__name__)
            return ()


def _at(opinions: list[Opinion], place: int) -> Opinion:
    """The opinion at this place, or the default, which is the last."""
    return opinions[min(place, len(opinions) - 1)]
