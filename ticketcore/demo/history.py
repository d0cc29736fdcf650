"""The tickets: who files what, and what becomes of it."""

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ticketcore import settings
from ticketcore.demo import rhythm, texts
from ticketcore.demo.facts import Facts
from ticketcore.models import Category, Priority, Source, Status
from ticketcore.suggestion import DEFAULT_SOURCE

AGENTS = (
    "Amara Okafor", "Ben Hartmann", "Carla Mendes", "Daniel Novak", "Elif Aydın", "Freya Nilsson",
    "Gabriel Roux", "Hana Sato", "Ivan Kovač", "Julia Brandt", "Kwame Boateng", "Lena Fischer",
)  # fmt: skip
_WORKLOAD = tuple(accumulate((16, 14, 12, 11, 10, 8, 8, 7, 5, 4, 3, 2)))
_CATEGORIES = tuple(Category)
_CATEGORY_SHARES = tuple(accumulate((21, 36, 29, 14)))
_PRIORITIES = tuple(Priority)
_PRIORITY_SHARES = {
    "calm": tuple(accumulate((62, 35, 3, 0.1))),
    "usual": tuple(accumulate((24, 57, 16.5, 2.5))),
    "pressing": tuple(accumulate((6, 48, 37, 9))),
    "severe": tuple(accumulate((1, 15, 50, 34))),
}
_PACE = {Priority.LOW: (14, 60), Priority.MEDIUM: (6, 32), Priority.HIGH: (2, 12), Priority.CRITICAL: (0.4, 4)}
"""Median hours until somebody takes up a ticket, and from then until it is resolved."""

_SETTLED = (Status.RESOLVED, Status.CLOSED)
_MODEL = settings.Settings().openai_model


class Change(NamedTuple):
    """One entry of a history; the first has no old value."""

    at: datetime
    actor: str | None
    source: Source
    field: str
    old_value: str | None
    new_value: str | None
    settled_at: datetime | None = None
    """For a reopening, what it took back: when the ticket had become resolved or closed."""


class History(NamedTuple):
    """A ticket as it stands at the end, in the order of its columns, and how it came to that."""

    title: str
    description: str
    category: str
    priority: str
    status: str
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    first_response_at: datetime | None
    version: int
    suggested_category: Category | None
    suggested_priority: Priority | None
    suggestion_source: str | None
    assignee: str | None
    reporter: str
    changes: list[Change]


class _Life:
    """What changes about a ticket, by the rules that the triggers of the database keep."""

    def __init__(self, opening: Change, category: Category, priority: Priority) -> None:
        self.values: dict[str, Any] = {
            "category": category, "priority": priority, opening.field: opening.new_value, "assignee": None,
        }  # fmt: skip
        self.changes = [opening]
        self.resolved_at: datetime | None = None
        self.first_response_at: datetime | None = None
        self.version = 1

    def change(self, at: datetime, actor: str | None, source: Source, new: dict[str, str | None]) -> None:
        changed = [name for name, value in self.values.items() if new.get(name, value) != value]
        if not changed:
            return
        is_settled = new.get("status", self.values["status"]) in _SETTLED
        taken_back = None if is_settled else self.resolved_at
        self.changes += [
            Change(at, actor, source, name, self.values[name], new[name], taken_back if name == "status" else None)
            for name in changed
        ]
        if "status" in changed and (source is Source.DASHBOARD or actor):
            self.first_response_at = self.first_response_at or at
        if not is_settled:
            self.resolved_at = None
        elif self.values["status"] not in _SETTLED:
            self.resolved_at = at
        self.values |= new
        self.version += 1


def histories(count: int, seed: int, now: datetime, timezone: ZoneInfo) -> Iterator[History]:
    """`count` tickets of the year before `now`, oldest first; the same arguments give the same tickets.

    Nothing in them, text or history, lies after `now`. All times are UTC; the working week is that of `timezone`.
    """
    rng = random.Random(seed)  # noqa: S311 - the same seed has to give the same tickets, and none of it is secret
    now = now.astimezone(UTC)
    for at, incident in rhythm.arrivals(rng, count, now, timezone):
        yield _history(rng, at, incident, now, timezone)


