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
from ticketcore.classifier import Classifier
from ticketcore.desk import Desk

CLASSIFY = "/tickets/classify/"
QUESTION = {"description": "The invoice of June was charged twice."}
DEADLINE = 3


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
    classifier = Classifier(chosen)
    with TestClient(api.build(lambda: replace(desk, settings=chosen, _classifier=classifier))) as client:
        yield client
    classifier.close()


def test_the_models_suggestion_is_the_answer_and_carries_no_note(asking: TestClient, provider: Provider) -> None:
    answer = asking.post(CLASSIFY, json={**QUESTION, "title": "Invoice"})
    assert answer.status_code == 200
    assert answer.json() == {"suggested_category": "billing", "suggested_priority": "high"}
    asked = provider.requests[-1].message("user")
    assert QUESTION["description"] in asked
    assert "Invoice" in asked


@pytest.mark.parametrize("answer", [says("no idea"), says({"category": "red", "priority": "high"}), fails(500)])
def test_a_model_that_does_not_help_gives_the_default_and_a_note(
    asking: TestClient, provider: Provider, answer: object
) -> None:
    provider.behaves(answer)
    found = asking.post(CLASSIFY, json=QUESTION)
    assert found.status_code == 200
    assert (found.json()["suggested_category"], found.json()["suggested_priority"]) == ("general", "medium")
    assert "default" in found.json()["note"].lower()


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
    assert answer.json() == {"suggested_category": "billing", "suggested_priority": "high"}


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
    assert asking.post(CLASSIFY, json=QUESTION).json()["suggested_category"] == "general"
