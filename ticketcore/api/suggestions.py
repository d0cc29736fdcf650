"""The route that asks for a suggestion."""

import asyncio
from functools import partial

from anyio import to_thread
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from ticketcore.api.callers import Here, at_most
from ticketcore.api.problems import OFTEN
from ticketcore.models import Category, Priority
from ticketcore.validation import Description

router = APIRouter(prefix="/tickets/classify")


class Question(BaseModel):
    """What to suggest a category and a priority for."""

    description: Description = Field(description="The text of the ticket", examples=["I was charged twice"])
    title: str = Field("", max_length=200, description="Its title, where there is one", examples=["Invoice of June"])


class SuggestionAnswer(BaseModel):
    """A suggestion; `note` is there when it is the default, and says why."""

    suggested_category: Category = Field(description="What the ticket is about", examples=["billing"])
    suggested_priority: Priority = Field(description="How urgent it is", examples=["medium"])
    note: str | None = Field(
        None,
        description="Why this is the default; not there for a suggestion of the model",
        examples=["Default: no language model is configured"],
    )


@router.post(
    "/",
    response_model_exclude_none=True,
    responses=OFTEN,
    dependencies=[Depends(at_most("classify", lambda settings: settings.rate_classify))],
    summary="Suggest a category and a priority",
)
async def classify(desk: Here, question: Question) -> SuggestionAnswer:
    ask = partial(desk.classifier.ask, question.description, question.title, asked_by=desk.person.name)
    suggestion = await asyncio.wrap_future(await to_thread.run_sync(ask))  # to mask a long text takes 50 ms
    return SuggestionAnswer(
        suggested_category=suggestion.category, suggested_priority=suggestion.priority, note=suggestion.note
    )
