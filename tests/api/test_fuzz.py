"""The OpenAPI document is true: whatever is sent, every answer is one that the document announces, and never a 5xx."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import jsonschema
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.oracle import put

PROBLEM = "application/problem+json"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def server(newest_server: str) -> str:
    """One server is enough here: the subject is not the SQL."""
    return newest_server


@pytest.fixture
def document(client: TestClient) -> Document:
    """What the API says of itself."""
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    found: Document = answer.json()
    return found


def operations(document: Document) -> list[tuple[str, str, Document]]:
    """Method, path and description of each call."""
    return [(method, path, call) for path, calls in document["paths"].items() for method, call in calls.items()]


def check(document: Document, call: Document, answer: Any) -> None:
    """The answer is one that the document announces for this call."""
    announced = call["responses"]
    assert str(answer.status_code) in announced, (answer.status_code, answer.text[:200])
    content = announced[str(answer.status_code)]["content"]
    kind = answer.headers["content-type"]
    schema = content[kind if kind in content else "application/json"]["schema"]
    body = answer.text if kind.startswith("text/plain") else answer.json()
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(body)


def test_errors_are_announced_as_the_kind_of_document_that_they_are(document: Document) -> None:
    for method, path, call in operations(document):
        for status, response in call["responses"].items():
            if status >= "400":
                assert list(response["content"]) == [PROBLEM], (method, path, status)


def test_every_call_announces_what_can_go_wrong_with_it(document: Document) -> None:
    for _, path, call in operations(document):
        assert ("404" in call["responses"]) == ("{ticket_id}" in path)
        assert "503" in call["responses"]


def test_the_document_names_every_word_and_every_limit(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Category"]["enum"] == ["billing", "technical", "account", "general"]
    assert schemas["Priority"]["enum"] == ["low", "medium", "high", "critical"]
    assert schemas["Status"]["enum"] == ["open", "in_progress", "resolved", "closed"]
    new = schemas["NewTicket"]
    assert (new["properties"]["title"]["maxLength"], new["properties"]["description"]["maxLength"]) == (200, 20_000)
    assert set(new["required"]) == {"title", "description"}


words = st.sampled_from(
    [
        "",
        "billing",
        "low",
        "open",
        "critical",
        "Refund",
        "100",
        "0",
        "-1",
        "1",
        "2",
        "%",
        "\x00",
        "2026-05-01T00:00:00Z",
        "true",
        "title=title",
    ]
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
names = st.sampled_from(["title", "description", "category", "priority", "status"])
bodies = st.one_of(
    st.dictionaries(st.one_of(names, names, st.text(max_size=8)), st.one_of(words, anything), max_size=6),
    st.fixed_dictionaries({"title": words, "description": words}, optional={"status": words, "category": words}),
    st.fixed_dictionaries(
        {"changes": st.dictionaries(names, words, max_size=2)},
        optional={
            "ids": st.lists(st.integers(), max_size=3),
            "filter": st.dictionaries(names, st.lists(words, max_size=2)),
        },
    ),
    anything,
)
lines = st.lists(
    st.one_of(st.lists(words, max_size=4).map(",".join), bodies.map(json.dumps), st.text(max_size=20)), max_size=5
)
files = st.one_of(
    st.binary(max_size=60),
    st.tuples(st.sampled_from(["", "title,description\n", "description,title,status\n"]), lines).map(
        lambda file: (file[0] + "\n".join(file[1])).encode(errors="surrogatepass")
    ),
)
queries = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(
                [
                    "category",
                    "priority",
                    "status",
                    "search",
                    "created_from",
                    "created_to",
                    "limit",
                    "after",
                    "updated_since",
                ]
            ),
            st.sampled_from(["skip_invalid", "map"]),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        ),
        st.one_of(words, st.text(st.characters(exclude_categories=["Cs"]), max_size=12)),
    ),
    max_size=4,
)
numbers = st.one_of(st.integers(0, 3).map(str), st.integers().map(str), st.text("a1.-_% é", min_size=1, max_size=5))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_sent_the_answer_is_one_that_the_document_announces(
    client: TestClient, sql: sa.Connection, document: Document, data: st.DataObject
) -> None:
    put(sql, [{}])
    method, path, call = data.draw(st.sampled_from(operations(document)))
    path = path.replace("{ticket_id}", quote(data.draw(numbers), safe=""))
    sent: dict[str, Any] = {}
    if "requestBody" in call:
        kind = data.draw(st.sampled_from(sorted(call["requestBody"]["content"])))
        content = json.dumps(data.draw(bodies)) if kind == "application/json" else data.draw(files)
        sent = {"content": content, "headers": {"Content-Type": kind}}
    check(document, call, client.request(method, f"/api{path}?{urlencode(data.draw(queries))}", **sent))
