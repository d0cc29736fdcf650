"""How two members of the chain compare: what agents were shown, and what another one would have suggested.

Whoever was shown has an advantage: people leave what they see. Where both agree nothing is learned, so the tickets on
which they differ say the most.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ticketcore.database import Database
from ticketcore.schema import tickets
from ticketcore.suggestion import PARTS


@dataclass(frozen=True)
class Pair:
    """Of the tickets for which one suggested and another one would have: how often each was right, for one field.

    Right is what the ticket says now.
    """

    shown: str
    silent: str
    part: str
    number: int
    shown_right: int
    silent_right: int
    differ: int
    shown_right_there: int
    silent_right_there: int


def pairs(db: Database, since: datetime) -> list[Pair]:
    """Every pair with tickets created since, those with the most tickets first.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    t = tickets.c

    def number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
        return sa.func.count().filter(condition)

    counted = []
    for part in PARTS:
        now, shown, silent = t[part], t[f"suggested_{part}"], t[f"shadow_{part}"]
        counted += [
            number(shown == now), number(silent == now), number(shown != silent),
            number((shown != silent) & (shown == now)), number((shown != silent) & (silent == now)),
        ]  # fmt: skip
    query = (
        sa.select(t.suggestion_source, t.shadow_source, sa.func.count(), *counted)
        .where(t.shadow_source.is_not(None), t.suggestion_source.is_not(None), t.created_at >= since)
        .group_by(t.suggestion_source, t.shadow_source)
        .order_by(sa.func.count().desc(), t.suggestion_source, t.shadow_source)
    )
    with db.read() as connection:
        rows = connection.execute(query).all()
    return [
        Pair(shown, silent, part, all_, *numbers[place * 5 : place * 5 + 5])
        for shown, silent, all_, *numbers in rows
        for place, part in enumerate(PARTS)
    ]
