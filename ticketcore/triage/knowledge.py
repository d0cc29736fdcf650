"""What the desk has learned: its model, what came out in the examination, and how often others were right here."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt

from pydantic import BaseModel, ConfigDict

from ticketcore.models import Category, Priority
from ticketcore.suggestion import DEFAULT_SOURCE, DEFAULTS, PARTS, RULES, Opinion
from ticketcore.triage import desk_model, rules
from ticketcore.triage.desk_model import Linear
from ticketcore.triage.rules import Hint

PRIOR = {"category": 0.55, "priority": 0.35}
"""What rules claim before anything was measured: low, because the same words mean different things to other desks."""

PRIOR_WEIGHT = 4
"""As many tickets of one's own outweigh it."""

TRACKED_FROM = 20
"""So many answers of somebody from which on their record counts."""

Claims = dict[str, tuple[int, int, int]]
"""For each kind of hint, as "clear billing", or "none": how often what the rules then say was right, how often the
default would have been, and of how many."""


class Lesson(BaseModel):
    """What came out for one field, in numbers of tickets of the examination."""

    model_config = ConfigDict(frozen=True)

    examined: int
    default_right: int
    rules_right: int
    rules_f1: float
    """Macro-F1: the mean of the harmonic means of precision and recall of each value."""
    claims: Claims
    model_right: int | None = None
    """None where there is no model: too few tickets, or all of one kind."""
    model_f1: float | None = None
    in_use: bool = False
    """Whether the model beats the rules and the default, and answers."""
    kept_earlier: bool = False
    """Whether an earlier model was better than the new one, and stayed."""


class Exam(BaseModel):
    """What is known of what was learned."""

    model_config = ConfigDict(frozen=True)

    learned_from: int
    newest: int
    """The number of the newest ticket."""
    lessons: dict[str, Lesson]
    record: dict[str, dict[str, dict[str, tuple[int, int]]]] = {}
    """For each source, field and value it suggested: how often agents left it, and of how many that they looked at."""
    corrected: list[int] = []
    """Tickets whose suggestion agents corrected, which are shown to language models as examples."""


@dataclass(frozen=True)
class Knowledge:
    """What answers without a language model."""

    exam: Exam
    final: dict[str, Linear] = field(default_factory=dict)
    """By field, made from all tickets: what answers."""
    examined: dict[str, Linear] = field(default_factory=dict)
    """Made without the examination, with which a later one is compared."""

    def opinions(self, part: str, text: str) -> list[Opinion]:
        """What the members of the chain say of a field, whoever counts first; the default is the last."""
        lesson, hint = self.exam.lessons.get(part), rules.hint(part, text)
        claims = lesson.claims if lesson else {}
        own = desk_model.opinion(self.final, part, text) if lesson and lesson.in_use else None
        ruled = by_rules(part, hint, claims)
        found = [opinion for opinion in (own, ruled) if opinion]
        if own and ruled and hint and part == "priority":
            # Explicit wording is about this very ticket: "no rush". It speaks unless it is known to hold less here.
            number = claims.get(_name(hint), (0, 0, 0))[2]
            is_known = number >= TRACKED_FROM or hint.strength != "explicit"
            if not is_known or (ruled.confidence or 0) > (own.confidence or 0):
                found.reverse()
        return [*found, by_default(part, hint, claims)]

    def ruled(self, part: str, text: str) -> Opinion:
        """What the rules say or, where they say nothing, the default."""
        lesson, hint = self.exam.lessons.get(part), rules.hint(part, text)
        claims = lesson.claims if lesson else {}
        return by_rules(part, hint, claims) or by_default(part, hint, claims)

    def track(self, source: str, value: Category | Priority) -> float | None:
        """How often this source was right when it suggested that value here; None if too little is known."""
        part = next(part for part, kind in PARTS.items() if isinstance(value, kind))
        kept, number = self.exam.record.get(source, {}).get(part, {}).get(value, (0, 0))
        return surely(kept, number) if number >= TRACKED_FROM else None


def by_rules(part: str, hint: Hint | None, claims: Claims) -> Opinion | None:
    """What the rules say; None if no word of theirs is there, or such words have misled here more than not."""
    if hint is None:
        return None
    right, as_default, number = claims.get(_name(hint), (0, 0, 0))
    if number >= TRACKED_FROM and as_default > right:
        return None
    return Opinion(hint.value, RULES, surely(right, number, PRIOR[part]), hint.words)


def by_default(part: str, hint: Hint | None, claims: Claims) -> Opinion:
    """The default, with how often it is right where there is such a hint, or none, if that is known."""
    _, as_default, number = claims.get(_name(hint), (0, 0, 0))
    confidence = surely(as_default, number) if number >= TRACKED_FROM else None
    return Opinion(DEFAULTS[part], DEFAULT_SOURCE, confidence)


def claims_of(hints: Iterable[Hint | None], truth: Iterable[str], part: str) -> Claims:
    """What became of each kind of hint, by the right values."""
    found: Claims = {}
    for hint, true in zip(hints, truth, strict=True):
        right, as_default, number = found.get(_name(hint), (0, 0, 0))
        said = hint.value if hint else DEFAULTS[part]
        found[_name(hint)] = right + (said == true), as_default + (DEFAULTS[part] == true), number + 1
    return found


def _name(hint: Hint | None) -> str:
    return f"{hint.strength} {hint.value}" if hint else "none"


FIRST = 50
"""Tickets that a desk first learns from."""


def is_due(known: Knowledge, newest: int, *, tried: int = 0) -> bool:
    """Whether there is enough to learn for the first time, or a tenth more than there was when it was last tried.

    `newest` and `tried` are numbers of tickets, by which growth is told.
    """
    before = known.exam.learned_from
    return newest - max(known.exam.newest, tried) >= (before / 10 if before else FIRST)


def surely(right: int, number: int, prior: float = 0.5) -> float:
    """The share that can be claimed when so many of a number were right: two standard errors below it.

    Before anything was measured it is `prior`, which counts as much as `PRIOR_WEIGHT` tickets.
    """
    weight = number + PRIOR_WEIGHT
    share = (right + PRIOR_WEIGHT * prior) / weight
    return max(0.0, share - 2 * sqrt(share * (1 - share) / weight) * number / weight)


NOTHING = Knowledge(Exam(learned_from=0, newest=0, lessons={}))
"""What a new desk knows."""
