"""The tickets that the desk learns from, as agents left them, and where what it learned is kept for all processes."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from ticketcore.database import Database
from ticketcore.models import Source
from ticketcore.prompt import EXAMPLE_LENGTH
from ticketcore.prompt import Example as Shown
from ticketcore.schema import desk_models, ticket_events, tickets
from ticketcore.suggestion import PARTS
from ticketcore.triage import desk_model
from ticketcore.triage.desk_model import UnreadableError
from ticketcore.triage.knowledge import Exam, Knowledge
from ticketcore.triage.rules import READ
from ticketcore.triage.training import CORRECTED, SEEN, UNSEEN, Example

log = logging.getLogger(__name__)

MOST = 100_000
"""Tickets that are learned from, the newest."""

AT_ONCE = 5_000
KEPT = 5
"""Models that stay in the store; all but the newest only to be looked at."""

FORMAT = 1
"""Of what is stored; another one is not read."""

SHOWN = 2
"""Corrected tickets of each category that language models are shown."""

_t, _e, _m = tickets.c, ticket_events.c, desk_models.c


@dataclass
class Lessons:
    """What there is to learn from."""

    examples: list[Example] = field(default_factory=list)
    """Newest first."""
    record: dict[str, dict[str, dict[str, tuple[int, int]]]] = field(default_factory=dict)
    corrected: list[int] = field(default_factory=list)


def gathered(db: Database, *, most: int = MOST) -> Lessons:
    """The newest tickets with what their values count, how often suggestions were kept, and examples to be shown.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    found = Lessons()
    kept, number = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    shown = Counter[str]()
    for row in _rows(db, most):
        known = {part: (getattr(row, part).value, _weight(row, part)) for part in PARTS}
        found.examples.append(Example(row.id, f"{row.title}\n{row.description}", known))
        if row.suggestion_source is None:
            continue
        sources = row.suggestion_source.split(" + ")
        for part, source in zip(PARTS, (sources[0], sources[-1]), strict=True):
            value, weight = known[part]
            if weight >= SEEN:
                suggested = getattr(row, f"suggested_{part}").value
                number[source, part, suggested] += 1
                kept[source, part, suggested] += suggested == value
        if any(weight == CORRECTED for _, weight in known.values()) and len(row.description) <= EXAMPLE_LENGTH:
            category = known["category"][0]
            shown[category] += 1
            if shown[category] <= SHOWN:
                found.corrected.append(row.id)
    for (source, part, suggested), all_ in number.items():
        record = found.record.setdefault(source, {}).setdefault(part, {})
        record[suggested] = kept[source, part, suggested], all_
    return found


def _weight(row: Any, part: str) -> float:
    """What the value of this field counts: `training` says how."""
    value, suggested = getattr(row, part), getattr(row, f"suggested_{part}")
    if getattr(row, f"changed_{part}") or (suggested is not None and suggested != value):
        return CORRECTED
    # Not by the value itself: a program may have filed what the desk told it, and then the desk would examine itself.
    return SEEN if row.was_worked_on or row.by_agent else UNSEEN


def _rows(db: Database, most: int) -> Iterator[Any]:
    """Of the newest tickets: texts, values, suggestions, and whether an agent filed, changed or worked on them."""

    def changed(part: str) -> sa.ColumnElement[bool]:
        return sa.func.bool_or(sa.and_(_e.kind == "changed", _e.field == part)).label(f"changed_{part}")

    newest = tickets.select().where(_t.id < sa.bindparam("before")).order_by(_t.id.desc()).limit(AT_ONCE).subquery("t")
    story = (
        sa.select(
            sa.func.bool_or(sa.and_(_e.kind == "created", _e.source == Source.DASHBOARD)).label("by_agent"),
            *map(changed, PARTS),
        )
        .where(_e.ticket_id == newest.c.id)
        .lateral("story")
    )
    n = newest.c
    query = sa.select(
        n.id, n.title, sa.func.left(n.description, READ).label("description"), n.category, n.priority,
        n.suggested_category, n.suggested_priority, n.suggestion_source,
        sa.or_(n.first_response_at.is_not(None), n.resolved_at.is_not(None)).label("was_worked_on"),
        story.c.by_agent, story.c.changed_category, story.c.changed_priority,
    ).join_from(newest, story, sa.true()).order_by(n.id.desc())  # fmt: skip
    with db.view() as connection:
        before = 2**63 - 1
        for _ in range(-(-most // AT_ONCE)):
            rows = connection.execute(query, {"before": before}).all()
            yield from rows
            if len(rows) < AT_ONCE:
                return
            before = rows[-1].id


def examples(db: Database, numbers: Iterable[int]) -> list[Shown]:
    """These tickets as they are now, to be shown to a language model."""
    wanted = list(numbers)
    if not wanted:
        return []
    query = sa.select(_t.description, _t.title, _t.category, _t.priority).where(_t.id.in_(wanted)).order_by(_t.id)
    with db.read() as connection:
        return [Shown(*row) for row in connection.execute(query) if len(row.description) <= EXAMPLE_LENGTH]


def newest_ticket(db: Database) -> int:
    """The largest number of a ticket; 0 for an empty desk."""
    with db.read() as connection:
        return connection.scalar(sa.select(sa.func.max(_t.id))) or 0


def newest_model(db: Database) -> int | None:
    """The number of what was learned last; None for nothing yet."""
    with db.read() as connection:
        number: int | None = connection.scalar(sa.select(sa.func.max(_m.id)).where(_m.format == FORMAT))
        return number


def known(db: Database) -> Knowledge | None:
    """What was learned last and can be read; None for nothing."""
    query = sa.select(desk_models).where(_m.format == FORMAT).order_by(_m.id.desc())
    with db.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        try:
            exam = Exam.model_validate(row.exam)
            return Knowledge(exam, *(dict(desk_model.read(bytes(stored))) for stored in (row.final, row.examined)))
        except (ValidationError, UnreadableError) as error:
            log.warning("what the desk had learned (%s) cannot be read: %s", row.id, error)
    return None


def store(db: Database, knowledge: Knowledge) -> None:
    """Keeps what was learned, in the place of what was known, and forgets what is old.

    Raises:
        DatabaseUnavailable: the database is away; nothing was stored.
    """
    values = {
        "format": FORMAT, "exam": knowledge.exam.model_dump(mode="json"),
        "final": desk_model.written(knowledge.final), "examined": desk_model.written(knowledge.examined),
    }  # fmt: skip
    with db.write(Source.DASHBOARD) as connection:
        number = connection.scalar(sa.insert(desk_models).values(values).returning(_m.id))
        older = sa.select(_m.id).where(_m.id <= number).order_by(_m.id.desc()).offset(KEPT)
        connection.execute(sa.delete(desk_models).where(_m.id.in_(older)))
