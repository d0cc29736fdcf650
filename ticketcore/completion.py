"""What a language model has to answer, and what an answer says: one classification, whatever stands around it."""

import contextlib
import json
import re

from pydantic import AliasPath, BaseModel, Field

from ticketcore.suggestion import Classification

_FORM = Classification.model_json_schema()
# Strict schemas know no defaults, and every property is required.
_FORM["properties"]["words"] = {"type": "array", "items": {"type": "string"}}
SCHEMA = {**_FORM, "required": list(_FORM["properties"]), "additionalProperties": False}
"""The JSON schema of an answer."""

UNUSABLE = "the model's answer was not usable"

BRACE = re.compile(r"\{")
JSON = json.JSONDecoder()


class Answer(BaseModel):
    """The part of a completion that is read; openai's own model demands more, which some providers do not send."""

    content: str | None = Field(None, validation_alias=AliasPath("choices", 0, "message", "content"))
    refusal: str | None = Field(None, validation_alias=AliasPath("choices", 0, "message", "refusal"))
    finish_reason: str | None = Field(None, validation_alias=AliasPath("choices", 0, "finish_reason"))


class UnusableError(Exception):
    """The model answered, but not with a classification; its message is for the agent."""


def classification(answer: Answer) -> Classification:
    """The one classification in the answer; code fences and sentences around it do not matter.

    Raises:
        UnusableError: there is none, or there are several that differ.
    """
    if answer.refusal or answer.finish_reason == "content_filter":
        raise UnusableError("the model refused to answer")
    content = answer.content or ""
    found = {}
    for place in (brace.start() for brace in BRACE.finditer(content)):
        with contextlib.suppress(ValueError, RecursionError):
            one = Classification.model_validate(JSON.raw_decode(content, place)[0])
            found[one.category, one.priority] = one
    if len(found) != 1 or answer.finish_reason == "length":
        raise UnusableError(UNUSABLE)
    return found.popitem()[1]
