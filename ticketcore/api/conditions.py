"""Conditional requests (RFC 9110, section 13): a ticket's entity tag is its version, `"3"`."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Header, Response

from ticketcore.api.problems import Problem, Responses, problem
from ticketcore.errors import InvalidInput
from ticketcore.models import Ticket

TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
ETAG: dict[str, Any] = {
    "ETag": {
        "description": "The ticket's version, for `If-Match` and `If-None-Match`",
        "schema": {"type": "string", "examples": ['"3"']},
    }
}
NOT_MODIFIED: Responses = {304: {"description": "The ticket is still the one that you have", "headers": ETAG}}
STALE: Responses = {
    412: {"model": Problem, "description": "The ticket is not at a version of `If-Match`", "headers": ETAG}
}

IfMatch = Annotated[
    list[str],
    Header(
        alias="If-Match",
        default_factory=list,
        description="Change the ticket only if it is at one of these versions; `*` for any. Weak tags match none",
        examples=[['"3"']],
    ),
]
IfNoneMatch = Annotated[
    list[str],
    Header(
        alias="If-None-Match",
        default_factory=list,
        description="Send the ticket only if it is at none of these versions, otherwise 304",
        examples=[['"3"']],
    ),
]


def etag(ticket: Ticket) -> str:
    """The ticket's strong entity tag."""
    return f'"{ticket.version}"'


def names(condition: Sequence[str], ticket: Ticket, *, header: str) -> bool:
    """Whether the header's lines name this version of the ticket.

    `If-Match` compares strongly, so a weak tag names none; `If-None-Match` weakly, so that a tag which a
    compressing proxy made weak still does.

    Raises:
        InvalidInput: the header is no `*` and no list of entity tags.
    """
    text = ",".join(condition).strip()
    if text == "*":
        return True
    tags = TAG.findall(text)
    if not tags or TAG.sub("", text).strip(" \t,"):
        raise InvalidInput({header: 'must be * or a list of entity tags, such as "3"'})
    if header == "If-None-Match":
        tags = [tag.removeprefix("W/") for tag in tags]
    return etag(ticket) in tags


def stale(ticket: Ticket) -> Response:
    """The answer to a change that was meant for another version of the ticket."""
    detail = f"Ticket #{ticket.id} is at version {ticket.version} now; nothing was changed."
    response = problem("The ticket is another by now", 412, detail)
    response.headers["ETag"] = etag(ticket)
    return response
