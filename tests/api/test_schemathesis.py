"""Whatever a client makes of the OpenAPI document, every answer is one that the document announces, and never a 5xx.

`test_fuzz.py` sends what people and scripts get wrong; here requests are generated from the document itself, such that
fit it and such that break one of its rules.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi import checks as openapi

from tests.oracle import put
from ticketcore import api
from ticketcore.desk import Desk

running: list[Desk] = []
generation = GenerationConfig(deterministic=True, database="none")
config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
process = api.build(lambda: running[-1])
schema = schemathesis.openapi.from_asgi("/openapi.json", process, config=config)

# Not every rule can be said in JSON Schema (a title of spaces, a cursor), and blank parameters mean none on purpose.
LENIENT = [openapi.positive_data_acceptance, openapi.negative_data_rejection]


@schemathesis.serializer("text/csv", "application/x-ndjson", "application/jsonl")
def as_it_is(_context: Any, value: Any) -> bytes:
    """A file is sent as the text that was generated for it."""
    return value.encode(errors="replace") if isinstance(value, str) else json.dumps(value, default=repr).encode()


@pytest.fixture(scope="module")
def server(newest_server: str) -> str:
    """One server is enough here: the subject is not the SQL."""
    return newest_server


@pytest.fixture(autouse=True)
def occupied(desk: Desk, sql: Any) -> Iterator[None]:
    """A desk with three tickets, which the API is the one of."""
    put(sql, [{}, {"status": "closed"}, {"title": "Refund"}])
    running.append(desk)
    yield
    running.clear()


@schema.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_announces(case: Any) -> None:
    case.call_and_validate(excluded_checks=LENIENT)
