"""What a ticket is: the enums, the models that check input, and the ones that answers are made of.

Validation lives here and in `validation.py`, once: pages, API and imports all build these models through `parse`.
The same rules stand as constraints in the database (`schema.py`), which is the last line of defence.
"""

import enum
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ticketcore.validation import Description, PastMoment, Person, StoredMoment, TicketNumber, Title


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


FACETS: dict[str, type[enum.StrEnum]] = {"category": Category, "priority": Priority, "status": Status}
"""What sorts tickets into cells, and the values of each."""

UNSETTLED = (Status.OPEN, Status.IN_PROGRESS)
"""What a ticket is while there is work to do; otherwise it is settled."""


class Source(enum.StrEnum):
    """The door through which a change came."""

    DASHBOARD = "dashboard"
    API = "api"
    IMPORT = "import"


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewTicket(_Input):
    """What is needed to file a ticket; texts are stored trimmed."""

    title: Title = Field(description="What it is about, in one line", examples=["Cannot log in since this morning"])
    description: Description = Field(
        description="The whole story, in any number of lines",
        examples=["The page says my password is wrong, and the reset mail never comes."],
    )
    category: Category = Field(Category.GENERAL, description="What it is about", examples=["account"])
    priority: Priority = Field(Priority.MEDIUM, description="How urgent it is", examples=["high"])
    status: Status = Field(Status.OPEN, description="Where it stands", examples=["open"])
    assignee: Person | None = Field(None, description="Who works on it", examples=["Amara Okafor"])
    reporter: Person | None = Field(None, description="Who told of it", examples=["j.doe@example.com"])


class ImportedTicket(NewTicket):
    """A ticket from another system, which may bring its past and the suggestion it was filed under."""

    created_at: PastMoment | None = None
    """When it was filed; now, if not given."""
    resolved_at: PastMoment | None = Field(None, validate_default=True)
    """When it last became resolved or closed."""
    suggested_category: Category | None = None
    suggested_priority: Priority | None = None
    suggestion_source: Title | None = Field(None, validate_default=True)

    @field_validator("resolved_at")
    @classmethod
    def _fits_status_and_creation(cls, resolved_at: datetime | None, others: ValidationInfo) -> datetime | None:
        if not {"status", "created_at"} <= others.data.keys():
            return resolved_at  # one of them is bad itself
        is_settled = others.data["status"] in (Status.RESOLVED, Status.CLOSED)
        created_at = others.data["created_at"]
        if resolved_at is None:
            if is_settled and created_at:
                raise ValueError("is required beside created_at when the ticket is resolved or closed")
        elif not is_settled:
            raise ValueError("must not be given unless the ticket is resolved or closed")
        elif created_at is None:
            raise ValueError("must not be given without created_at")
        elif resolved_at < created_at:
            raise ValueError("must not be before created_at")
        return resolved_at

    @field_validator("suggestion_source")
    @classmethod
    def _suggestion_is_whole(cls, source: str | None, others: ValidationInfo) -> str | None:
        suggested = [others.data[name] for name in ("suggested_category", "suggested_priority") if name in others.data]
        if any((value is None) != (source is None) for value in suggested):
            raise ValueError("goes with suggested_category and suggested_priority: all three or none of them")
        return source


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class TicketChanges(_Input):
    """The fields to change; one that is not named stays as it was. Null clears those that may be empty."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    title: Title = Field(default="", description="What it is about, in one line", examples=["Cannot log in"])
    description: Description = Field(
        default="", description="The whole story, in any number of lines", examples=["The reset mail arrived now."]
    )
    category: Category = Field(Category.GENERAL, description="What it is about", examples=["account"])
    priority: Priority = Field(Priority.MEDIUM, description="How urgent it is", examples=["high"])
    status: Status = Field(Status.OPEN, description="Where it stands", examples=["resolved"])
    assignee: Person | None = Field(None, description="Who works on it; null for nobody", examples=["Amara Okafor"])
    reporter: Person | None = Field(None, description="Who told of it", examples=["j.doe@example.com"])
    duplicate_of: TicketNumber | None = Field(
        None, description="The number of the ticket that tells of the same; null for none", examples=[41]
    )

    def named(self) -> dict[str, Any]:
        """The fields that were named, with their new values."""
        return self.model_dump(exclude_unset=True)


class Ticket(BaseModel):
    """A ticket as it is stored. All times are UTC with microseconds."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int = Field(description="Its number, given by the desk", examples=[42])
    title: str = Field(description="What it is about, in one line", examples=["Cannot log in since this morning"])
    description: str = Field(description="The whole story", examples=["The reset mail never comes."])
    category: Category = Field(description="What it is about", examples=["account"])
    priority: Priority = Field(description="How urgent it is", examples=["high"])
    status: Status = Field(description="Where it stands", examples=["resolved"])
    created_at: StoredMoment = Field(description="When it was filed", examples=["2026-11-23T19:12:27.036241Z"])
    updated_at: StoredMoment = Field(description="When it was last changed", examples=["2026-11-23T20:40:03.511900Z"])
    resolved_at: StoredMoment | None = Field(
        description="When it last became resolved or closed; null while it is open or in progress",
        examples=["2026-11-23T20:40:03.511900Z"],
    )
    version: int = Field(description="1 when created, one more with every change", examples=[3])
    suggested_category: Category | None = Field(
        description="The category that was suggested while it was written", examples=["account"]
    )
    suggested_priority: Priority | None = Field(
        description="The priority that was suggested while it was written", examples=["medium"]
    )
    suggestion_source: str | None = Field(
        description="The model that suggested them, or `default`; null if nothing did", examples=["gpt-4.1-mini"]
    )
    assignee: str | None = Field(description="Who works on it", examples=["Amara Okafor"])
    reporter: str | None = Field(description="Who told of it", examples=["j.doe@example.com"])
    duplicate_of: int | None = Field(description="The ticket that it is a duplicate of", examples=[41])


class NewNote(_Input):
    """An internal note about a ticket."""

    text: Description = Field(description="The note, in any number of lines", examples=["Called back, nobody there."])


class Event(BaseModel):
    """One entry of a ticket's history: who changed or noted what, when, through which door."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int = Field(description="Its number among all entries, increasing", examples=[1042])
    ticket_id: int = Field(description="The ticket's number", examples=[42])
    at: StoredMoment = Field(description="When it happened", examples=["2026-11-23T20:40:03.511900Z"])
    actor: str | None = Field(description="Who did it, where that is known", examples=["Amara Okafor"])
    source: str = Field(
        description="The door: `dashboard`, `api`, `import`, or `sql` for the database itself", examples=["api"]
    )
    kind: str = Field(description="`created`, `changed`, or `noted` for an internal note", examples=["changed"])
    field: str = Field(
        description="The field that was changed; `status` for a creation, `note` for a note", examples=["status"]
    )
    old_value: str | None = Field(description="What it was; null for nothing", examples=["open"])
    new_value: str | None = Field(
        description="What it became, null for nothing; the text of a note", examples=["resolved"]
    )
