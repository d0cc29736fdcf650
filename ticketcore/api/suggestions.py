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
    """A suggestion, from whom, how sure and why; `note` is there when nobody had one, or a model did not answer."""

    suggested_category: Category = Field(description="What the ticket is about", examples=["billing"])
    suggested_priority: Priority = Field(description="How urgent it is", examples=["medium"])
    source: str = Field(
        description="The language model, `desk model`, `rules` or `default`; two of them, as in `desk model + rules`, "
        "where the priority is the second one's",
        examples=["desk model + rules"],
    )
    confidence: float | None = Field(
        None,
        description="The probability that the category is right, as measured on this desk; not there if nobody knows",
        ge=0,
        le=1,
        examples=[0.93],
    )
    priority_confidence: float | None = Field(
        None, description="The same of the priority, which is much harder to tell", ge=0, le=1, examples=[0.45]
    )
    reasons: list[str] = Field(
        description="The words that weighed most, and the most similar earlier tickets with what they became",
        examples=[["“charged twice” → category billing", "like #41 “Charged twice”, now billing, high"]],
    )
    note: str | None = Field(
        None,
        description="Why this is the default, or why a language model that is configured did not answer",
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
    ask = partial(desk.suggestions.ask, question.description, question.title, asked_by=desk.person.name)
    suggestion = await asyncio.wrap_future(await to_thread.run_sync(ask))  # to mask a long text takes 50 ms
    return SuggestionAnswer(
        suggested_category=suggestion.category,
        suggested_priority=suggestion.priority,
        source=suggestion.source,
        confidence=_rounded(suggestion.on_category.confidence),
        priority_confidence=_rounded(suggestion.on_priority.confidence),
        reasons=suggestion.reasons(),
        note=suggestion.note,
    )


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 3)
