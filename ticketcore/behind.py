"""What became of a ticket, as conditions of a filter: they name the tickets that stand behind a figure.

The definitions are those of the figures (`flow`, `reports`), so a list that is filtered by them has as many tickets as
the figure says. Intervals are start ≤ t < end. Nothing depends on settings: targets and time zone are conditions too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from ticketcore.models import Category, Priority
from ticketcore.schema import IS_REOPENING, ticket_events, tickets
from ticketcore.settings import pairs, zone_name
from ticketcore.validation import Title, UtcDatetime

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def without_blanks(values: object) -> object:
    """Several values without the empty ones: forms send those for nothing."""
    return tuple(value for value in values if value != "") if isinstance(values, list | tuple) else values


def none_if_blank(value: object) -> object:
    """A value; None for an empty text."""
    return None if value == "" else value


def unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values in their order, each once."""
    return tuple(dict.fromkeys(values))


Several = (BeforeValidator(without_blanks), AfterValidator(unique))
Moment = Annotated[UtcDatetime | None, BeforeValidator(none_if_blank)]
YesOrNo = Annotated[bool | None, BeforeValidator(none_if_blank)]


def _hours(text: str) -> str:
    found = pairs(text)
    try:
        hours = {Priority(name): float(value) for name, value in found.items()}
    except ValueError:
        raise ValueError("must name priorities with their hours, as in critical=4,high=24") from None
    if not all(0 < one <= 100_000 for one in hours.values()):
        raise ValueError("must have hours between 0 and 100,000")
    return written_hours(hours)


def written_hours(hours: Mapping[Priority, float]) -> str:
    """`critical=4,high=24`."""
    return ",".join(f"{priority}={one:.15g}" for priority, one in hours.items())


def runs_forward(end: datetime | None, others: ValidationInfo) -> datetime | None:
    """The end of a range, `…_to`, if it comes after the beginning, `…_from`, which has to be the earlier field."""
    begin_name = str(others.field_name).replace("_to", "_from")
    begin = others.data.get(begin_name)
    if begin and end and begin >= end:
        raise ValueError(f"must be after {begin_name}")
    return end


