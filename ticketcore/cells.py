"""The tickets of a selection as figures are counted from them: cut into cells by what they share, or in line."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from ticketcore.masks import Selection
from ticketcore.models import Category, Priority
from ticketcore.orders import NEVER, Array, Moments, picking
from ticketcore.rows import View, moment


@dataclass(frozen=True)
class Cell:
    """Tickets that have in common what `common` names, with the moments of each at the same place of every array."""

    common: Any
    moments: Mapping[str, Moments]

    def __getitem__(self, name: str) -> Moments:
        return self.moments[name]


@dataclass(frozen=True)
class Kinds:
    """Tickets in the order of when something happened to them, and of which kind each is."""

    at: Moments
    kind: Array
    """Of each ticket, the place of its kind."""
    kinds: Sequence[Any]
    """What the tickets of each kind have in common."""


def cut(selected: Selection, common: Sequence[str], moments: Sequence[str], *, since: int | None) -> list[Cell]:
    """The tickets by what they have in common, in the order of the first of the moments, which was then or later.

    Of None, those to which it has not happened. Two cells may have the same in common. All these are columns, or what
    `Rows.made` makes of them; `priority_kept` is None without a suggestion.
    """
    by, *others = moments
    values, made = [_values(selected.view, name) for name in common], _common(tuple(common))
    found = []
    for rows, chosen in selected.parts:
        runs = rows.runs(tuple(common), by)
        for codes, some in runs.since(since):
            places = runs.places[some]
            meant = None if chosen is None else chosen.take(places)
            number = len(places) if meant is None else int(np.count_nonzero(meant))
            if not number:
                continue
            columns = {by: runs.at[some]}
            for name in others:
                columns[name] = rows.made(name).take(places) if since is None else runs.column(name, rows.made)[some]
            if meant is not None and number < len(places):
                picked = picking(meant)
                columns = {name: column[picked] for name, column in columns.items()}
            named = made(*(known[code] for known, code in zip(values, codes.tolist(), strict=True)))
            found.append(Cell(named, columns))
    return found


def line(selected: Selection, common: Sequence[str], by: str, *, since: int) -> list[Kinds]:
    """The tickets in the order of a moment, which was then or later; in parts, each of which has kinds of its own."""
    values, made = [_values(selected.view, name) for name in common], _common(tuple(common))
    found = []
    for rows, chosen in selected.parts:
        whole = rows.line(tuple(common), by)
        some = slice(*whole.at.searchsorted([since, NEVER]).tolist())
        at, kind = whole.at[some], whole.kind[some]
        if chosen is not None:
            picked = picking(chosen.take(whole.places[some]))
            at, kind = at[picked], kind[picked]
        kinds = [
            made(*(known[code] for known, code in zip(values, codes, strict=True))) for codes in whole.codes.tolist()
        ]
        found.append(Kinds(at, kind, kinds))
    return found


def merged(cells: Sequence[Cell], common: Sequence[str]) -> list[Cell]:
    """The same tickets by less that they have in common, in the order of the first of their moments."""
    together = defaultdict[tuple[Any, ...], list[Cell]](list)
    for cell in cells:
        together[tuple(getattr(cell.common, name) for name in common)].append(cell)
    made, found = _common(tuple(common)), []
    for values, some in together.items():
        moments = {name: np.concatenate([one[name] for one in some]) for name in some[0].moments}
        order = np.argsort(next(iter(moments.values())))
        found.append(Cell(made(*values), {name: array[order] for name, array in moments.items()}))
    return found


def in_line(cells: Sequence[Cell], common: Sequence[str], by: str) -> Kinds:
    """The same tickets in the order of a moment."""
    made = _common(tuple(common))
    at = np.concatenate([np.empty(0, np.int64), *(cell[by] for cell in cells)])
    kind = np.repeat(np.arange(len(cells)), [len(cell[by]) for cell in cells])
    order = np.argsort(at)
    return Kinds(at[order], kind[order], [made(*(getattr(cell.common, name) for name in common)) for cell in cells])


@lru_cache(maxsize=16)
def _common(names: tuple[str, ...]) -> Any:
    return make_dataclass("Common", names, frozen=True)


def reopened(selected: Selection, since: datetime) -> Cell:
    """When the tickets were reopened since, `at`, and when these had become settled, `settled_at`."""
    found = []
    for rows, chosen in selected.parts:
        meant = rows.reopened.at >= moment(since)
        if chosen is not None:
            meant &= chosen[rows.reopened_places]
        found.append(rows.reopened.where(meant))
    return Cell(None, {name: np.concatenate([getattr(one, name) for one in found]) for name in ("at", "settled_at")})


def _values(view: View, name: str) -> list[Any]:
    """What each code of a column stands for."""
    if name == "priority_kept":
        return [None, False, True]
    kind = {"category": Category, "suggested_category": Category, "priority": Priority}.get(name)
    return [None if value is None else kind(value) if kind else value for value in view.codes[name].values]
