"""Who files a ticket sees those that may tell of the same; similarity is worked out anew in plain Python."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tests.oracle import put
from ticketcore import lookalikes
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable

NOW = datetime.now(UTC)
TITLES = [
    "Password reset link expired", "Password reset link has expired", "password RESET-link expired!", "Reset link",
    "The printer is on fire", "Printer on fire again", "Invoice is wrong", "Quelque chose d'étrange", "漢字 の 問題",
    "a", "!!!", "Password",
]  # fmt: skip


def trigrams(text: str) -> set[str]:
    """By the manual of pg_trgm: words in lower case, two spaces before and one after each."""
    return {f"  {word} "[at : at + 3] for word in re.findall(r"\w+", text.lower()) for at in range(len(word) + 1)}


def similarity(one: str, other: str) -> float:
    mine, theirs = trigrams(one), trigrams(other)
    return len(mine & theirs) / len(mine | theirs) if mine | theirs else 0.0


def find(db: Database, title: str, description: str, **more: int) -> list[lookalikes.Lookalike]:
    return lookalikes.find(db, lookalikes.subject(title, description), now=NOW, **more)


@pytest.mark.parametrize("title", TITLES)
def test_the_likest_titles_come_first(db: Database, sql: sa.Connection, title: str) -> None:
    put(sql, [{"title": other} for other in TITLES])
    found = find(db, title, "", limit=20)
    alike = {other: similarity(title, other) for other in TITLES if similarity(title, other) >= 0.5}
    expected = alike if len(title) >= 3 else {}
    assert {one.title: pytest.approx(one.similarity, abs=1e-5) for one in found} == expected
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)


def test_without_a_title_the_first_line_of_the_description_stands_for_it(db: Database, sql: sa.Connection) -> None:
    put(sql, [{"title": "Invoice is wrong"}])
    assert [one.id for one in find(db, " ", "The invoice is wrong\nThe sum.")] == [1]
    assert find(db, "", "  ") == []
    assert find(db, "a\x00b" * 100, "") == []


def test_older_than_a_year_is_too_old(db: Database, sql: sa.Connection) -> None:
    year = timedelta(days=365)
    put(
        sql,
        [
            {"title": "A b c", "created_at": NOW - year - timedelta(hours=1)},
            {"title": "A b c", "created_at": NOW - year},
        ],
    )
    assert [one.id for one in find(db, "a b c", "")] == [2]


def test_the_threshold_does_not_stay_behind_on_the_connection(db: Database, sql: sa.Connection) -> None:
    find(db, "Anything", "")
    with db.read() as connection:
        assert connection.scalar(sa.text("show pg_trgm.similarity_threshold")) == "0.3"
        assert connection.scalar(sa.text("show gin_fuzzy_search_limit")) == "0"
        assert connection.scalar(sa.text("show statement_timeout")) == "30s"


def test_what_takes_longer_than_anybody_should_wait_is_given_up(db: Database, sql: sa.Connection) -> None:
    sql.exec_driver_sql("begin")
    sql.exec_driver_sql("lock table tickets")  # as a database that is too busy
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        find(db, "Anything", "")
    assert time.monotonic() - began < 5
    sql.exec_driver_sql("rollback")
    assert find(db, "Anything", "") == []
