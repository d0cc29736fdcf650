"""The route that changes many tickets at once."""

from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ticketcore import bulk
from ticketcore.api.callers import Here
from ticketcore.filters import TicketFilter
from ticketcore.models import Source, TicketChanges

router = APIRouter(prefix="/tickets")


class BulkChange(BaseModel):
    """Which tickets to change, by their numbers or by a filter, and what to change about each of them."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]},
    )

    ids: list[Annotated[int, Field(strict=True)]] | None = Field(
        None, description="The numbers of up to 1,000 tickets; one that is there twice counts once", examples=[[41, 42]]
    )
    filter: TicketFilter | None = Field(
        None,
        description="Or a filter that matches up to 1,000 tickets, with at least one condition",
        examples=[{"category": ["billing"], "status": ["resolved"]}],
    )
    changes: TicketChanges = Field(description="The fields to change, at least one", examples=[{"status": "closed"}])

    @field_validator("filter")
    @classmethod
    def _is_a_choice(cls, matching: TicketFilter | None) -> TicketFilter | None:
        if matching is not None and not matching.params():
            raise ValueError("must have a condition; every ticket of the desk is not changed at once")
        return matching

    @field_validator("changes")
    @classmethod
    def _change_something(cls, changes: TicketChanges) -> TicketChanges:
        if not changes.named():
            raise ValueError("must name at least one field")
        return changes

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("must have either ids or filter, and not both")
        return self


class BulkAnswer(BaseModel):
    """What became of the tickets."""

    results: list[bulk.Result] = Field(
        description="One for each ticket, in the order of `ids`, or newest first for a filter",
        examples=[[{"id": 41, "outcome": "changed", "version": 3}]],
    )


@router.patch("/", summary="Change many tickets")
def change_tickets(desk: Here, order: BulkChange) -> BulkAnswer:
    """Changes all of them in one transaction. If anything is wrong with the request, none of them is changed."""
    chosen = order.filter if order.filter is not None else order.ids or []
    return BulkAnswer(results=bulk.update(desk.db, chosen, order.changes, source=Source.API, actor=desk.person.name))
