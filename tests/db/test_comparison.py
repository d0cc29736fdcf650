"""Two members of the chain are compared by what tickets say now, and by raw SQL's count of it."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from ticketcore import comparison
from ticketcore.comparison import Pair
from ticketcore.database import Database

NOW = datetime.now(UTC)
ROWS = [
    # category now, shown, silent, priority now, shown, silent, source, silent source, days ago
    ("billing", "billing", "general", "high", "high", "high", "a-model", "rules + default", 1),
    ("billing", "general", "billing", "low", "high", "medium", "a-model", "rules + default", 2),
    ("account", "account", "account", "low", "low", "medium", "a-model", "rules + default", 3),
    ("account", "general", "technical", "low", "medium", "medium", "a-model", "rules + default", 3),
    ("general", "general", "general", "low", "low", "low", "desk model", "rules", 4),
    ("general", "general", "general", "low", "low", "low", "a-model", "rules + default", 200),
]


@pytest.fixture
def filled(sql: sa.Connection, db: Database) -> Database:
    for category, shown, silent, priority, shown_p, silent_p, source, silent_source, days in ROWS:
        sql.execute(
            sa.text(
                "insert into tickets (title, description, created_at, category, suggested_category, shadow_category,"
                " priority, suggested_priority, shadow_priority, suggestion_source, shadow_source)"
                " values ('T', 'D', :at, :c, :sc, :hc, :p, :sp, :hp, :s, :h)"
            ),
            {"at": NOW - timedelta(days=days), "c": category, "sc": shown, "hc": silent, "p": priority,
             "sp": shown_p, "hp": silent_p, "s": source, "h": silent_source},
        )  # fmt: skip
    sql.exec_driver_sql(
        "insert into tickets (title, description, category, priority) values ('T', 'D', 'billing', 'low')"
    )
    return db


def test_each_pair_is_counted_for_each_field_and_where_they_differ(filled: Database) -> None:
    assert comparison.pairs(filled, NOW - timedelta(days=90)) == [
        Pair("a-model", "rules + default", "category", 4, 2, 2, 3, 1, 1),
        Pair("a-model", "rules + default", "priority", 4, 2, 1, 2, 1, 0),
        Pair("desk model", "rules", "category", 1, 1, 1, 0, 0, 0),
        Pair("desk model", "rules", "priority", 1, 1, 1, 0, 0, 0),
    ]


def test_without_a_second_opinion_there_is_nothing_to_compare(db: Database) -> None:
    assert comparison.pairs(db, NOW - timedelta(days=90)) == []
