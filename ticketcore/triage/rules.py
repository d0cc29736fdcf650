"""Rules: what words say about a ticket before the desk has learned from its own. Their table is `rules.toml`.

What they claim to hold is measured where tickets are there to measure it on; before that it is what they held on
tickets of other companies, of which a desk of its own kind may make something else.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from ticketcore.models import Category, Priority
from ticketcore.suggestion import PARTS

Strength = Literal["explicit", "clear", "unclear"]

READ = 4_000
"""Characters of a ticket that are read: what it is about shows long before."""

CLEAR = 2.0
"""By how much weight the first value has to be ahead of the second one to be clear."""

EXPLICIT = 5.0
"""The weight of a phrase from which on a clear hint is explicit: "production is down"."""

_DENIED = re.compile(r"(?:\b(?:no|not|non|never|nothing|without|\w+n't)\s+(?:[\w'-]+\s+){0,2}|\bnon-)$")
"""What takes back the phrase that it stands before: "there was no sign of data loss"."""


@dataclass(frozen=True)
class Hint:
    """What the words of a ticket say of one field."""

    value: Category | Priority
    strength: Strength
    words: tuple[str, ...]
    """As they stand in the ticket, the weightiest first."""


def hint(part: str, text: str) -> Hint | None:
    """What the words of a text say of this one of `PARTS`; None if it has none of the table's."""
    low = " ".join(text[:READ].replace("’", "'").lower().split())
    weights: dict[Category | Priority, float] = defaultdict(float)
    heard: dict[Category | Priority, list[tuple[float, str]]] = defaultdict(list)
    for value, stem, pattern, weight in table()[part]:
        if stem in low and (word := _said(low, pattern, may_be_denied=part == "priority")):
            weights[value] += weight
            heard[value].append((-weight, word))
    if not weights:
        return None
    first, *others = sorted(weights, key=lambda value: -weights[value])
    ahead = weights[first] - (weights[others[0]] if others else 0)
    (heaviest, _), *_ = ordered = sorted(heard[first])
    strength: Strength = "unclear" if ahead < CLEAR else "explicit" if -heaviest >= EXPLICIT else "clear"
    return Hint(first, strength, tuple(word for _, word in ordered[:3]))


def _said(low: str, pattern: re.Pattern[str], *, may_be_denied: bool) -> str | None:
    """The first place at which the pattern stands and is not taken back."""
    for found in pattern.finditer(low):
        if not (may_be_denied and _DENIED.search(low, max(0, found.start() - 60), found.start())):
            return found[0]
    return None


@cache
def table() -> Mapping[str, list[tuple[Category | Priority, str, re.Pattern[str], float]]]:
    """For each field: values, a text without which there is nothing to look for, what to look for, and its weight."""
    written = tomllib.loads(resources.files("ticketcore.triage").joinpath("rules.toml").read_text("utf-8"))
    return {
        part: [
            (kind(value), phrase.removesuffix("*"), _pattern(phrase), float(weight))
            for value, phrases in written[part].items()
            for phrase, weight in phrases.items()
        ]
        for part, kind in PARTS.items()
    }


def _pattern(phrase: str) -> re.Pattern[str]:
    stem = re.escape(phrase.removesuffix("*"))
    return re.compile(rf"(?<!\w){stem}\w*" if phrase.endswith("*") else rf"(?<!\w){stem}(?!\w)")
