"""A log line is one line that a program can take apart, whatever was logged."""

import logging
import re
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketcore import journal

PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"=\\]+)(?: |$)')


def line(message: str, *arguments: object, error: bool = False, **fields: object) -> str:
    record = logging.LogRecord(
        "ticketcore.api", logging.WARNING, "/x.py", 1, message, arguments, sys.exc_info() if error else None
    )
    record.created = 1_795_510_800.123
    if fields:
        record.fields = fields
    return journal.Logfmt().format(record)


def pairs(text: str) -> dict[str, str]:
    """The line, taken apart by the rules of logfmt; it has to consist of nothing else."""
    assert "".join(found[0] for found in PAIR.finditer(text)) == text
    return {found[1]: unquoted(found[2]) for found in PAIR.finditer(text)}


def unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    escape = re.compile(r'\\(?:(["\\])|([ntr])|x(..)|u(....)|U(........))')

    def character(found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        return (
            {"n": "\n", "t": "\t", "r": "\r"}[found[2]] if found[2] else chr(int(found[3] or found[4] or found[5], 16))
        )

    return escape.sub(character, value[1:-1])


@pytest.fixture
def request_id() -> Iterator[str]:
    token = journal.request_id.set("r-1")
    yield "r-1"
    journal.request_id.reset(token)


def test_a_record_is_a_line_of_pairs(request_id: str) -> None:
    assert line("GET %s %d", "/api/tickets/", 200, method="GET", status=200, ms="3.2") == (
        'at=2026-11-24T09:00:00.123Z level=warning logger=ticketcore.api message="GET /api/tickets/ 200" '
        "request_id=r-1 method=GET status=200 ms=3.2"
    )


def test_outside_of_a_request_there_is_no_request() -> None:
    assert line("ready") == "at=2026-11-24T09:00:00.123Z level=warning logger=ticketcore.api message=ready"


@given(st.text(), st.text())
def test_any_text_is_one_printable_line_and_comes_back(message: str, path: str) -> None:
    found = line("%s", message, path=path)
    assert found.isprintable()
    assert len(found.splitlines()) == 1
    assert (pairs(found)["message"], pairs(found)["path"]) == (message, path)


def test_a_traceback_is_in_the_line_too() -> None:
    try:
        int('no "luck"\nat all')
    except ValueError:
        found = line("it failed", error=True)
    assert len(found.splitlines()) == 1
    error = pairs(found)["error"]
    assert error.startswith("Traceback (most recent call last):\n")
    assert error.endswith(r"""with base 10: 'no "luck"\nat all'""")