class Behind(BaseModel):
    """Conditions on what became of a ticket."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolved_from: Moment = Field(
        None, description="Last became resolved or closed at this time or later", examples=["2026-05-01T00:00:00Z"]
    )
    resolved_to: Moment = Field(
        None, description="Last became resolved or closed before this time", examples=["2026-06-01T00:00:00Z"]
    )
    unsettled_at: Moment = Field(
        None,
        description="Was neither resolved nor closed just before this time: the backlog",
        examples=["2026-05-01T00:00:00Z"],
    )
    responded: YesOrNo = Field(
        None, description="Whether an agent ever responded: by a note or a change of status", examples=[True]
    )
    target_hours: Annotated[Annotated[str, AfterValidator(_hours)] | None, BeforeValidator(none_if_blank)] = Field(
        None,
        description="Hours from creation within which a ticket of each priority is to be resolved, for `due_from`, "
        "`due_to` and `target_met`",
        examples=["critical=4,high=24,medium=72,low=168"],
    )
    due_from: Moment = Field(
        None, description="Its target time is this time or later", examples=["2026-05-01T00:00:00Z"]
    )
    due_to: Moment = Field(None, description="Its target time is before this time", examples=["2026-06-01T00:00:00Z"])
    target_met: YesOrNo = Field(
        None, description="Whether it was resolved or closed by its target time", examples=[False]
    )
    timezone: Annotated[Annotated[str, AfterValidator(zone_name)] | None, BeforeValidator(none_if_blank)] = Field(
        None, description="The time zone of `weekday` and `hour`; UTC if not given", examples=["Europe/Berlin"]
    )
    weekday: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], *Several] = Field(
        (), description="Was created on any of these days of the week; 1 is Monday (ISO 8601)", examples=[[1, 2]]
    )
    hour: Annotated[tuple[Annotated[int, Field(ge=0, le=23)], ...], *Several] = Field(
        (), description="Was created in any of these hours of the day", examples=[[9, 10]]
    )
    suggestion_source: Annotated[tuple[Title, ...], *Several] = Field(
        (), description="Any of these suggested its category and priority", examples=[["gpt-4.1-mini"]]
    )
    suggested_category: Annotated[tuple[Category, ...], *Several] = Field(
        (), description="Any of these categories was suggested", examples=[["billing"]]
    )
    category_kept: YesOrNo = Field(
        None, description="Whether its category is the one that was suggested", examples=[True]
    )
    priority_kept: YesOrNo = Field(
        None, description="Whether its priority is the one that was suggested", examples=[False]
    )

    _ranges_run_forward = field_validator("resolved_to", "due_to")(runs_forward)

    @field_validator("due_from", "due_to", "target_met")
    @classmethod
    def _has_targets(cls, value: Any, others: ValidationInfo) -> Any:
        if value is not None and "target_hours" in others.data and others.data["target_hours"] is None:
            raise ValueError("goes with target_hours")
        return value

    def behind(self) -> list[sa.ColumnElement[bool]]:
        """The SQL conditions on `tickets`, all of which must hold."""
        return [
            make(value)
            for name, make in self._conditions().items()
            if (value := getattr(self, name)) is not None and value != ()
        ]

    def behind_words(self, moment: Callable[[datetime], str]) -> list[str]:
        """The conditions in words, times as `moment` writes them; the targets and the zone go with what needs them."""
        words = []
        for what, begin, end in (
            ("resolved", self.resolved_from, self.resolved_to),
            ("due", self.due_from, self.due_to),
        ):
            words += [f"{what} from {moment(begin)}"] if begin else []
            words += [f"{what} before {moment(end)}"] if end else []
        if self.unsettled_at:
            words.append(f"neither resolved nor closed at {moment(self.unsettled_at)}")
        if self.weekday:
            words.append("created on " + " or ".join(WEEKDAYS[day - 1] for day in self.weekday))
        if self.hour:
            words.append("created in the hour of " + " or ".join(f"{hour}:00" for hour in self.hour))
        if (self.weekday or self.hour) and self.timezone:
            words.append(f"in the time of {self.timezone}")
        if self.suggestion_source:
            words.append("with a suggestion of " + " or ".join(self.suggestion_source))
        if self.suggested_category:
            words.append("suggested as " + " or ".join(self.suggested_category))
        either = {
            "responded": ("responded to", "never responded to"),
            "target_met": ("resolved within the target", "not resolved within the target"),
            "category_kept": ("in the suggested category", "in another category than suggested"),
            "priority_kept": ("with the suggested priority", "with another priority than suggested"),
        }
        for name, (yes, no) in either.items():
            if (answer := getattr(self, name)) is not None:
                words.append(yes if answer else no)
        if self.target_hours and (self.due_from or self.due_to or self.target_met is not None):
            words.append(f"by targets in hours of {self.target_hours}")
        return words

    def _conditions(self) -> Mapping[str, Callable[[Any], sa.ColumnElement[bool]]]:
        t = tickets.c
        targets = self.targets()
        due, longest = due_at(targets), max(targets.values(), default=timedelta())
        local = sa.func.timezone(self.timezone or "UTC", t.created_at)
        return {
            "resolved_from": lambda begin: t.resolved_at >= begin,
            "resolved_to": lambda end: t.resolved_at < end,
            "unsettled_at": unsettled_at,
            "responded": lambda yes: t.first_response_at.is_not(None) if yes else t.first_response_at.is_(None),
            # What was created long before cannot be due: said as well, because an index knows creation times alone.
            "due_from": lambda begin: (due >= begin) & (t.created_at >= begin - longest),
            "due_to": lambda end: (due < end) & (t.created_at < end),
            "target_met": lambda yes: _whether(t.resolved_at <= due, yes) & due.is_not(None),
            # `date_part` is a float, while `extract` would be a numeric and take twice as long.
            "weekday": lambda days: sa.func.date_part("isodow", local).in_(days),
            "hour": lambda hours: sa.func.date_part("hour", local).in_(hours),
            "suggestion_source": t.suggestion_source.in_,
            "suggested_category": t.suggested_category.in_,
            "category_kept": lambda yes: _same(t.suggested_category, t.category, yes),
            "priority_kept": lambda yes: _same(t.suggested_priority, t.priority, yes),
        }

    def targets(self) -> dict[Priority, timedelta]:
        """The time within which a ticket of each priority is to be resolved; those that are named."""
        hours = pairs(self.target_hours) if self.target_hours else {}
        return {Priority(name): timedelta(hours=float(value)) for name, value in hours.items()}


CONDITIONS = tuple(Behind.model_fields)
"""The fields of a filter that are conditions on what became of a ticket."""


def due_at(targets: Mapping[Priority, timedelta]) -> sa.ColumnElement[datetime]:
    """When a ticket is to be resolved; null for a priority without a target."""
    if not targets:
        return sa.cast(sa.null(), tickets.c.created_at.type)
    # In seconds alone: to add days means to look them up in the calendar, for every ticket.
    span = sa.case(
        *(
            (tickets.c.priority == priority, sa.func.make_interval(0, 0, 0, 0, 0, 0, target.total_seconds()))
            for priority, target in targets.items()
        )
    )
    return tickets.c.created_at + span


def unsettled_at(moment: datetime) -> sa.ColumnElement[bool]:
    """Whether a ticket was there and neither resolved nor closed just before the moment, from the history.

    It was, if it is unsettled or was last settled since, unless a reopening since took back what was settled before.
    """
    t, e = tickets.c, ticket_events.c
    taken_back = sa.select(e.ticket_id).where(IS_REOPENING, e.at >= moment, e.settled_at < moment)
    return sa.and_(t.created_at < moment, t.resolved_at.is_(None) | (t.resolved_at >= moment), t.id.not_in(taken_back))


def _whether(condition: sa.ColumnElement[bool], yes: bool) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(condition, sa.false()) == yes


def _same(suggested: sa.ColumnElement[Any], own: sa.ColumnElement[Any], yes: bool) -> sa.ColumnElement[bool]:
    return suggested == own if yes else suggested != own


def written(values: Mapping[str, Any], fields: Iterable[str] = CONDITIONS) -> Iterator[tuple[str, str]]:
    """These fields of a filter as URL parameters, several values of one as several parameters."""
    for name in fields:
        value = values[name]
        if value is not None and value != ():
            for one in value if isinstance(value, tuple) else (value,):
                yield name, _written(one)


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else str(value)
