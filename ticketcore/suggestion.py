"""What is suggested for a ticket: a value for each field, by whom, how sure, and why.

Members of the chain give opinions; a suggestion holds the ones that count. How sure somebody is, is the probability of
being right, as measured on tickets of this desk; None where nothing was measured.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, field_validator

from ticketcore.models import Category, Priority

DEFAULT_SOURCE, RULES, DESK_MODEL = "default", "rules", "desk model"

PARTS: dict[str, type[Category] | type[Priority]] = {"category": Category, "priority": Priority}
"""What is suggested."""

DEFAULTS: dict[str, Category | Priority] = {"category": Category.GENERAL, "priority": Priority.MEDIUM}

UNCERTAIN = 0.6
"""Below this probability an answer says that it is uncertain."""


class Classification(BaseModel):
    """A category and a priority inside the enums; what a language model has to answer."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    category: Category
    priority: Priority
    words: tuple[str, ...] = ()
    """Those of the ticket that it names as what decided it."""

    @field_validator("words", mode="before")
    @classmethod
    def _are_a_courtesy(cls, words: object) -> object:
        """An answer does not fail for what it says beside."""
        return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []


@dataclass(frozen=True)
class Opinion:
    """What one member of the chain says of one field."""

    value: Category | Priority
    source: str
    """The language model's name, or `DESK_MODEL`, `RULES`, `DEFAULT_SOURCE`."""
    confidence: float | None = None
    words: tuple[str, ...] = ()
    """Those of the ticket that weighed most, the weightiest first."""

    @property
    def is_default(self) -> bool:
        return self.source == DEFAULT_SOURCE

    @property
    def is_uncertain(self) -> bool:
        """Whether it is, or nobody knows."""
        return self.confidence is None or self.confidence < UNCERTAIN


@dataclass(frozen=True)
class Similar:
    """An earlier ticket with a like text, and what it became."""

    id: int
    title: str
    category: Category
    priority: Priority


@dataclass(frozen=True)
class Suggestion:
    """An opinion on each field; `note` says why where a language model did not answer, or nobody could."""

    on_category: Opinion
    on_priority: Opinion
    note: str | None = None
    similar: tuple[Similar, ...] = ()
    shadow: "Suggestion | None" = None
    """What the next member of the chain would have suggested, which nobody is shown."""

    def on(self, part: str) -> Opinion:
        """The opinion on this one of `PARTS`."""
        return self.on_category if part == "category" else self.on_priority

    @property
    def category(self) -> Category:
        return Category(self.on_category.value)

    @property
    def priority(self) -> Priority:
        return Priority(self.on_priority.value)

    @property
    def source(self) -> str:
        """Who suggests; `desk model + rules` where the priority is another one's."""
        return " + ".join(dict.fromkeys(self.on(part).source for part in PARTS))

    @property
    def is_default(self) -> bool:
        return self.source == DEFAULT_SOURCE

    def reasons(self) -> list[str]:
        """Why, in sentences: the words that weighed most, and the most similar tickets with what they became."""
        heard = [
            f"{', '.join(f'“{word}”' for word in opinion.words)} → {part} {opinion.value}"
            for part in PARTS
            if (opinion := self.on(part)).words
        ]
        became = [f"like #{one.id} “{one.title}”, now {one.category}, {one.priority}" for one in self.similar]
        return heard + became


def by_model(model: str, found: Classification, sent: str) -> Suggestion:
    """What a language model suggests. Of the words that it names those count that stand in what it was sent."""
    low = sent.lower()
    words = (" ".join(word.split())[:60] for word in found.words[:3])
    named = tuple(dict.fromkeys(word for word in words if word and word.lower() in low))
    return Suggestion(Opinion(found.category, model, words=named), Opinion(found.priority, model))


def default_opinion(part: str) -> Opinion:
    """`general` or `medium`."""
    return Opinion(DEFAULTS[part], DEFAULT_SOURCE)


def default_suggestion(reason: str) -> Suggestion:
    """`general` / `medium`, marked as a default; `reason` completes "Default: …"."""
    category, priority = map(default_opinion, PARTS)
    return Suggestion(category, priority, f"Default: {reason}")
