"""Tickets with random lives, told in plain Python and stored past the triggers: what figures are checked against."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from tests.oracle import CATEGORIES, PRIORITIES, STATUSES

NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
SETTLED = ("resolved", "closed")
HOUR = timedelta(hours=1)


@dataclass
class Told:
    """A ticket and what is told of it."""

    id: int
    category: str
    priority: str
    created_at: datetime
    assignee: str | None
    suggestion: tuple[str | None, str | None, str | None]
    steps: list[tuple[datetime, str, str | None, str, str, str | None]] = field(default_factory=list)
    """at, kind, old value, new value, source, actor"""

    def status(self, moment: datetime) -> str | None:
        """What it was just before the moment; None if it was not there yet."""
        values = [new for at, kind, _, new, *_ in self.steps if kind != "noted" and at < moment]
        return values[-1] if values else None

    @property
    def resolved_at(self) -> datetime | None:
        return self.settled_before(len(self.steps))

    def settled_before(self, place: int) -> datetime | None:
        """When it had become settled before that step; None if it was not."""
        found = None
        for at, kind, old, new, *_ in self.steps[:place]:
            if kind != "noted" and new not in SETTLED:
                found = None
            elif kind != "noted" and old not in SETTLED:
                found = at
        return found

    @property
    def first_response(self) -> datetime | None:
        for at, kind, _, _, source, actor in self.steps:
            if kind != "created" and (source == "dashboard" or (source == "api" and actor)):
                return at
        return None


def lives(number: int) -> list[Told]:
    """Random lives, many of which meet at the same moments and at midnight; the seed is fixed."""
    chance = random.Random(11)
    found = []
    for ticket in range(1, number + 1):
        at = datetime(2026, 8, 20, 22, tzinfo=UTC) + chance.randrange(24 * 89) * HOUR
        model = (
            chance.choice(CATEGORIES),
            chance.choice(PRIORITIES),
            chance.choice(["small-model/2 & more", "default"]),
        )
        suggestion = model if chance.random() < 0.8 else (None, None, None)
        one = Told(
            ticket,
            chance.choice(CATEGORIES),
            chance.choice(PRIORITIES),
            at,
            chance.choice([None, "Ann", 'Zoë & Söhne +50 % #1="😀"']),
            suggestion,
        )
        status = chance.choices(STATUSES, (30, 1, 1, 1))[0]
        one.steps.append((at, "created", None, status, "api", None))
        while chance.random() < 0.75:
            at += (
                chance.choice([timedelta(), HOUR, 5 * HOUR, 30 * HOUR, timedelta(days=9)]) + chance.randrange(2) * HOUR
            )
            door = chance.choice(
                [("dashboard", None), ("dashboard", "Ann"), ("api", None), ("api", "Ben"), ("sql", "dba")]
            )
            if chance.random() < 0.25:
                one.steps.append((at, "noted", None, "A note", *door))
                continue
            new = chance.choice([other for other in STATUSES if other != status])
            one.steps.append((at, "changed", status, new, *door))
            status = new
        one.steps = [step for step in one.steps if step[0] <= NOW]
        if one.steps:
            found.append(one)
    return found


def store(sql: sa.Connection, told: list[Told]) -> None:
    """Stores them past the triggers, which would stamp the present."""
    sql.exec_driver_sql("set session_replication_role = replica")
    sql.execute(
        sa.text("""insert into tickets (id, title, description, category, priority, status, created_at, updated_at,
            resolved_at, first_response_at, assignee, suggested_category, suggested_priority, suggestion_source)
            overriding system value
            values (:id, 'A', 'B', :category, :priority, :status, :created_at, :created_at,
            :resolved_at, :first_response, :assignee, :c, :p, :s)"""),
        [
            {**vars(one), "status": one.status(NOW + HOUR), "resolved_at": one.resolved_at,
             "first_response": one.first_response,
             **dict(zip("cps", one.suggestion, strict=True))}
            for one in told
        ],
    )  # fmt: skip
    steps = sorted((at, one.id, place, *rest) for one in told for place, (at, *rest) in enumerate(one.steps))
    lives = {one.id: one for one in told}
    sql.execute(
        sa.text("""insert into ticket_events (ticket_id, at, kind, field, old_value, new_value, source, actor,
            settled_at) values (:id, :at, :kind, :field, :old, :new, :source, :actor, :settled)"""),
        [
            {"at": at, "id": number, "kind": kind, "field": "note" if kind == "noted" else "status", "old": old,
             "new": new, "source": source, "actor": actor,
             "settled": lives[number].settled_before(place) if old in SETTLED and new not in SETTLED else None}
            for at, number, place, kind, old, new, source, actor in steps
        ],
    )  # fmt: skip
    sql.exec_driver_sql("set session_replication_role = origin")
