"""Earlier tickets like one that is being sorted: the evidence beside a suggestion, with what they became.

The index of substring search finds tickets that share two of the words that weighed most; of these the likest are those
whose words, by TF-IDF, are most the same (cosine similarity).
"""

import re
from itertools import combinations

import numpy as np
import sqlalchemy as sa
from sklearn.feature_extraction.text import TfidfTransformer

from ticketcore.database import Database
from ticketcore.schema import tickets
from ticketcore.suggestion import Similar
from ticketcore.triage.desk_model import counts
from ticketcore.triage.rules import READ

WORD = re.compile(r"[^\W_]+")
"""Letters and digits alone: nothing that means something in a pattern of the database."""

WORDS = 4
"""Words that are looked for; of more, every two are in tickets about anything."""

CANDIDATES = 200
"""Tickets that are compared at the most."""

SEEN_THROUGH = 10_000
"""Tickets that the index may hand over for a word, roughly; of a word that is in more it hands over some."""

ALIKE = 0.15
"""The similarity, between 0 and 1, from which on a ticket is evidence."""

PATIENCE = 300
"""Milliseconds after which the search is given up."""

_t = tickets.c


def find(db: Database, text: str, words: tuple[str, ...], *, limit: int = 3) -> tuple[Similar, ...]:
    """The tickets most like a text, the likest first; none where it has fewer than two telling words.

    Raises:
        DatabaseUnavailable: the database is away, or took longer than `PATIENCE`.
    """
    telling = _telling(text, words)
    if len(telling) < 2:
        return ()
    has = [_t.title.ilike(pattern) | _t.description.ilike(pattern) for pattern in map("%{}%".format, telling)]
    query = (
        sa.select(_t.id, _t.title, sa.func.left(_t.description, READ).label("description"), _t.category, _t.priority)
        .where(sa.or_(*(one & other for one, other in combinations(has, 2))))
        .limit(CANDIDATES)
    )
    with db.view() as connection:
        connection.execute(
            sa.text(
                f"set local gin_fuzzy_search_limit = {SEEN_THROUGH}; set local statement_timeout = {PATIENCE};"
                " set local enable_seqscan = off"
            )
        )
        rows = connection.execute(query).all()
    if not rows:
        return ()
    found = counts([text, *(f"{row.title}\n{row.description}" for row in rows)])
    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(found)
    alike = (weighted[1:] @ weighted[0].T).toarray().ravel()
    places = [int(place) for place in np.flatnonzero(alike >= ALIKE)]
    order = sorted(places, key=lambda place: (-alike[place], -rows[place].id))[:limit]
    return tuple(
        Similar(row.id, row.title, row.category, row.priority) for row in (rows[place] for place in order)
    )  # fmt: skip


def _telling(text: str, words: tuple[str, ...]) -> list[str]:
    """The words to look for: those that weighed most, then the longest of the text."""
    own = sorted(set(_words(text[:READ])), key=lambda word: (-len(word), word))
    found = dict.fromkeys([*(part for word in words for part in _words(word)), *own])
    return [word for word in found if len(word) >= 4][:WORDS]


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
