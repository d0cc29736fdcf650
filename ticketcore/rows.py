"""Tickets as arrays: what the mirror holds and what is chosen of it.

A moment is a number of microseconds, as PostgreSQL keeps and sends it; `NEVER` comes after all that happen. What many
questions need of the same rows is made once and kept with them: their cells, and their orders, of which spans of time
are slices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ticketcore.models import FACETS
from ticketcore.orders import NEVER, Array, Line, Moments, Runs, in_runs, line_of

SHAPE = tuple(len(kind) + 1 for kind in FACETS.values())
"""How many codes each facet has; a cell is one of each, numbered in that order."""

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1) // timedelta(microseconds=1)

SPANS = {"response": "first_response_at", "resolution": "resolved_at"}
"""What is waited for from creation on, and until when."""

NOBODY = 0
"""The code of what is not there, such as an assignee."""


def moment(time: datetime) -> int:
    """A time as a moment."""
    return (time - _BEGINNING) // timedelta(microseconds=1)


def as_time(moment: int) -> datetime:
    """A moment as a time, UTC."""
    return _BEGINNING + timedelta(microseconds=moment)


def among(ascending: Moments, ids: Moments) -> npt.NDArray[np.bool_]:
    """For each of these ids whether it is among the ascending ones."""
    if not len(ascending):
        return np.zeros(len(ids), dtype=np.bool_)
    found = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    return np.asarray(ascending[found] == ids)


class Codes:
    """Numbers for the values of a column, in the order in which they turned up; 0 is for null."""

    def __init__(self, *values: str) -> None:
        self.values: list[str | None] = [None, *values]
        self._codes = {value: code for code, value in enumerate(self.values)}

    def code(self, value: str | None) -> int:
        """That of a value, a new one if need be."""
        if value not in self._codes:
            self.values.append(value)  # before its code is known: others look meanwhile
            self._codes[value] = len(self.values) - 1
        return self._codes[value]

    def known(self, values: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        """For each code whether it is that of one of these values."""
        codes = [self._codes[value] for value in values if value in self._codes]
        found = np.zeros(len(self.values), dtype=np.bool_)
        found[codes] = True
        return found


def unpacked(value: bytes | None) -> Moments:
    """The numbers that PostgreSQL packed, which are in network order."""
    return np.frombuffer(value or b"", dtype=">i8").astype(np.int64)


@dataclass(frozen=True)
class Reopened:
    """Reopenings: of which ticket, when, and when it had become settled that time."""

    ticket: Moments
    at: Moments
    settled_at: Moments

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Reopened":
        return Reopened(self.ticket[chosen], self.at[chosen], self.settled_at[chosen])


@dataclass(frozen=True)
class Rows:
    """Tickets as arrays of the same length, ordered by id: the codes of words, and moments."""

    columns: Mapping[str, Array]
    reopened: Reopened
    """When any of them was."""
    _runs: dict[tuple[tuple[str, ...], str], Runs] = field(default_factory=dict, compare=False)
    _lines: dict[tuple[tuple[str, ...], str], Line] = field(default_factory=dict, compare=False)

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["id"])

    @cached_property
    def cell(self) -> npt.NDArray[np.uint8]:
        """The cell of each ticket."""
        category, priority, status = (self[name] for name in FACETS)
        return np.asarray((category * np.uint8(SHAPE[1]) + priority) * np.uint8(SHAPE[2]) + status)

    @cached_property
    def cube(self) -> "Cube":
        """All of them by cell; counted once."""
        return _cube(self.cell, self["created_at"])

    def cube_of(self, picked: Array) -> "Cube":
        """Some of them by cell."""
        return _cube(self.cell[picked], self["created_at"][picked])

    @cached_property
    def assigned(self) -> npt.NDArray[np.intp]:
        """How many there are of each assignee's code; counted once."""
        return np.bincount(self["assignee"])

    def made(self, name: str) -> Array:
        """A column, or what is made of several.

        `priority_kept` is 0 without a suggestion, 1 for no and 2 for yes. `response` and `resolution` are microseconds
        since creation: `NEVER` for what has not come, 0 where the clock was set back meanwhile.
        """
        if name == "priority_kept":
            suggested = self["suggested_priority"]
            return np.where(suggested == NOBODY, 0, np.where(suggested == self["priority"], 2, 1)).astype(np.uint8)
        if name in SPANS:
            return span(self["created_at"], self[SPANS[name]])
        return self[name]

    def runs(self, common: tuple[str, ...], by: str) -> Runs:
        """The tickets by these codes, and among those by a moment; ordered once."""
        found = self._runs.get((common, by))
        if found is None:
            found = self._runs[common, by] = in_runs([self.made(name) for name in common], self[by])
        return found

    def line(self, common: tuple[str, ...], by: str) -> Line:
        """The tickets by a moment, whatever they have in common; ordered once."""
        found = self._lines.get((common, by))
        if found is None:
            found = self._lines[common, by] = line_of(in_runs([self.made(name) for name in common], self[by]))
        return found

    def forget_orders(self) -> None:
        """Lets go of the orders, which take twice the memory of the rows; the next who asks makes them anew."""
        self._runs.clear()
        self._lines.clear()

    def places(self, ids: Moments) -> npt.NDArray[np.intp]:
        """Where these tickets are, of those that are here."""
        found = np.searchsorted(self["id"], ids)
        found[found == len(self)] = 0
        return found[self["id"][found] == ids] if len(self) else found[:0]

    @cached_property
    def reopened_places(self) -> npt.NDArray[np.intp]:
        """Where the tickets that were reopened are; looked up once."""
        return self.places(self.reopened.ticket)

    def has(self, ids: Moments) -> npt.NDArray[np.bool_]:
        """For each of these ids whether such a ticket is here."""
        return among(self["id"], ids)


