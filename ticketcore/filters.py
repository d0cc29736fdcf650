"""Which tickets are meant: one object that is a SQL condition, URL parameters and an English phrase.

List, count, figures, API and the page's address all take the same `TicketFilter`, so what the screen
says and what the query does cannot drift apart.
"""

import enum
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import AfterValidator, BeforeValidator, Field, field_validator
from sqlalchemy.dialects.postgresql import ARRAY

from ticketcore.behind import Behind, Moment, Several, none_if_blank, runs_forward, written
from ticketcore.models import Category, Priority, Status
from ticketcore.period import hours_of_week
from ticketcore.schema import tickets
from ticketcore.validation import SEARCH_LENGTH, Person, storable

EARLIEST = 1990
"""The year from which on hours of the week are looked for by intervals."""

LEEWAY = timedelta(hours=2)
"""How far two descriptions of a time zone may be apart."""

LONGEST = timedelta(days=3 * 366)
MOST_INTERVALS = 400


TEXTS = ("category", "priority", "status", "assignee", "search")
"""The fields that hold words, in the order of the address."""


class Sort(enum.StrEnum):
    """The orders in which tickets can be listed; ties are broken by the newest first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SEVEREST = "severest"


class TicketFilter(Behind):
    """Conditions that must all hold. Several values of one field mean any of them; an empty field means all."""

    category: Annotated[tuple[Category, ...], *Several] = Field(
        (), description="Any of these categories", examples=[["billing", "account"]]
    )
    priority: Annotated[tuple[Priority, ...], *Several] = Field(
        (), description="Any of these priorities", examples=[["high", "critical"]]
    )
    status: Annotated[tuple[Status, ...], *Several] = Field(
        (), description="Any of these statuses", examples=[["open", "in_progress"]]
    )
    assignee: Annotated[tuple[Person, ...], *Several] = Field(
        (), description="Somebody of these works on it", examples=[["Amara Okafor"]]
    )
    search: Annotated[
        Annotated[str, Field(max_length=SEARCH_LENGTH), AfterValidator(storable)] | None,
        BeforeValidator(none_if_blank),
    ] = Field(
        None,
        description="Found in the title or the description: any part of a word, case ignored, `%` and `_` taken "
        "literally",
        examples=["refund"],
    )
    created_from: Moment = Field(
        None, description="The earliest creation time, included", examples=["2026-05-01T00:00:00Z"]
    )
    created_to: Moment = Field(
        None,
        description="The creation time at which the range ends, not included",
        examples=["2026-06-01T00:00:00+02:00"],
    )

    _creation_runs_forward = field_validator("created_to")(runs_forward)

    def where(self) -> list[sa.ColumnElement[bool] | sa.TextClause]:
        """The SQL conditions on `tickets`, all of which must hold."""
        return [*(tickets.c[name].in_(chosen) for name, chosen in self.facets()), *self.where_within_cell()]

    def facets(self) -> list[tuple[str, tuple[enum.StrEnum, ...]]]:
        """The facets that are named, and the values chosen of each."""
        named = (("category", self.category), ("priority", self.priority), ("status", self.status))
        return [(name, chosen) for name, chosen in named if chosen]

    def where_within_cell(self) -> list[sa.ColumnElement[bool] | sa.TextClause]:
        """The SQL conditions beside the facets."""
        conditions: list[sa.ColumnElement[bool] | sa.TextClause] = [*self.behind(), *self._intervals()]
        if self.assignee:
            conditions.append(tickets.c.assignee.in_(self.assignee))
        if self.created_from:
            conditions.append(tickets.c.created_at >= self.created_from)
        if self.created_to:
            conditions.append(tickets.c.created_at < self.created_to)
        if self.search:
            conditions.append(containing(self.search))
        return conditions

    def _intervals(self) -> list[sa.TextClause]:
        """Intervals in which all hours of the week lie that are meant, because an index knows intervals alone.

        Those of the last years of the range; what lies outside of them is looked at ticket by ticket.
        """
        if not (self.weekday or self.hour):
            return []
        end = self.created_to or datetime.combine(datetime.now(UTC) + timedelta(days=2), time(), UTC)
        if end.year < EARLIEST:
            return []
        begin = max(self.created_from or end - LONGEST, end - LONGEST)
        return [sa.text(_intervals(self.weekday, self.hour, self.timezone or "UTC", begin, end))]

    def behind_figure(self, **conditions: Any) -> "TicketFilter":
        """The filter with these conditions in place of its creation time: for figures with a period of their own."""
        return self.model_copy(update={"created_from": None, "created_to": None, **conditions})

    def cells(self) -> sa.Subquery:
        """A row for each combination of category, priority and status that the filter admits, at most 64."""
        category, priority, status = (
            sa.func.unnest(sa.cast([value.value for value in chosen or kind], ARRAY(column.type)))
            .table_valued(sa.column(column.name, column.type))
            .render_derived()
            for column, chosen, kind in (
                (tickets.c.category, self.category, Category),
                (tickets.c.priority, self.priority, Priority),
                (tickets.c.status, self.status, Status),
            )
        )
        every = category.join(priority, sa.true()).join(status, sa.true())
        return sa.select(category.c.category, priority.c.priority, status.c.status).select_from(every).subquery("cell")

    @property
    def has_facets(self) -> bool:
        """Whether any category, priority or status is named."""
        return bool(self.facets())

    @property
    def is_of_facets_alone(self) -> bool:
        """Whether nothing else is asked for."""
        return self.model_copy(update={"category": (), "priority": (), "status": ()}) == TicketFilter()

    @property
    def is_one_cell(self) -> bool:
        """Whether one category, one priority and one status are named."""
        return len(self.category) == len(self.priority) == len(self.status) == 1

    def params(self) -> list[tuple[str, str]]:
        """The filter as URL parameters, several values of a field as several parameters."""
        return [*self.own_params(), *written(vars(self))]

    def own_params(self) -> Iterator[tuple[str, str]]:
        """Those without what became of the ticket."""
        return written(vars(self), (*TEXTS, "created_from", "created_to"))

    def describe(self, timezone: ZoneInfo) -> str:
        """The filter in words, times in `timezone`: "open critical billing tickets containing “refund”"."""
        words = [_either(chosen) for chosen in (self.status, self.priority, self.category) if chosen]
        phrase = " ".join([*words, "tickets"]) if words else "all tickets"
        if self.assignee:
            phrase += f" assigned to {_either(self.assignee)}"
        if self.search:
            phrase += f" containing “{self.search}”"
        if self.created_from:
            phrase += f" created from {local_moment(self.created_from, timezone)}"
        if self.created_to:
            phrase += (
                f" {'' if self.created_from else 'created '}until before {local_moment(self.created_to, timezone)}"
            )
        return ", ".join([phrase, *self.behind_words(lambda moment: local_moment(moment, timezone))])


def containing(text: str) -> sa.ColumnElement[bool]:
    """The SQL condition that a ticket has the text in its title or description: case ignored, no character special."""
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
    return tickets.c.title.ilike(pattern) | tickets.c.description.ilike(pattern)


@lru_cache(maxsize=64)
def _intervals(weekdays: tuple[int, ...], hours: tuple[int, ...], zone: str, begin: datetime, end: datetime) -> str:
    """As SQL, which takes long to build. Wider than meant: PostgreSQL may know other changes of a clock."""
    found = hours_of_week(weekdays, hours, ZoneInfo(zone), begin, end)
    if len(found) > MOST_INTERVALS:
        found = found[-MOST_INTERVALS:]
        begin = found[0][0]
    wide: list[tuple[datetime, datetime]] = []
    for first, following in ((first - LEEWAY, following + LEEWAY) for first, following in found):
        if wide and first <= wide[-1][1]:
            wide[-1] = (wide[-1][0], following)
        else:
            wide.append((first, following))
    t = "tickets.created_at"
    within = (f"{t} >= '{first.isoformat()}' and {t} < '{following.isoformat()}'" for first, following in wide)
    return "(" + " or ".join([f"{t} < '{begin.isoformat()}'", f"{t} >= '{end.isoformat()}'", *within]) + ")"


def _either(values: Sequence[str]) -> str:
    names = [value.value.replace("_", " ") if isinstance(value, enum.StrEnum) else value for value in values]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def local_moment(moment: datetime, timezone: ZoneInfo) -> str:
    """`2026-11-03 14:30`, or the day alone if that is when it begins."""
    local = moment.astimezone(timezone)
    return f"{local:%Y-%m-%d}" if (local.hour, local.minute, local.second) == (0, 0, 0) else f"{local:%Y-%m-%d %H:%M}"
