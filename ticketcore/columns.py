"""The columns of an export: what each is called, what it means, and how the database computes it.

Times are UTC; hours are hours of the clock, with two decimals.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ticketcore.errors import InvalidInput
from ticketcore.schema import IS_REOPENING, ticket_events, tickets


class Kind(enum.Enum):
    """What a column holds, which decides how each format writes it."""

    INTEGER = enum.auto()
    DECIMAL = enum.auto()
    BOOLEAN = enum.auto()
    MOMENT = enum.auto()
    TEXT = enum.auto()
    WORD = enum.auto()
    """One text out of few."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column of an export."""

    name: str
    kind: Kind
    meaning: str
    value: sa.ColumnElement[Any]


NOW = sa.bindparam("now", type_=sa.DateTime(timezone=True))
"""The moment at which ages are measured; whoever executes a query gives it."""


def _hours(begin: sa.ColumnElement[Any], end: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    hours = sa.func.round(sa.cast(sa.extract("epoch", end - begin), sa.Numeric) / 3600, 2)
    return sa.case((hours < 0, 0), else_=hours)  # where the clock was set back meanwhile; `greatest` would hide a null


_t = tickets.c
_reopened = sa.exists(sa.select(1).where(ticket_events.c.ticket_id == _t.id, IS_REOPENING).correlate(tickets))
_every = (
    Column("id", Kind.INTEGER, "the ticket's number", _t.id),
    Column("title", Kind.TEXT, "one line", _t.title),
    Column("description", Kind.TEXT, "the whole text", _t.description),
    Column("category", Kind.WORD, "billing, technical, account or general", _t.category),
    Column("priority", Kind.WORD, "low, medium, high or critical", _t.priority),
    Column("status", Kind.WORD, "open, in_progress, resolved or closed", _t.status),
    Column("assignee", Kind.TEXT, "who works on it", _t.assignee),
    Column("reporter", Kind.TEXT, "who told of it", _t.reporter),
    Column("created_at", Kind.MOMENT, "when it was filed", _t.created_at),
    Column("updated_at", Kind.MOMENT, "when it was last changed", _t.updated_at),
    Column("resolved_at", Kind.MOMENT, "when it last became resolved or closed; empty while it is not", _t.resolved_at),
    Column(
        "resolution_hours", Kind.DECIMAL, "hours from created_at to resolved_at; empty while it is not resolved",
        _hours(_t.created_at, _t.resolved_at),
    ),
    Column(
        "age_hours", Kind.DECIMAL, "hours from created_at to the export; empty once it is resolved or closed",
        sa.case((_t.resolved_at.is_(None), _hours(_t.created_at, NOW))),
    ),
    Column("reopened", Kind.BOOLEAN, "whether it was ever taken up again after being resolved or closed", _reopened),
    Column("version", Kind.INTEGER, "1 when filed, one more with every change", _t.version),
    Column("suggested_category", Kind.WORD, "what was suggested when it was filed", _t.suggested_category),
    Column("suggested_priority", Kind.WORD, "what was suggested when it was filed", _t.suggested_priority),
    Column("suggestion_source", Kind.WORD, "who suggested: a model's name, or default", _t.suggestion_source),
    Column("duplicate_of", Kind.INTEGER, "the number of the ticket that tells of the same", _t.duplicate_of),
)  # fmt: skip

COLUMNS = {column.name: column for column in _every}
"""Every column that an export can have, by name, in their usual order."""


def chosen(names: Sequence[str]) -> list[Column]:
    """The columns of these names, in this order, each once; all of them where none is named.

    Raises:
        InvalidInput: there is no column of a name.
    """
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise InvalidInput({"columns": f"{', '.join(unknown)}: no such column; there are {', '.join(COLUMNS)}"})
    return [COLUMNS[name] for name in dict.fromkeys(names)] or list(_every)
