"""The OpenAPI document explains itself: whoever scripts against the API needs nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from ticketcore import api

DOCUMENT: dict[str, Any] = api.build(lambda: None).openapi()  # type: ignore[arg-type,return-value]
OPERATIONS = [(method, path, call) for path, calls in DOCUMENT["paths"].items() for method, call in calls.items()]
EACH = pytest.mark.parametrize(("method", "path", "call"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS])


def parts() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each parameter and each field of a body or an answer, with where it is."""
    for method, path, call in OPERATIONS:
        for parameter in call.get("parameters", []):
            yield f"{method} {path} {parameter['name']}", {**parameter["schema"], **parameter}
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            yield f"{name}.{field}", described


@pytest.mark.parametrize("part", [pytest.param(part, id=place) for place, part in parts()])
def test_every_parameter_and_every_field_is_described(part: dict[str, Any]) -> None:
    assert len(part.get("description", "")) > 5
    has_example = part.keys() & {"examples", "example", "default"}
    assert has_example or "$ref" in part or part.get("type") == "boolean" or "$ref" in part.get("items", {})


@EACH
def test_every_call_says_what_it_does_and_what_may_go_wrong(method: str, path: str, call: dict[str, Any]) -> None:
    assert len(call["summary"]) > 5
    for status, answer in call["responses"].items():
        assert answer["description"], status
        assert "X-Request-ID" in answer["headers"]
        if status >= "400":
            assert list(answer["content"]) == ["application/problem+json"]


def test_the_headers_of_conditional_and_repeated_requests_are_there() -> None:
    headers = {
        (method, path, parameter["name"].lower())
        for method, path, call in OPERATIONS
        for parameter in call.get("parameters", [])
        if parameter["in"] == "header"
    }
    assert headers == {
        ("post", "/tickets/", "idempotency-key"),
        ("get", "/tickets/{ticket_id}/", "if-none-match"),
        ("patch", "/tickets/{ticket_id}/", "if-match"),
    }
    ticket = DOCUMENT["paths"]["/tickets/{ticket_id}/"]
    assert set(ticket["patch"]["requestBody"]["content"]) == {"application/json", "application/merge-patch+json"}
    assert {"200", "304", "404"} <= set(ticket["get"]["responses"])
    assert {"200", "404", "412", "422"} <= set(ticket["patch"]["responses"])
    assert "ETag" in ticket["get"]["responses"]["200"]["headers"]
    assert {"Location", "ETag"} <= set(DOCUMENT["paths"]["/tickets/"]["post"]["responses"]["201"]["headers"])
    assert "Link" in DOCUMENT["paths"]["/tickets/"]["get"]["responses"]["200"]["headers"]
