"""Which texts and moments the desk accepts, and how it says what is wrong with the others.

Every input is built through `parse`: from pages, the API and imports alike. Nothing here knows what a ticket is.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError

from ticketcore.errors import InvalidInput

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 20_000
SEARCH_LENGTH = 1_000
LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""The characters that end a line, as `str.splitlines` has them."""


def storable(text: str) -> str:
    """`text`, if PostgreSQL can store it: no NUL character and no half of a surrogate pair."""
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()  # a hundred times as fast as looking at each character
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates (broken Unicode)") from None
    return text


def _trimmed(text: object) -> object:
    if not isinstance(text, str):
        return text
    text = storable(text).strip()
    if not text:
        raise ValueError("must not be blank")
    return text


def _one_line(text: str) -> str:
    if len(text.splitlines()) > 1:
        raise ValueError("must be a single line")
    return text


Title = Annotated[
    str, Field(strict=True, min_length=1, max_length=TITLE_LENGTH), AfterValidator(_one_line), BeforeValidator(_trimmed)
]
Description = Annotated[str, Field(strict=True, min_length=1, max_length=DESCRIPTION_LENGTH), BeforeValidator(_trimmed)]
Person = Title
"""A name or an address, as people write it."""

TicketNumber = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]


def _utc(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 9000:  # far from where time zone arithmetic overflows
        raise ValueError("must lie between the years 1900 and 9000")
    return moment.astimezone(UTC)


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_utc)]
StoredMoment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


SKEW = timedelta(minutes=1)
"""How far ahead the clock of another system may be."""


def _written_out(moment: object) -> object:
    # Pydantic would take a number for seconds since 1970, which a spreadsheet's number of a day is not.
    if not isinstance(moment, str | datetime) or (isinstance(moment, str) and ":" not in moment):
        raise ValueError("must be a date and time with its offset, such as 2026-05-01T08:00:00Z")
    # ISO 8601 and PostgreSQL may leave the minutes of the offset away, pydantic may not.
    return f"{moment}:00" if isinstance(moment, str) and re.search(r":\d\d(\.\d+)?[+-]\d\d$", moment) else moment


def _past(moment: datetime) -> datetime:
    if moment > datetime.now(UTC) + SKEW:
        raise ValueError("must not be in the future")
    return moment


WrittenMoment = Annotated[UtcDatetime, BeforeValidator(_written_out)]
PastMoment = Annotated[WrittenMoment, AfterValidator(_past)]


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], values: Mapping[str, Any]) -> Model:
    """`values` as a `model`.

    Raises:
        InvalidInput: names every bad field, with a message for people.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidInput(faults(error.errors())) from None


def faults(errors: Any, *, outer: int = 0) -> dict[str, str]:
    """Pydantic's error list as field → message, without the first `outer` parts of each place.

    A value's place in a list or a text is no part of its name; a fault of the whole is that of `body`.
    """
    messages: dict[str, str] = {}
    for error in errors:
        place = ".".join(part for part in error["loc"][outer:] if isinstance(part, str)) or "body"
        messages.setdefault(place, _message(error))
    return messages


def _message(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    if error["type"] == "enum":
        return "must be one of " + str(context["expected"]).replace(" or ", ", ").replace("'", "")
    if error["type"] == "string_too_long":
        return f"must be at most {context['max_length']:,} characters long"
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return _PLAIN.get(error["type"]) or str(error["msg"])[:1].lower() + str(error["msg"])[1:]


_PLAIN = {
    "json_invalid": "is not valid JSON",
    "missing": "is required",
    "extra_forbidden": "is not a field that can be set",
    "string_type": "must be a text",
    "timezone_aware": "must say its offset from UTC, such as Z or +02:00",
    "string_unicode": "must not contain lone surrogates (broken Unicode)",
}
