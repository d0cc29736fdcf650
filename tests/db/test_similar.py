"""The most similar earlier tickets, with what they became."""

from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from tests.oracle import put
from ticketcore import similar
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable


def file(sql: sa.Connection, *texts: str, category: str = "billing") -> None:
    put(sql, [{"title": text[:20].strip(), "description": text, "category": category, "priority": "high",
               "status": "open"} for text in texts])  # fmt: skip


def titles(found: Sequence[similar.Similar]) -> list[str]:
    return [one.title for one in found]


def test_tickets_that_share_the_telling_words_are_found_the_likest_first_as_they_are_now(
    db: Database, sql: sa.Connection
) -> None:
    file(sql, "The voucher was charged twice", "A voucher, charged twice in June", "The canteen is cold")
    file(sql, "Where was the voucher charged to at all, and by whom of the many people here?")  # not alike
    sql.exec_driver_sql("update tickets set category = 'account', priority = 'low' where id = 1")
    found = similar.find(db, "My voucher was charged twice", ("voucher", "charged twice"))
    assert [one.id for one in found] == [1, 2]
    assert (found[0].category, found[0].priority) == ("account", "low")


def test_no_more_than_three_are_shown(db: Database, sql: sa.Connection) -> None:
    file(sql, *[f"Voucher charged {number}" for number in range(10)])
    assert len(similar.find(db, "voucher charged", ("voucher", "charged"))) == 3


@pytest.mark.parametrize(
    "text", ["", "a b c", "voucher", "!!! ???", "\U0001f600", "请求", "%%%% ____ %%%%", "'; drop table tickets; --"]
)
def test_a_text_without_two_telling_words_is_like_none(db: Database, sql: sa.Connection, text: str) -> None:
    file(sql, "voucher", "Something else entirely")
    assert similar.find(db, text, ()) == ()


def test_signs_in_words_are_not_wildcards(db: Database, sql: sa.Connection) -> None:
    file(sql, "voucherXone and tariffYtwo", "voucher%one for tariff_two")
    assert [one.id for one in similar.find(db, "voucher%one tariff_two", ("voucher%one", "tariff_two"))] == [2]


def test_words_of_the_longest_texts_are_looked_for_too(db: Database, sql: sa.Connection) -> None:
    file(sql, ("voucher charged " + "lorem ipsum " * 1_000).strip())
    assert [one.id for one in similar.find(db, "voucher charged " + "lorem ipsum " * 1_600, ())] == [1]


def test_a_database_that_is_away_is_said_to_be() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable):
        similar.find(away, "voucher charged twice", ())
    away.close()
