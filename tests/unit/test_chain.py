"""Who suggests: the language model first, then the desk, and whatever goes wrong, an answer that can be filed."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.provider import Provider, fails, hangs, later, says
from tests.unit.test_triage import tickets
from ticketcore import settings
from ticketcore.chain import PATIENCE, Chain
from ticketcore.classifier import Classifier
from ticketcore.models import Category, Priority
from ticketcore.suggestion import Similar, Suggestion
from ticketcore.triage.knowledge import NOTHING, Knowledge
from ticketcore.triage.training import learn

GOOD = {"category": "account", "priority": "high", "words": ["turbine"]}
TEXT = "The turbine and the gasket. No rush."
EARLIER = (Similar(7, "A turbine", Category.TECHNICAL, Priority.LOW),)
Making = Callable[..., Chain]


@pytest.fixture(scope="module")
def learned() -> Knowledge:
    return learn(tickets(400))


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider(says(GOOD))
    yield provider
    provider.close()


@pytest.fixture
def make(provider: Provider) -> Iterator[Making]:
    """Makes chains; with `has_key` they ask the provider first."""
    made: list[Chain] = []

    def make(*, has_key: bool = False, deadline: str = "3", **parts: Any) -> Chain:
        key = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": provider.url, "OPENAI_MODEL": "a-model"} if has_key else {}
        made.append(Chain(Classifier(settings.read({**key, "SUGGESTION_TIMEOUT": deadline})), **parts))
        return made[-1]

    yield make
    for chain in made:
        chain.close()


def said(suggestion: Suggestion) -> tuple[str, str, str, str | None]:
    return suggestion.category, suggestion.priority, suggestion.source, suggestion.note


def test_the_language_model_answers_where_one_is_configured(make: Making, learned: Knowledge) -> None:
    chain = make(has_key=True, knowledge=lambda: learned, similar=lambda *_: EARLIER)
    suggestion = chain.suggest(TEXT)
    assert said(suggestion) == ("account", "high", "a-model", None)
    assert suggestion.on_category.words == ("turbine",)
    assert suggestion.on_category.confidence is None
    assert suggestion.similar == EARLIER
    assert suggestion.reasons() == ["“turbine” → category account", "like #7 “A turbine”, now technical, low"]


def test_how_sure_it_is_comes_from_its_record(make: Making) -> None:
    record = {"a-model": {"category": {"account": (50, 50)}}}
    known = replace(NOTHING, exam=NOTHING.exam.model_copy(update={"record": record}))
    suggestion = make(has_key=True, knowledge=lambda: known).suggest(TEXT)
    assert 0.85 < (suggestion.on_category.confidence or 0) < 1
    assert suggestion.on_priority.confidence is None


@pytest.mark.parametrize("failure", [fails(500), says("no"), hangs], ids=["error", "nonsense", "silence"])
def test_where_it_does_not_answer_the_desk_does_and_the_note_says_why(
    make: Making, provider: Provider, learned: Knowledge, failure: Any
) -> None:
    provider.behaves(failure)
    suggestion = make(has_key=True, deadline="1", knowledge=lambda: learned).suggest(TEXT)
    assert said(suggestion)[:3] == ("technical", "low", "desk model + rules")
    assert (suggestion.note or "").startswith("the model")


def test_without_one_the_desk_answers_and_there_is_nothing_to_say_about_it(make: Making, learned: Knowledge) -> None:
    assert said(make(knowledge=lambda: learned).suggest(TEXT)) == ("technical", "low", "desk model + rules", None)
    assert said(make().suggest("Refund me")) == ("billing", "medium", "rules + default", None)
    nobody = make().suggest("Lorem ipsum")
    assert said(nobody) == ("general", "medium", "default", "Default: no language model is configured")


def test_title_and_description_both_count(make: Making) -> None:
    assert make().suggest("Lorem ipsum", "Refund me, no rush").category == "billing"


def test_the_next_member_is_asked_silently_where_that_is_wanted(make: Making, learned: Knowledge) -> None:
    first = make(has_key=True, knowledge=lambda: learned, shadow="1").suggest(TEXT)
    assert first.source == "a-model"
    assert first.shadow is not None
    assert said(first.shadow)[:3] == ("technical", "low", "desk model + rules")
    second = make(knowledge=lambda: learned, shadow="1").suggest(f"{TEXT} Refund!")
    assert said(second)[:3] == ("technical", "low", "desk model + rules")
    assert second.shadow is not None
    assert said(second.shadow)[:3] == ("billing", "medium", "rules + default")
    assert make(knowledge=lambda: learned).suggest(TEXT).shadow is None


def test_a_language_model_can_be_tried_silently_beside_the_desk(
    make: Making, provider: Provider, learned: Knowledge
) -> None:
    chain = make(has_key=True, knowledge=lambda: learned, shadow="model")
    shown = chain.suggest(TEXT)
    assert said(shown) == ("technical", "low", "desk model + rules", None)
    assert shown.shadow is not None
    assert said(shown.shadow) == ("account", "high", "a-model", None)
    provider.behaves(fails(500))
    assert chain.suggest(TEXT).shadow is None


def test_similar_tickets_are_looked_for_by_the_words_that_weighed_most(make: Making, learned: Knowledge) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def similar(text: str, words: tuple[str, ...]) -> tuple[Similar, ...]:
        asked.append((text, words))
        return EARLIER

    assert make(knowledge=lambda: learned, similar=similar).suggest(TEXT, "Look").similar == EARLIER
    ((text, words),) = asked
    assert text == f"Look\n{TEXT}"
    assert {"turbine", "gasket", "no rush"} <= set(words)


def test_nobody_waits_for_similar_tickets(make: Making, learned: Knowledge) -> None:
    release = threading.Event()

    def slow(*_: object) -> tuple[Similar, ...]:
        release.wait(30)
        return EARLIER

    chain = make(knowledge=lambda: learned, similar=slow)
    began = time.monotonic()
    answers = [chain.ask(TEXT) for _ in range(80)]
    assert all(answer.result(20).source == "desk model + rules" for answer in answers)
    assert time.monotonic() - began < 4 * PATIENCE, "while the first searches hang, the others do without one"
    release.set()


def test_what_fails_is_the_default_and_is_logged_without_the_ticket(
    make: Making, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Knowledge:
        raise ZeroDivisionError

    with caplog.at_level(logging.DEBUG):
        assert make(knowledge=broken).suggest("My secret. Refund!").is_default
    assert "My secret" not in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_similar_tickets_that_cannot_be_looked_up_are_none(make: Making, learned: Knowledge) -> None:
    def broken(*_: object) -> tuple[Similar, ...]:
        raise OSError

    assert make(knowledge=lambda: learned, similar=broken).suggest(TEXT).similar == ()


def test_cancelling_ends_the_question_to_the_language_model(make: Making, provider: Provider) -> None:
    provider.behaves(hangs)
    answer = make(has_key=True, deadline="60").ask(TEXT)
    while not provider.requests:
        time.sleep(0.01)
    assert answer.cancel()
    assert provider.left.wait(10)


def test_a_hundred_at_once_are_all_answered(make: Making, provider: Provider, learned: Knowledge) -> None:
    provider.behaves(later(0.05, says(GOOD)))
    chain = make(has_key=True, deadline="30", knowledge=lambda: learned)
    with ThreadPoolExecutor(20) as agents:
        answers = list(agents.map(lambda _: chain.suggest(TEXT), range(100)))
    assert {answer.source for answer in answers} == {"a-model"}


def test_closing_answers_what_is_under_way_and_what_comes_later(make: Making, provider: Provider) -> None:
    provider.behaves(hangs)
    chain = make(has_key=True, deadline="60")
    under_way: list[Future[Suggestion]] = [chain.ask("Refund") for _ in range(5)]
    while not provider.requests:
        time.sleep(0.01)
    chain.close()
    assert {answer.result(5).category for answer in under_way} <= {"billing", "general"}
    assert chain.ask("Refund").result(5).is_default
