"""What the desk should answer, worked out in plain Python from the agreed rules, and a way to file past ticketcore.

The words of the enums stand here once more: a test that read them from the code would accept any.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

CATEGORIES = ("billing", "technical", "account", "general")
PRIORITIES = ("low", "medium", "high", "critical")
STATUSES = ("open", "in_progress", "resolved", "closed")

WHITESPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's White_Space, and the four separators U+001C to U+001F that Python strips as well."""

LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What ends a line in Unicode, and the three separators that `str.splitlines` cuts at as well."""

LETTERS = (
    "abcxyzABCXYZ019 .,%_\\'\"-"
    + "".join(map(chr, range(0xC0, 0x100)))  # Latin-1
    + "".join(chr(code) for code in range(0x391, 0x3CA) if code not in (0x3A2, 0x3C2))  # Greek
    + "".join(map(chr, range(0x410, 0x450)))  # Cyrillic
    + "😀🎫漢字"
)
"""Characters whose upper and lower case are one to one, in Python as in PostgreSQL (C.UTF-8 of libc, and its own).

Outside of them the two differ for reasons of their own: `İ` is two characters in lower case in Python and one in
PostgreSQL; `Σ` has two small letters, and which one depends on its place in Python only; letters that are younger
than the operating system's tables have no case there.
"""


@dataclass(frozen=True)
class Row:
    """A ticket as it lies in the table."""

    id: int
    title: str
    description: str
    category: str
    priority: str
    status: str
    created_at: datetime


def put(sql: sa.Connection, tickets: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Files the tickets by raw SQL, in their order, and returns them as they are stored; `created_at` may be given."""
    rows = [{**ticket, "created_at": ticket.get("created_at")} for ticket in tickets]
    values = json.dumps(rows, default=datetime.isoformat)
    ids = sql.execute(
        sa.text("""
            insert into tickets (title, description, category, priority, status, created_at)
            select coalesce(title, 'A title'), coalesce(description, 'A description'), coalesce(category, 'general'),
                   coalesce(priority, 'medium'), coalesce(status, 'open'), coalesce(created_at, clock_timestamp())
            from rows from (jsonb_to_recordset(cast(:rows as jsonb)) as (
                title text, description text, category ticket_category, priority ticket_priority,
                status ticket_status, created_at timestamptz
            )) with ordinality as given (title, description, category, priority, status, created_at, place)
            order by place returning id"""),
        {"rows": values},
    ).scalars()
    return stored(sql, set(ids))


def stored(sql: sa.Connection, ids: Collection[int] | None = None) -> list[Row]:
    """The tickets in the table in the order of their ids, all of them unless `ids` are named."""
    rows = sql.execute(
        sa.text("""
            select id, title, description, category::text, priority::text, status::text, created_at
            from tickets order by id""")
    )
    return [Row(*row) for row in rows if ids is None or row.id in ids]


def trimmed(text: str) -> str:
    """`text` without the whitespace around it."""
    start, end = 0, len(text)
    while start < end and text[start] in WHITESPACE:
        start += 1
    while end > start and text[end - 1] in WHITESPACE:
        end -= 1
    return text[start:end]


def lower(text: str) -> str:
    """`text` in lower case, character by character: what a letter becomes never depends on its neighbours."""
    return "".join(character.lower() for character in text)


def matching(
    rows: Iterable[Row],
    *,
    category: Collection[str] = (),
    priority: Collection[str] = (),
    status: Collection[str] = (),
    search: str | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> list[Row]:
    """The rows that satisfy every condition, in their order."""
    return [
        row
        for row in rows
        if (not category or row.category in category)
        and (not priority or row.priority in priority)
        and (not status or row.status in status)
        and (not search or lower(search) in lower(row.title) or lower(search) in lower(row.description))
        and (created_from is None or created_from <= row.created_at)
        and (created_to is None or row.created_at < created_to)
    ]


def in_order(rows: Iterable[Row], sort: str = "newest") -> list[Row]:
    """The rows newest first, oldest first, or severest first and then newest first; ids break ties likewise."""
    if sort == "oldest":
        return sorted(rows, key=lambda row: (row.created_at, row.id))
    newest = sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
    return newest if sort == "newest" else sorted(newest, key=lambda row: -PRIORITIES.index(row.priority))
