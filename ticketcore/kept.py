"""How suggestions fared: what was suggested for tickets created in a period, and what these are now."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ticketcore.gathering import Gathered, edges
from ticketcore.models import Category
from ticketcore.orders import Moments
from ticketcore.period import Period

_CATEGORIES = tuple(Category)


class Kept(NamedTuple):
    """How many had a suggestion, and how many of these have the suggested category, and priority, now."""

    number: int
    category: int
    priority: int


@dataclass(frozen=True, eq=False)
class Suggestions:
    """How many tickets with a suggestion there are, by what they have in common."""

    sources: tuple[str, ...]
    """Who suggested, those first who did so first."""
    numbers: Moments
    """By the bucket in which they were created, the source, the suggested category, that of now, and whether the
    priority was kept: 0 or 1."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Suggestions):
            return NotImplemented
        return self.sources == other.sources and np.array_equal(self.numbers, other.numbers)

    __hash__ = None  # type: ignore[assignment]

    def of(self, source: str) -> Kept:
        """Those of one source; of one that is not there, none."""
        if source not in self.sources:
            return Kept(0, 0, 0)
        return Kept(*self._kept[:, self.sources.index(source)].sum(0).tolist())

    def all(self) -> Kept:
        """Those of all."""
        return Kept(*self._kept.sum((0, 1)).tolist())

    def over_time(self) -> Iterator[tuple[int, str, Kept]]:
        """Those of each bucket and source where there are any; sources by name."""
        for place, sources in enumerate(self._kept.tolist()):
            for source, kept in sorted(zip(self.sources, sources, strict=True)):
                if kept[0]:
                    yield place, source, Kept(*kept)

    def confusion(self) -> Iterator[tuple[Category, Category, int]]:
        """The suggested category, that of now, and of how many tickets; where there are any."""
        for suggested, numbers in zip(_CATEGORIES, self.numbers.sum((0, 1, 4)).tolist(), strict=True):
            for category, number in zip(_CATEGORIES, numbers, strict=True):
                if number:
                    yield suggested, category, number

    @cached_property
    def _kept(self) -> Moments:
        """What `Kept` has, for each bucket and source."""
        kept = np.trace(self.numbers, axis1=2, axis2=3).sum(-1), self.numbers[..., 1].sum((2, 3))
        return np.stack([self.numbers.sum((2, 3, 4)), *kept], axis=-1)


def suggestions(gathered: Gathered, period: Period, bounds: Sequence[datetime] = ()) -> Suggestions:
    """How tickets created in the period were suggested and what they are now, by the bucket they were created in.

    `bounds` are where the buckets begin, the first with the period and none after its end; without any all are in one.
    """
    span, begins = edges([period.start, period.end]), edges(bounds or [period.start])
    sources = sorted({common.suggestion_source for part in gathered.arrived for common in part.kinds} - {None})
    numbers = np.zeros((len(begins), len(sources), len(_CATEGORIES), len(_CATEGORIES), 2), np.int64)
    for part in gathered.arrived:
        first, last = part.at.searchsorted(span).tolist()
        turns = [first, *part.at.searchsorted(begins[1:]).tolist(), last]
        counts = np.stack([
            np.bincount(part.kind[turn:following], minlength=len(part.kinds))
            for turn, following in itertools.pairwise(turns)
        ], axis=-1)  # fmt: skip
        for common, along in zip(part.kinds, counts, strict=True):
            if common.suggestion_source is not None:
                source = sources.index(common.suggestion_source)
                became = _CATEGORIES.index(common.suggested_category), _CATEGORIES.index(common.category)
                numbers[:, source, *became, int(common.priority_kept)] += along
    is_there = np.asarray(numbers.any((2, 3, 4)))
    ordered = sorted(np.flatnonzero(is_there.any(0)).tolist(), key=lambda source: int(is_there[:, source].argmax()))
    return Suggestions(tuple(sources[source] for source in ordered), numbers[:, ordered])