def span(begun: Moments, over: Moments) -> Moments:
    """Microseconds from one to the other: `NEVER` for what is not over, 0 where the clock was set back meanwhile."""
    return np.where(over == NEVER, NEVER, np.maximum(over - begun, 0))


@dataclass(frozen=True)
class Cube:
    """For each cell how many tickets there are, and the moment of the first; `NEVER` for none."""

    numbers: Moments
    first: Moments


def _cube(cell: npt.NDArray[np.uint8], created: Moments) -> Cube:
    """Tickets of these cells, created at these moments."""
    size = int(np.prod(SHAPE))
    first = np.full(size, NEVER)
    np.minimum.at(first, cell, created)
    return Cube(np.bincount(cell, minlength=size), first)


@dataclass(frozen=True)
class View:
    """Every ticket of the desk at one moment: those of the base that are not stood in for, and those beside it."""

    base: Rows
    is_current: npt.NDArray[np.bool_]
    """For each ticket of the base whether nothing beside it stands in for it."""
    beside: Rows
    codes: Mapping[str, Codes]

    @cached_property
    def cube(self) -> Cube:
        """All of them by cell: as in the base, but for what stands in for a part of it."""
        base, beside = self.base.cube, self.beside.cube
        gone = np.flatnonzero(~self.is_current)
        cells, first = self.base.cell[gone], base.first.copy()
        was_first = self.base["created_at"][gone] == first[cells]
        for cell in np.unique(cells[was_first]):
            among_them = self.is_current & (self.base.cell == cell)
            first[cell] = self.base["created_at"].min(initial=NEVER, where=among_them)
        numbers = base.numbers - np.bincount(cells, minlength=len(first)) + beside.numbers
        return Cube(numbers, np.minimum(first, beside.first))

    def assignees(self) -> list[str]:
        """Everybody to whom a ticket is assigned, in no order."""
        names = tuple(self.codes["assignee"].values)
        numbers = np.zeros(len(names), dtype=np.int64)
        gone = np.bincount(self.base["assignee"][~self.is_current])
        for sign, some in ((1, self.base.assigned), (-1, gone), (1, self.beside.assigned)):
            numbers[: len(some)] += sign * some
        return [name for name, number in zip(names, numbers.tolist(), strict=True) if name is not None and number]

    def admitted(self, facets: Mapping[str, tuple[str, ...]]) -> npt.NDArray[np.bool_]:
        """For each cell whether its values are among these; where none are named, any."""
        category, priority, status = (
            self.codes[name].known(facets[name]) if facets.get(name) else np.ones(size, dtype=np.bool_)
            for name, size in zip(FACETS, SHAPE, strict=True)
        )
        return np.asarray(category[:, None, None] & priority[:, None] & status).ravel()
