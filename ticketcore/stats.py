"""The figures that support leads look at, all computed by the database.

Days are those of the desk's time zone; intervals are start ≤ t < end.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from ticketcore import masks
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.models import Category, Priority, Status
from ticketcore.rows import as_time
from ticketcore.schema import tickets


class Overview(BaseModel):
    """Counts over the tickets that a filter matches; every value of an enum is there, with 0 where there is none."""

    model_config = ConfigDict(frozen=True)

    total_tickets: int = Field(description="All that match", examples=[2001])
    open_tickets: int = Field(description="Those whose status is `open`", examples=[54])
    avg_tickets_per_day: float = Field(
        description="Total ÷ days from the first ticket's day to today, both counted; one decimal; 0 for no tickets",
        examples=[5.5],
    )
    priority_breakdown: dict[Priority, int] = Field(
        description="How many have each priority", examples=[{"low": 501, "medium": 946, "high": 429, "critical": 125}]
    )
    category_breakdown: dict[Category, int] = Field(
        description="How many have each category",
        examples=[{"billing": 387, "technical": 784, "account": 577, "general": 253}],
    )
    status_breakdown: dict[Status, int] = Field(
        description="How many have each status",
        examples=[{"open": 54, "in_progress": 48, "resolved": 162, "closed": 1737}],
    )


def overview(db: Database, matching: TicketFilter, *, timezone: ZoneInfo, now: datetime) -> Overview:
    """The figures for the tickets that match, with `now` deciding which day is today in `timezone`."""
    if selected := masks.selection(db, matching):
        return _mirrored(selected, timezone, now)
    sums = _sums(matching, timezone, now.astimezone(timezone).date())

    def added_up(there: Database) -> Sequence[sa.RowMapping]:
        with there.read() as connection:
            return connection.execute(sums).mappings().all()

    rows = db.aside(added_up)
    whole = next(row for row in rows if row["facet"] == "all")
    numbers = {(row["facet"], row["value"]): row["number"] for row in rows}
    return Overview(
        total_tickets=whole["number"] or 0,
        open_tickets=numbers.get(("status", Status.OPEN), 0),
        avg_tickets_per_day=float(whole["per_day"] or Decimal(0)),
        priority_breakdown={member: numbers.get(("priority", member), 0) for member in Priority},
        category_breakdown={member: numbers.get(("category", member), 0) for member in Category},
        status_breakdown={member: numbers.get(("status", member), 0) for member in Status},
    )


def _mirrored(selected: masks.Selection, timezone: ZoneInfo, now: datetime) -> Overview:
    numbers, first = masks.facets(selected)
    total = sum(numbers.values())
    sums = Counter[Category | Priority | Status]()
    for facets, number in numbers.items():
        for value in facets:
            sums[value] += number
    days = 1
    if total:
        days = max((now.astimezone(timezone).date() - as_time(first).astimezone(timezone).date()).days + 1, 1)
    return Overview(
        total_tickets=total,
        open_tickets=sums[Status.OPEN],
        avg_tickets_per_day=float((Decimal(total) / days).quantize(Decimal("0.1"), ROUND_HALF_UP)),
        priority_breakdown={member: sums[member] for member in Priority},
        category_breakdown={member: sums[member] for member in Category},
        status_breakdown={member: sums[member] for member in Status},
    )


def _sums(matching: TicketFilter, timezone: ZoneInfo, today: date) -> sa.Select[Any]:
    """A row for each value of each facet and one for all: facet, value, number, average per day.

    The tickets are read once, along the facet index; what is added up afterwards is at most 64 cells.
    """
    facets = (tickets.c.category, tickets.c.priority, tickets.c.status)
    cell = (
        sa.select(*facets, sa.func.count().label("number"), sa.func.min(tickets.c.created_at).label("first"))
        .where(*matching.where())
        .group_by(*facets)
        .cte("cell")
    )
    by_value = [sa.func.grouping(column) == 0 for column in (cell.c.category, cell.c.priority, cell.c.status)]
    number = sa.func.sum(cell.c.number)
    first_day = sa.cast(sa.func.timezone(timezone.key, sa.func.min(cell.c.first)), sa.Date)
    days = sa.func.greatest(sa.cast(today, sa.Date) - first_day + 1, 1)
    return sa.select(
        sa.case((by_value[0], "category"), (by_value[1], "priority"), (by_value[2], "status"), else_="all").label(
            "facet"
        ),
        sa.func.coalesce(
            sa.cast(cell.c.category, sa.Text), sa.cast(cell.c.priority, sa.Text), sa.cast(cell.c.status, sa.Text)
        ).label("value"),
        sa.cast(number, sa.BigInteger).label("number"),
        sa.func.round(number / days, 1).label("per_day"),
    ).group_by(
        sa.func.grouping_sets(
            sa.tuple_(), sa.tuple_(cell.c.category), sa.tuple_(cell.c.priority), sa.tuple_(cell.c.status)
        )
    )
