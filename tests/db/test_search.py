"""A search finds exactly the tickets whose title or description contains the term, whatever the term is made of."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.oracle import LETTERS, in_order, lower, matching, put
from ticketcore import listing
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.validation import parse

LONG = "".join(chr(97 + (place * place + place // 7) % 26) for place in range(3_000))
"""3,000 letters in which no 1,000 repeat."""

TICKETS: list[dict[str, Any]] = [
    {"title": "100% CPU", "description": "Under load, 50% off_by_one."},
    {"title": "100 CPU", "description": "Under_load; snake_case_name."},
    {"title": r"C:\temp\new", "description": r"A single \ and two \\ in a path."},
    {"title": "C:/temp/new", "description": "It's \"quoted\" and 'quoted'; -- drop table tickets"},
    {"title": "Straße nach Köln", "description": "ÄÖÜ äöü ÉÈ éè ÑÇ ñç ÅØÆ åøæ ÞÐ þð"},
    {"title": "Πρόβλημα ΛΟΓΑΡΙΑΣΜΟΥ", "description": "Δεν μπορώ να συνδεθώ."},
    {"title": "НЕ РАБОТАЕТ ВХОД", "description": "Пароль не подходит, Ёлка."},
    {"title": "Party 🎉🎊", "description": "Family 👩\u200d👩\u200d👧 and flag 🇩🇪, 漢字 too."},
    {"title": "Tabs\tand dots...", "description": "First line\nsecond line\r\nthird line\u2028fourth"},
    {"title": "Long", "description": LONG},
    {"title": "Long too", "description": LONG.upper() + "!"},
    {"title": "Regex .* [a-z]+ (x|y) ^$ ?", "description": "Format {} {0} %s %(name)s :name ${x} $1 @> &lt;"},
    {"title": "only in the title", "description": "only in the text"},
    {"title": "Spaces  two", "description": "a b  c   d"},
    {"title": "x", "description": "y"},
]

TERMS = [
    "%", "_", "\\", "\\\\", "%%", "__", "100%", "0% o", "off_by", "r_load", "\\t", "\\n", "\\%", "\\_", "temp\\new",
    "'", '"', "''", "it's", '"quoted"', "'; --", "--", ";", "/", "C:", "C:\\",
    "straße", "STRASSE", "KÖLN", "köln", "ÄÖÜ", "äöü", "éè", "ÉÈ", "ñÇ", "åøæ", "Þð",
    "πρόβλημα", "ΠΡΌΒΛΗΜΑ", "λογαριασμου", "συνδεθώ", "ΔΕΝ", "вход", "ПАРОЛЬ", "ёлка", "не",
    "🎉", "🎉🎊", "🎊🎉", "👩", "\u200d", "👩\u200d👧", "🇩🇪", "🇩", "漢", "漢字",
    "x", "X", "a", ".", " ", "  ", "   ", "    ", "a b", "b  c", " two", "two ", "\t", "\n",
    "line\nsecond", "line\r\nthird", "line second", "\u2028", "d\u2028f",
    "nly", "in the t", "the title", "title only", "text only", "xy",
    LONG[:1_000], LONG[1_000:2_000].upper(), LONG[2_000:], LONG[:999] + "?", "n" * 1_000, "%" * 1_000, "\\" * 1_000,
    ".*", "[a-z]", "(x|y)", "^", "$", "?", "{}", "%s", "%(name)s", ":name", "${x}", "&lt;", "NULL", "nothing like it",
]  # fmt: skip


@pytest.fixture(params=["table", "index"])
def way(request: pytest.FixtureRequest, sql: sa.Connection) -> Iterator[None]:
    """Few rows are searched by reading the table, many by the index: here, for new connections, in either way."""
    if request.param == "index":
        for kind in ("seqscan", "indexscan", "indexonlyscan"):
            sql.exec_driver_sql(f"alter role current_user set enable_{kind} = off")
    yield
    sql.exec_driver_sql("alter role current_user reset all")


@pytest.mark.usefixtures("way")
def test_any_term_finds_the_tickets_that_contain_it_and_no_other(db: Database, sql: sa.Connection) -> None:
    rows = put(sql, TICKETS)
    for term in TERMS:
        where = parse(TicketFilter, {"search": term})
        expected = [row.id for row in in_order(matching(rows, search=term))]
        assert [ticket.id for ticket in listing.newest(db, where, limit=100)] == expected, ascii(term[:50])
        assert listing.count(db, where).number == len(expected), ascii(term[:50])


@pytest.mark.parametrize(
    ("term", "titles"),
    [
        ("%", {"100% CPU", "Regex .* [a-z]+ (x|y) ^$ ?"}),
        ("\\\\", {r"C:\temp\new"}),
        ("КЁ", set()),
        ("πρόβλημα λογαριασμου", {"Πρόβλημα ΛΟΓΑΡΙΑΣΜΟΥ"}),
        ("не работает", {"НЕ РАБОТАЕТ ВХОД"}),
        ("KÖLN", {"Straße nach Köln"}),
        (LONG[500:1_500], {"Long", "Long too"}),
    ],
    ids=lambda value: ascii(sorted(value) if isinstance(value, set) else value)[:30],
)
def test_a_few_terms_find_what_a_reader_expects(db: Database, sql: sa.Connection, term: str, titles: set[str]) -> None:
    put(sql, TICKETS)
    found = listing.newest(db, parse(TicketFilter, {"search": term}), limit=100)
    assert {ticket.title for ticket in found} == titles


def test_every_letter_is_found_in_either_case(db: Database, sql: sa.Connection) -> None:
    letters = "".join(dict.fromkeys(lower(LETTERS.replace(" ", ""))))
    capitals = "".join(letter.upper() if len(letter.upper()) == 1 else letter for letter in letters)
    put(sql, [{"title": "small", "description": letters}, {"title": "capital", "description": capitals}])
    for start in range(len(letters) - 3):
        for term in (letters[start : start + 4], capitals[start : start + 4]):
            assert listing.count(db, parse(TicketFilter, {"search": term})).number == 2, term
