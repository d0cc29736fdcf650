"""What language models were sent: looked up by leads, kept for some days."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from ticketcore.access import Role
from ticketcore.database import Database
from ticketcore.models import Source
from ticketcore.schema import model_questions

KEPT = timedelta(days=30)

_q = model_questions.c


@dataclass(frozen=True)
class Question:
    """One question, word for word as it was sent; `at` is UTC."""

    id: int
    at: datetime
    asked_by: str | None
    model: str
    sent: str


def note(db: Database, *, model: str, sent: str, asked_by: str | None) -> None:
    """Keeps a question, and forgets those that are too old.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    too_old = sa.delete(model_questions).where(_q.at < sa.func.clock_timestamp() - KEPT)
    new = sa.insert(model_questions).values(model=model, sent=sent, asked_by=asked_by)
    with db.write(Source.DASHBOARD, asked_by) as connection:
        connection.execute(too_old)
        connection.execute(new)


def latest(db: Database, *, limit: int = 100) -> list[Question]:
    """The latest questions, newest first.

    Raises:
        Forbidden: a lead looks them up.
    """
    db.demand(Role.LEAD)
    with db.read() as connection:
        rows = connection.execute(sa.select(model_questions).order_by(_q.at.desc(), _q.id.desc()).limit(limit))
        return [Question(**row) for row in rows.mappings()]
