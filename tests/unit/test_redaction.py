"""What leaves the desk for a model has no addresses, card numbers, telephone numbers and keys in it."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.provider import Provider, says
from ticketcore.classifier import Classifier
from ticketcore.prompt import VERSION
from ticketcore.redaction import redacted
from ticketcore.settings import read


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to jane.doe+desk@mail.example.co.uk, please", "Write to [e-mail], please"),
        ("<ann@example.org>", "<[e-mail]>"),
        ("Card 4111 1111 1111 1111 was charged", "Card [card] was charged"),
        ("5500-0055-5555-5559", "[card]"),
        ("378282246310005.", "[card]."),
        ("My card 4111 1111 1111 1111 12/27", "My card [card] 12/27"),
        ("order 17: 4111 1111 1111 1111", "order 17: [card]"),
        ("2026-11-24 4111 1111 1111 1111", "2026-11-24 [card]"),
        ("Visa4111111111111111x", "Visa[card]x"),
        ("4111.1111.1111.1111 or 4111\u00a01111\u00a01111\u00a01111", "[card] or [card]"),
        ("+15551234567 or +44 7700 900123", "[phone] or [phone]"),
        ('{"password": "hunter2"}', '{"password": [key]}'),
        ("DB_PASSWORD=c0ffee and client_secret=abc", "DB_PASSWORD=[key] and client_secret=[key]"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = [key]"),
        ("password is: hunter2", "password is: [key]"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic [key]"),
        ("Call +49 30 901820 or (415) 555-2671", "Call [phone] or [phone]"),
        ("sk-proj-Ab12Cd34Ef56Gh78Ij90", "[key]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "Bearer [key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[key]"),
        ("password: hunter2!", "password: [key]"),
        ("my password is Tr0ub4dor", "my password is [key]"),
        ('api_key="a b c"', "api_key=[key]"),
        ("postgresql://desk:c0ffee@db/desk", "postgresql://[key]@db/desk"),
    ],
)
def test_what_is_somebodys_own_is_masked(text: str, masked: str) -> None:
    assert redacted(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Invoice INV-2026-53 of 2026-11-25, 1,234.56 EUR",
        "Order 4111111111111112 has not arrived",  # fails the Luhn check
        "Error 500 at 12:30:45 on host 192.168.100.200, version 1.2.3.4",
        "My password is not accepted and the token is expired",
        "Ticket #123456789, 0000 0000 0000 0000",
        "C++ vs. @decorators, a@b, 50 % of 100",
    ],
)
def test_what_a_model_has_to_know_stays(text: str) -> None:
    assert redacted(text) == text


def luhn(digits: str) -> str:
    """The check digit for these digits, as ISO/IEC 7812-1 has it."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


@given(st.text("0123456789", min_size=12, max_size=18).filter(lambda digits: digits.strip("0")))
def test_every_number_with_a_right_check_digit_is_masked(digits: str) -> None:
    assert redacted(f"Number {digits}{luhn(digits)}!") == "Number [card]!"


@pytest.mark.parametrize("hostile", ["a." * 5_000, "a@" * 5_000, "1 " * 5_000, "://a:" * 2_000, "token: " * 1_500])
def test_no_text_takes_long(hostile: str) -> None:
    began = time.monotonic()
    redacted(hostile)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("redacts", ["1", "0"])
def test_the_model_is_sent_the_masked_text_and_that_is_what_is_recorded(redacts: str) -> None:
    provider = Provider(says({"category": "billing", "priority": "high"}))
    kept: list[tuple[str, str, str | None]] = []
    chosen = read({"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": provider.url, "SUGGESTION_REDACT": redacts})
    classifier = Classifier(chosen, record=lambda *question: kept.append(question))
    try:
        classifier.ask("I am ann@example.org", "Card 4111111111111111", asked_by="Ann").result(30)
    finally:
        classifier.close()
        provider.close()
    expected = ("I am [e-mail]", "Card [card]") if redacts == "1" else ("I am ann@example.org", "Card 4111111111111111")
    (request,) = provider.requests
    sent = request.body["messages"][1]["content"]
    assert (json.loads(sent)["description"], json.loads(sent)["title"]) == expected
    assert kept == [(f"{chosen.openai_model}, prompt {VERSION}", sent, "Ann")]