def _history(
    rng: random.Random, at: datetime, incident: dict[str, str] | None, now: datetime, timezone: ZoneInfo
) -> History:
    category = Category.TECHNICAL if incident else rng.choices(_CATEGORIES, cum_weights=_CATEGORY_SHARES)[0]
    subject = texts.outage() if incident else texts.topic(rng, category)
    priority = rng.choices(_PRIORITIES, cum_weights=_PRIORITY_SHARES[subject.severity])[0]
    local = at.astimezone(timezone)
    by_agent = rng.random() < (0.75 if rhythm.staffed(local) else 0.1)
    facts = Facts(rng, local, dict(incident or {}))
    title, description = texts.write(rng, subject, priority, facts, by_agent=by_agent)
    suggestion = _suggestion(rng, category, priority, by_agent=by_agent)
    filed = _filed(rng, category, priority, suggestion)
    agent = rng.choices(AGENTS, cum_weights=_WORKLOAD)[0]
    door, actor = (Source.DASHBOARD, agent) if by_agent else (Source.API, None)
    life = _Life(Change(at, actor, door, "status", None, Status.OPEN), *filed)
    noticed: dict[str, str] = {"category": category, "priority": priority} if rng.random() < 0.75 else {}
    for hours, new in _steps(rng, priority, noticed):
        at += timedelta(hours=rng.lognormvariate(math.log(hours), 1.0))
        automatic = new in ({"status": Status.CLOSED}, {"status": Status.OPEN}) and rng.random() < 0.6
        if not automatic and priority is not Priority.CRITICAL:
            at = rhythm.in_office_hours(rng, at, timezone)
        if at > now:
            break
        by = agent if rng.random() < 0.85 else rng.choices(AGENTS, cum_weights=_WORKLOAD)[0]
        source = Source.API if automatic or rng.random() < 0.06 else Source.DASHBOARD
        taken = {} if automatic or life.values["assignee"] else {"assignee": by}
        life.change(at, None if automatic else by, source, {**new, **taken})
    return History(
        title=title, description=description, **life.values, created_at=life.changes[0].at,
        updated_at=life.changes[-1].at, resolved_at=life.resolved_at,
        first_response_at=life.first_response_at, version=life.version,
        suggested_category=suggestion[0], suggested_priority=suggestion[1], suggestion_source=suggestion[2],
        reporter=facts["email"], changes=life.changes,
    )  # fmt: skip


def _suggestion(
    rng: random.Random, category: Category, priority: Priority, *, by_agent: bool
) -> tuple[Category, Priority, str] | tuple[None, None, None]:
    if rng.random() < (0.04 if by_agent else 0.25):
        return None, None, None
    if rng.random() < 0.07:
        return Category.GENERAL, Priority.MEDIUM, DEFAULT_SOURCE
    if rng.random() > 0.84:
        category = rng.choice([other for other in _CATEGORIES if other is not category])
    if rng.random() > 0.64:
        priority = _next_to(rng, priority)
    return category, priority, _MODEL


def _next_to(rng: random.Random, priority: Priority) -> Priority:
    near = _PRIORITIES.index(priority)
    return rng.choice([other for place, other in enumerate(_PRIORITIES) if abs(place - near) == 1])


def _filed(rng: random.Random, category: Category, priority: Priority, suggestion: tuple[Any, ...]) -> tuple[Any, Any]:
    """What the ticket is filed as: now and then a wrong suggestion is kept, or the urgency is misjudged."""
    if suggestion[0] and rng.random() < 0.3:
        category = suggestion[0]
    if suggestion[1] and rng.random() < 0.3:
        priority = suggestion[1]
    elif rng.random() < 0.04:
        priority = _next_to(rng, priority)
    return category, priority


def _steps(rng: random.Random, priority: Priority, noticed: dict[str, str]) -> Iterator[tuple[float, dict[str, str]]]:
    """What happens one after the other: median hours after the step before, and the new values."""
    reaction, work = _PACE[priority]
    fate = rng.random()
    if noticed and rng.random() < 0.5:
        yield reaction / 2, noticed
    if fate < 0.025:  # forgotten
        return
    if fate < 0.06:  # a duplicate, or not for us
        yield reaction, {"status": Status.CLOSED}
        return
    if fate > 0.15:  # the others are answered at once
        yield reaction, {"status": Status.IN_PROGRESS, **noticed}
    if fate > 0.985:  # waiting for somebody else
        return
    if rng.random() < 0.03:
        yield work, {"status": Status.OPEN}
        yield reaction, {"status": Status.IN_PROGRESS}
    yield work, {"status": Status.RESOLVED, **noticed}
    while rng.random() < 0.08:
        yield 30, {"status": Status.OPEN}
        yield reaction, {"status": Status.IN_PROGRESS}
        yield work, {"status": Status.RESOLVED}
    if rng.random() < 0.94:
        yield 110, {"status": Status.CLOSED}
