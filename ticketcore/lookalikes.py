"""Tickets that may tell of the same, for whoever is about to file another one.

Titles are compared by their trigrams (`similarity` of pg_trgm: the share of three-letter pieces that two texts have in
common), through the index of substring search.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from ticketcore.database import Database
from ticketcore.models import Status
from ticketcore.schema import tickets
from ticketcore.validation import TITLE_LENGTH

ALIKE = 0.5
"""The similarity from which on two titles count as alike."""

LOOKED_AT = 3_000
"""Candidates that are compared at the most: where more are alike, any of them tell the agent enough."""

SEEN_THROUGH = 10_000
"""Titles that the index may hand over, roughly; of a text of common words alone it hands over some of them."""

PATIENCE = 300
"""Milliseconds after which the search is given up: it is a courtesy, and nobody is to wait for it."""

LAST = timedelta(days=365)


@dataclass(frozen=True)
class Lookalike:
    """A ticket whose title is like the new one's."""

    id: int
    title: str
    status: Status
    created_at: datetime
    similarity: float
    """Between 0 and 1, which is the same text but for case and punctuation."""


def subject(title: str, description: str) -> str:
    """What titles are compared with: the title, or without one the first line of the description."""
    lines = (title.strip() or description.strip()).splitlines()
    return lines[0][:TITLE_LENGTH].replace("\x00", "") if lines else ""


def find(db: Database, words: str, *, now: datetime, limit: int = 5) -> list[Lookalike]:
    """The tickets of the year before `now` whose titles are most like this subject, the likest first.

    One of fewer than three characters is like none.

    Raises:
        DatabaseUnavailable: the database is away, or took longer than `PATIENCE`.
    """
    if len(words) < 3:
        return []
    t = tickets.c
    candidates = (
        sa.select(t.id, t.title, t.status, t.created_at)
        .where(t.title.bool_op("%")(words), t.created_at >= now - LAST)
        .limit(LOOKED_AT)
        .subquery("candidate")
    )
    similarity = sa.func.similarity(candidates.c.title, words).label("similarity")
    found = sa.select(candidates, similarity).order_by(similarity.desc(), candidates.c.id.desc()).limit(limit)
    with db.view() as connection:
        connection.execute(
            sa.text(
                f"set local pg_trgm.similarity_threshold = {ALIKE}; set local gin_fuzzy_search_limit = {SEEN_THROUGH};"
                f" set local statement_timeout = {PATIENCE}"
            )
        )
        return [Lookalike(**row) for row in connection.execute(found).mappings()]
