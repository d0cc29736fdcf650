"""The load test itself works: a few people on a small desk meet no error, and the books add up.

How fast the desk is, and whether its memory stays flat, is for `make load` to say.
"""

from concurrent.futures import ThreadPoolExecutor

from tests.bench import load
from tests.bench.ground import filled
from tests.bench.ledger import Ledger


def a_short_run() -> tuple[list[str], list[str], Ledger]:
    with filled(500) as db:
        url = db.url.replace("+psycopg2", "")
        return load.run(url, seconds=15, agents=3, leads=1, analysts=1, hurry=0.25)


def test_a_few_people_meet_no_error_and_the_books_add_up() -> None:
    with ThreadPoolExecutor(1) as apart:  # a loop may be running here already: that of a browser
        lines, failed, ledger = apart.submit(a_short_run).result()
    assert not failed
    done = {(where, what) for where, what, _ in ledger.times}
    assert {
        ("tickets", "filter"), ("tickets", "search"), ("tickets", "open a ticket"), ("tickets", "change a status"),
        ("submit", "submit"), ("stats", "change the period"), ("API", "file"), ("API", "change"), ("export", "csv"),
    } <= done  # fmt: skip
    assert ledger.filed
    assert ledger.changed
    assert ledger.exported
    assert any("every interaction" in line for line in lines)
