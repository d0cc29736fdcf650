"""What a ticket is: the enums, the models that check input, and the ones that answers are made of.

Validation lives here, once: pages, API and imports all build these models through `parse`.
The same rules stand as constraints in the database (`schema.py`), which is the last line of defence.
"""

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ticketcore.errors import InvalidInput

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 20_000
SEARCH_LENGTH = 1_000
LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""The characters that end a line, as `str.splitlines` has them."""


class Category(enum.StrEnum):
    """What a ticket is about."""

    BILLING = "billing"
    TECHNICAL = "technical"
    ACCOUNT = "account"
    GENERAL = "general"


class Priority(enum.StrEnum):
    """How urgent a ticket is; the members stand, and sort in the database, from mildest to most severe."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Status(enum.StrEnum):
    """Where a ticket stands, in the order of its life."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Source(enum.StrEnum):
    """The door through which a change came."""

    DASHBOARD = "dashboard"
    API = "api"
    IMPORT = "import"


def storable(text: str) -> str:
    """`text`, if PostgreSQL can store it: no NUL character and no half of a surrogate pair."""
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain lone surrogates (broken Unicode)")
    return text


def _trimmed(text: object) -> object:
    if not isinstance(text, str):
        return text
    text = storable(text).strip()
    if not text:
        raise ValueError("must not be blank")
    return text


def _one_line(text: str) -> str:
    if any(character in LINE_BREAKS for character in text):
        raise ValueError("must be a single line")
    return text


Title = Annotated[
    str, Field(strict=True, max_length=TITLE_LENGTH), AfterValidator(_one_line), BeforeValidator(_trimmed)
]
Description = Annotated[str, Field(strict=True, max_length=DESCRIPTION_LENGTH), BeforeValidator(_trimmed)]


def _utc(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 9000:  # far from where time zone arithmetic overflows
        raise ValueError("must lie between the years 1900 and 9000")
    return moment.astimezone(UTC)


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_utc)]
StoredMoment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


Model = TypeVar("Model", bound=BaseModel)


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewTicket(_Input):
    """What is needed to file a ticket; texts are stored trimmed."""

    title: Title = Field(examples=["Cannot log in since this morning"])
    description: Description = Field(examples=["The page says my password is wrong, and the reset mail never comes."])
    category: Category = Category.GENERAL
    priority: Priority = Priority.MEDIUM
    status: Status = Status.OPEN


class TicketChanges(_Input):
    """The fields to change; one that is not named stays as it was, and none of them may be null."""

    title: Title = Field(default="", examples=["Cannot log in"])
    description: Description = Field(default="", examples=["The reset mail arrived now."])
    category: Category = Category.GENERAL
    priority: Priority = Priority.MEDIUM
    status: Status = Status.OPEN

    def named(self) -> dict[str, Any]:
        """The fields that were named, with their new values."""
        return self.model_dump(exclude_unset=True)


class Classification(BaseModel):
    """A category and a priority inside the enums; what a language model has to answer."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    category: Category
    priority: Priority


class Suggestion(Classification):
    """A classification and where it came from.

    `source` is the model's name, or `default` when no model answered; `note` then says why.
    """

    source: str
    note: str | None = None

    @property
    def is_default(self) -> bool:
        return self.source == DEFAULT_SOURCE


DEFAULT_SOURCE = "default"


def default_suggestion(reason: str) -> Suggestion:
    """`general` / `medium`, marked as a default; `reason` completes "Default: …"."""
    return Suggestion(
        category=Category.GENERAL, priority=Priority.MEDIUM, source=DEFAULT_SOURCE, note=f"Default: {reason}"
    )


class Ticket(BaseModel):
    """A ticket as it is stored. All times are UTC with microseconds."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int = Field(examples=[42])
    title: str
    description: str
    category: Category
    priority: Priority
    status: Status
    created_at: StoredMoment
    updated_at: StoredMoment
    resolved_at: StoredMoment | None
    """When it last became resolved or closed; null while it is open or in progress."""
    version: int
    """1 when created, one more with every change."""
    suggested_category: Category | None
    suggested_priority: Priority | None
    suggestion_source: str | None


class Event(BaseModel):
    """One entry of a ticket's history: who changed which field from what to what, when, through which door."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    ticket_id: int
    at: StoredMoment
    actor: str | None
    source: str
    kind: str
    field: str
    old_value: str | None
    new_value: str | None


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
    "string_unicode": "must not contain lone surrogates (broken Unicode)",
}
