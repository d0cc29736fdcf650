"""Rules say what the words of a ticket say, and nothing where there is none of theirs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import CATEGORIES, PRIORITIES
from ticketcore.triage import rules


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Please refund the second invoice", "billing"),
        ("The import CRASHES with an error", "technical"),
        ("I forgot my password and am locked out", "account"),
        ("What are your opening hours?", "general"),
        ("Refundable invoices: refunds", "billing"),
    ],
)
def test_words_speak_for_a_category_in_any_case_and_with_any_ending(text: str, category: str) -> None:
    hint = rules.hint("category", text)
    assert hint is not None
    assert hint.value == category


@pytest.mark.parametrize(
    ("text", "priority"),
    [
        ("Production is down since nine", "critical"),
        ("Production\n  is   down", "critical"),
        ("This is urgent", "high"),
        ("This is not urgent", "low"),
        ("This isn’t urgent", "low"),
        ("Fix it when you have time, no rush", "low"),
        ("I can't work", "high"),
    ],
)
def test_explicit_wording_speaks_for_a_priority(text: str, priority: str) -> None:
    hint = rules.hint("priority", text)
    assert hint is not None
    assert hint.value == priority


@pytest.mark.parametrize(
    "text",
    [
        "This isn't critical", "Nothing critical here", "A non-critical question", "There was no data loss",
        "It is not an emergency", "no outage reported", "Not that urgent", "Not asap", "without any data loss",
        "It's not a blocker", "This isn’t an emergency",
    ],
)  # fmt: skip
def test_what_is_denied_is_no_alarm(text: str) -> None:
    hint = rules.hint("priority", text)
    assert hint is None or hint.value == "low"


@pytest.mark.parametrize("text", ["It fails not, urgent", "No. Data loss!", "prod down", "the server is down"])
def test_what_is_denied_before_something_else_is_one(text: str) -> None:
    hint = rules.hint("priority", text)
    assert hint is not None
    assert hint.value in ("high", "critical")


@pytest.mark.parametrize("text", ["", "Lorem ipsum", "billow", "The prince, costly", "disurgent", "超過請求", "\ud83d"])
def test_where_no_word_is_theirs_they_say_nothing(text: str) -> None:
    assert rules.hint("category", text) is None
    assert rules.hint("priority", text) is None


def test_the_words_are_those_of_the_ticket_the_weightiest_first_and_a_phrase_counts_once() -> None:
    hint = rules.hint("category", "A fee and a fee for refunds, overcharging me: refunds")
    assert hint is not None
    assert hint.words == ("overcharging", "refunds", "fee")


def test_what_is_nearly_as_heavy_for_another_value_is_unclear() -> None:
    clear, unclear = rules.hint("category", "refund"), rules.hint("category", "refund, error")
    assert clear is not None
    assert unclear is not None
    assert (clear.strength, unclear.strength) == ("clear", "unclear")


@given(st.text(max_size=200))
def test_a_hint_is_always_inside_the_enums(text: str) -> None:
    category, priority = rules.hint("category", text), rules.hint("priority", text)
    assert category is None or category.value in CATEGORIES
    assert priority is None or priority.value in PRIORITIES


def test_only_the_beginning_of_a_text_is_read() -> None:
    assert rules.hint("category", "x " * 10_000 + "refund") is None
