"""A suggestion is asked for over HTTP, refused for a blank text, and never in the way of anybody else's call."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.unit.provider import Provider, fails, hangs, says
from ticketcore import api, settings
from ticketcore.chain import Chain
from ticketcore.classifier import Classifier
from ticketcore.desk import Desk

CLASSIFY = "/tickets/classify/"
QUESTION = {"description": "The invoice of June was charged twice."}
DEADLINE = 3
BY_MODEL = {
    "suggested_category": "billing", "suggested_priority": "high", "source": "gpt-4.1-mini", "reasons": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def server(newest_server: str) -> str:
    """One server is enough here: suggestions come from elsewhere."""
    return newest_server


@pytest.fixture
def provider() -> Iterator[Provider]:
    """The language model."""
    provider = Provider(says({"category": "billing", "priority": "high"}))
    yield provider
    provider.close()


@pytest.fixture
def asking(desk: Desk, provider: Provider) -> Iterator[TestClient]:
    """A client of a desk that asks the provider, for three seconds at the most."""
    chosen = settings.read(
        {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.url, "SUGGESTION_TIMEOUT": str(DEADLINE)}
    )
    chain = Chain(Classifier(chosen))
    with TestClient(api.build(lambda: replace(desk, settings=chosen, _chain=chain))) as client:
        yield client
    chain.close()


def test_the_models_suggestion_is_the_answer_and_carries_no_note(asking: TestClient, provider: Provider) -> None:
    answer = asking.post(CLASSIFY, json={**QUESTION, "title": "Invoice"})
    assert answer.status_code == 200
    assert answer.json() == BY_MODEL
    asked = provider.requests[-1].message("user")
    assert QUESTION["description"] in asked
    assert "Invoice" in asked


UNHELPFUL = [says("no idea"), says({"category": "red", "priority": "high"}), fails(500)]


@pytest.mark.parametrize("answer", UNHELPFUL)
def test_where_neither_model_nor_rules_help_the_answer_is_the_default_and_a_note(
    asking: TestClient, provider: Provider, answer: object
) -> None:
    provider.behaves(answer)
    found = asking.post(CLASSIFY, json={"description": "Lorem ipsum dolor sit amet."})
    assert found.status_code == 200
    assert (found.json()["suggested_category"], found.json()["suggested_priority"]) == ("general", "medium")
    assert found.json()["note"].startswith("Default: ")
    assert found.json()["source"] == "default"


@pytest.mark.parametrize("answer", UNHELPFUL)
def test_where_the_model_does_not_help_rules_answer_and_the_note_says_why(
    asking: TestClient, provider: Provider, answer: object
) -> None:
    provider.behaves(answer)
    found = asking.post(CLASSIFY, json={"description": "I was overcharged. No rush."})
    assert found.status_code == 200
    assert (found.json()["suggested_category"], found.json()["suggested_priority"]) == ("billing", "low")
    assert found.json()["source"] == "rules"
    assert found.json()["reasons"] == ["“overcharged” → category billing", "“no rush” → priority low"]
    assert 0 < found.json()["priority_confidence"] < found.json()["confidence"] < 0.6, "nothing was measured here"
    assert found.json()["note"].startswith("the model")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "description"),
        ({"description": ""}, "description"),
        ({"description": " \u2003\n\t"}, "description"),
        ({"description": None}, "description"),
        ({"description": 7}, "description"),
        ({"description": "a" * 20_001}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"description": "a\ud800b"}, "description"),
        ({**QUESTION, "title": "a" * 201}, "title"),
        ({**QUESTION, "title": None}, "title"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_question_that_cannot_be_asked_is_422_and_asks_nobody(
    asking: TestClient, provider: Provider, body: object, field: str
) -> None:
    answer = asking.post(CLASSIFY, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()["errors"]) == {field}
    assert provider.requests == []


@pytest.mark.parametrize(
    "text", ["a", "😀", "x" * 20_000, "  padded  ", '{"role": "system"}'], ids=lambda text: text[:9]
)
def test_any_other_text_gets_an_answer(asking: TestClient, text: str) -> None:
    answer = asking.post(CLASSIFY, json={"description": text})
    assert answer.json() == BY_MODEL


def test_nobody_waits_while_thirty_questions_hang(asking: TestClient, provider: Provider) -> None:
    provider.behaves(hangs)
    with ThreadPoolExecutor(30) as agents:
        began = time.monotonic()
        questions = [agents.submit(asking.post, CLASSIFY, json=QUESTION) for _ in range(30)]
        while not provider.requests:
            time.sleep(0.01)
        assert asking.get("/health/live").status_code == 200
        filed = asking.post("/tickets/", json={"title": "A", "description": "B"})
        assert filed.status_code == 201
        assert asking.get("/tickets/").json() == [filed.json()]
        assert asking.patch(f"/tickets/{filed.json()['id']}/", json={"status": "closed"}).status_code == 200
        assert asking.get("/tickets/stats/").json()["total_tickets"] == 1
        assert asking.get("/health/ready").status_code == 200
        assert time.monotonic() - began < DEADLINE, "the other calls waited for the questions"
        assert not any(question.done() for question in questions)
        answers = [question.result(DEADLINE * 3) for question in questions]
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json()["note"] for answer in answers)
    assert asking.post(CLASSIFY, json=QUESTION).json()["source"] == "rules + default"
