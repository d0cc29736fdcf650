"""What is kept in memory is read once for all who wait for it, whether that succeeds or not."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ticketcore.errors import DatabaseUnavailable
from ticketcore.latest import Latest


def read_by_many(latest: Latest[int], read: list[threading.Event], fails: bool) -> tuple[int, list[int | str]]:
    """How often was read while ten ask at the same time, and what each of them got."""
    times = 0

    def slowly(before: int | None) -> int:
        nonlocal times
        times += 1
        read[0].set()
        read[1].wait(10)
        if fails:
            raise DatabaseUnavailable
        return (before or 0) + 1

    def ask() -> int | str:
        try:
            return latest.get(slowly)
        except DatabaseUnavailable:
            return "away"

    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(ask)
        read[0].wait(10)
        others = [pool.submit(ask) for _ in range(9)]
        threading.Event().wait(0.2)  # until they all wait
        read[1].set()
        got = [first.result(), *(other.result() for other in others)]
    return times, got


@pytest.mark.parametrize("fails", [False, True])
def test_those_who_wait_share_what_comes_of_one_reading(fails: bool) -> None:
    times, got = read_by_many(Latest(), [threading.Event(), threading.Event()], fails)
    if fails:
        assert (times, set(got)) == (1, {"away"})  # all of them asked before it failed
    else:
        assert (times, got[0], set(got[1:])) == (2, 1, {2})  # these asked after the first reading had begun


def test_after_a_failure_it_is_read_again() -> None:
    latest = Latest[int]()

    def fails(_before: int | None) -> int:
        raise DatabaseUnavailable

    with pytest.raises(DatabaseUnavailable):
        latest.get(fails)
    assert latest.get(lambda before: (before or 0) + 1) == 1
    assert latest.get(lambda before: (before or 0) + 1) == 2


def test_what_is_enough_is_not_read_again() -> None:
    latest, times = Latest[int](), []

    def read(before: int | None) -> int:
        times.append(before)
        return (before or 0) + 1

    assert latest.get(read, lambda has: has == 1) == 1
    assert [latest.get(read, wanted.__eq__) for wanted in (1, 1, 2)] == [1, 1, 2]
    assert times == [None, 1]


def test_what_became_enough_while_one_waited_is_not_read_again() -> None:
    """Two that want to see the same, of whom the second asks after the first has begun to read it."""
    latest, begun, over = Latest[int](), threading.Event(), threading.Event()

    def read(before: int | None) -> int:
        begun.set()
        assert over.wait(10)
        return (before or 0) + 1

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(latest.get, read, (1).__eq__)
        assert begun.wait(10)
        same, later = (pool.submit(latest.get, read, wanted.__eq__) for wanted in (1, 2))
        threading.Event().wait(0.2)  # until they wait
        over.set()
        assert (first.result(), same.result(), later.result()) == (1, 1, 2)
