"""Tickets as arrays: their orders are those that plain Python finds."""

import random
from collections import defaultdict

import numpy as np
import pytest

from ticketcore.finds import _merged
from ticketcore.orders import NEVER, in_runs, line_of


@pytest.mark.parametrize("most", [3, 70_000], ids=["few codes", "more codes than sixteen bits hold"])
def test_runs_are_the_tickets_by_what_they_have_in_common_and_among_those_by_time(most: int) -> None:
    rng = random.Random(most)
    codes = [[rng.choice((0, 1, most - 1, most)) for _ in range(300)] for _ in range(2)]
    at = [rng.choice((NEVER, rng.randrange(-50, 50))) for _ in range(300)]
    wanted = defaultdict(list)
    for place, (*common, moment) in enumerate(zip(*codes, at, strict=True)):
        wanted[tuple(common)].append((moment, place))
    found = in_runs([np.array(some, dtype=np.int32) for some in codes], np.array(at, dtype=np.int64))
    assert list(map(tuple, found.codes.tolist())) == sorted(wanted)
    for cut in (-20, 0, 60, None):
        for run, (common, some) in enumerate(found.since(cut)):
            tickets = wanted[tuple(common.tolist())]
            meant = [one for one in tickets if (one[0] == NEVER if cut is None else cut <= one[0] < NEVER)]
            there = list(zip(found.at[some].tolist(), found.places[some].tolist(), strict=True))
            assert sorted(there) == sorted(meant), run
            assert [moment for moment, _ in there] == sorted(moment for moment, _ in meant)
    line = line_of(found)
    kinds = [tuple(line.codes[kind].tolist()) for kind in line.kind]
    assert line.at.tolist() == sorted(at)
    assert sorted(line.places.tolist()) == list(range(300))
    for place, moment, kind in zip(line.places.tolist(), line.at.tolist(), kinds, strict=True):
        assert (at[place], (codes[0][place], codes[1][place])) == (moment, kind)


def test_no_tickets_have_no_order() -> None:
    none = in_runs([np.empty(0, dtype=np.int32)] * 2, np.empty(0, dtype=np.int64))
    assert [len(some) for some in (none.codes, none.places, line_of(none).at, line_of(none).kind)] == [0] * 4
    assert list(none.since(None)) == list(none.since(5)) == []


def test_tickets_with_a_text_are_kept_in_step_with_what_changed() -> None:
    rng = random.Random(7)
    for _ in range(300):
        before = set(rng.sample(range(60), rng.randrange(30)))
        changed = set(rng.sample(range(70), rng.randrange(20)))
        found = {one for one in changed if rng.random() < 0.5}
        shuffled = rng.sample(sorted(changed), len(changed)), rng.sample(sorted(found), len(found))
        arrays = (np.array(some, dtype=np.int64) for some in (sorted(before), *shuffled))
        assert _merged(*arrays).tolist() == sorted((before - changed) | found)
