"""What may become a ticket, and what is said about what may not: every bad field by its name, all at once."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.oracle import CATEGORIES, LINE_BREAKS, PRIORITIES, STATUSES, WHITESPACE, trimmed
from ticketcore.errors import InvalidInput
from ticketcore.models import NewTicket, TicketChanges
from ticketcore.validation import parse

GOOD = {"title": "Cannot log in", "description": "The reset mail never comes."}
MODELS = pytest.mark.parametrize("model", [NewTicket, TicketChanges])


def faults(values: dict[str, Any], model: type[Any] = NewTicket) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse(model, values)
    return caught.value.errors


def test_a_title_and_a_description_are_enough_for_a_ticket() -> None:
    new = parse(NewTicket, GOOD)
    assert (new.title, new.description) == (GOOD["title"], GOOD["description"])
    assert (new.category, new.priority, new.status) == ("general", "medium", "open")


@pytest.mark.parametrize(
    ("field", "values"), [("category", CATEGORIES), ("priority", PRIORITIES), ("status", STATUSES)]
)
def test_every_agreed_word_is_accepted_and_no_other(field: str, values: tuple[str, ...]) -> None:
    for value in values:
        assert getattr(parse(NewTicket, {**GOOD, field: value}), field) == value
    for value in ("urgent", "", values[0].upper(), f" {values[0]}", values[0] + "\x00", 0, True, None, [values[0]]):
        errors = faults({**GOOD, field: value})
        assert set(errors) == {field}
        assert all(word in errors[field] for word in values)


@MODELS
@pytest.mark.parametrize("field", ["title", "description"])
@pytest.mark.parametrize("space", WHITESPACE, ids=lambda space: f"U+{ord(space):04X}")
def test_unicode_whitespace_around_a_text_is_trimmed_and_inside_it_stays(model: Any, field: str, space: str) -> None:
    inside = "a\tb" if space in LINE_BREAKS and field == "title" else f"a{space}b"
    found = parse(model, {**GOOD, field: f"{space} {inside}\t{space}"})
    assert getattr(found, field) == inside


@MODELS
@pytest.mark.parametrize("field", ["title", "description"])
@pytest.mark.parametrize("blank", ["", " ", WHITESPACE], ids=["empty", "space", "every whitespace"])
def test_a_blank_text_is_refused_by_its_name(model: Any, field: str, blank: str) -> None:
    assert faults({**GOOD, field: blank}, model) == {field: "must not be blank"}


@MODELS
@pytest.mark.parametrize("line_break", [*LINE_BREAKS, "\r\n"], ids=ascii)
def test_a_title_is_one_line(model: Any, line_break: str) -> None:
    errors = faults({**GOOD, "title": f"one{line_break}two"}, model)
    assert set(errors) == {"title"}
    assert "single line" in errors["title"]
    assert parse(model, {**GOOD, "title": f"{line_break}one{line_break}"}).title == "one"


@pytest.mark.parametrize("line_break", [*LINE_BREAKS, "\r\n"], ids=ascii)
def test_a_description_may_have_many_lines(line_break: str) -> None:
    text = f"one{line_break}two"
    assert parse(NewTicket, {**GOOD, "description": text}).description == text


@MODELS
@pytest.mark.parametrize("character", ["a", "é", "漢", "😀"])
@pytest.mark.parametrize(("field", "most", "said"), [("title", 200, "200"), ("description", 20_000, "20,000")])
def test_a_text_may_be_as_long_as_agreed_counted_in_characters_after_trimming(
    model: Any, field: str, most: int, said: str, character: str
) -> None:
    longest = character * most
    assert getattr(parse(model, {**GOOD, field: longest}), field) == longest
    assert getattr(parse(model, {**GOOD, field: f"  \n{longest}\n  "}), field) == longest
    errors = faults({**GOOD, field: longest + character}, model)
    assert set(errors) == {field}
    assert said in errors[field]
    assert character not in errors[field] or character == "a"


@pytest.mark.parametrize("field", ["title", "description"])
def test_one_character_is_enough(field: str) -> None:
    assert getattr(parse(NewTicket, {**GOOD, field: " 😀 "}), field) == "😀"


def test_an_emoji_of_several_code_points_counts_as_so_many_characters() -> None:
    family = "👩\u200d👩\u200d👧"  # five code points on one place of the screen
    assert parse(NewTicket, {**GOOD, "title": family * 40}).title == family * 40
    assert set(faults({**GOOD, "title": family * 40 + "a"})) == {"title"}


@MODELS
@pytest.mark.parametrize("field", ["title", "description"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\x00b", "NUL"),
        ("\x00", "NUL"),
        ("text\x00 ", "NUL"),
        ("a\ud800b", "surrogate"),
        ("\udfff", "surrogate"),
        ("\udc00\ud83d", "surrogate"),
    ],
    ids=ascii,
)
def test_what_postgresql_cannot_store_is_refused_by_its_name(model: Any, field: str, text: str, said: str) -> None:
    errors = faults({**GOOD, field: text}, model)
    assert set(errors) == {field}
    assert said in errors[field]


@MODELS
@pytest.mark.parametrize("field", ["title", "description"])
@pytest.mark.parametrize("value", [None, 1, 1.5, True, ["a"], {"a": "b"}, b" text ", bytearray(b"text")], ids=repr)
def test_a_text_is_a_text_and_nothing_else(model: Any, field: str, value: object) -> None:
    assert faults({**GOOD, field: value}, model) == {field: "must be a text"}


@MODELS
@pytest.mark.parametrize("field", ["id", "created_at", "updated_at", "version", "resolved_at", "colour", "a.b"])
def test_a_field_that_is_not_the_callers_to_set_is_refused_by_its_name(model: Any, field: str) -> None:
    assert set(faults({**GOOD, field: "x"}, model)) == {field}


@MODELS
@pytest.mark.parametrize("field", ["body", "query", "path"])
def test_an_unknown_field_is_named_even_when_it_is_called_like_a_part_of_a_request(model: Any, field: str) -> None:
    assert set(faults({**GOOD, field: "x"}, model)) == {field}


@pytest.mark.parametrize("field", ["title", "description"])
def test_what_is_required_is_said_to_be_missing(field: str) -> None:
    assert faults({name: text for name, text in GOOD.items() if name != field}) == {field: "is required"}


def test_all_bad_fields_are_named_at_once() -> None:
    values = {"title": "a\nb", "description": " ", "category": "x", "priority": None, "status": 7, "colour": "red"}
    with pytest.raises(InvalidInput) as caught:
        parse(NewTicket, values)
    assert set(caught.value.errors) == set(values)
    assert all(name in str(caught.value) and text in str(caught.value) for name, text in caught.value.errors.items())
    assert caught.value.status == 422


def test_an_error_does_not_repeat_what_was_sent() -> None:
    secret = "a" * 201 + "4111 1111 1111 1111"
    with pytest.raises(InvalidInput) as caught:
        parse(NewTicket, {"title": secret, "description": [secret], "category": secret})
    assert "4111" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("field", ["title", "description", "category", "priority", "status"])
def test_no_field_can_be_changed_to_nothing(field: str) -> None:
    assert set(faults({field: None}, TicketChanges)) == {field}


@pytest.mark.parametrize(
    "changes",
    [{}, {"status": "closed"}, {"title": "b", "priority": "high"}, {"category": "general", "priority": "medium"}],
    ids=str,
)
def test_changes_hold_what_was_named_and_nothing_else(changes: dict[str, str]) -> None:
    assert parse(TicketChanges, changes).named() == changes


@given(st.text(st.sampled_from(WHITESPACE + "ab😀\u200b\ufeff\u180e"), max_size=210))
@example("\u200b")
@example("a" * 201)
@example(" " + "a" * 200 + " ")
def test_a_title_is_accepted_exactly_when_its_trimmed_text_is_one_line_of_1_to_200_characters(text: str) -> None:
    title = trimmed(text)
    if 1 <= len(title) <= 200 and not set(title) & set(LINE_BREAKS):
        assert parse(NewTicket, {**GOOD, "title": text}).title == title
    else:
        assert set(faults({**GOOD, "title": text})) == {"title"}
