"""`Idempotency-Key`: a request that may be sent again without being done again."""

import hashlib
import json
import uuid
from typing import Annotated, Any

from fastapi import Header
from pydantic import AfterValidator, Field

from ticketcore.models import NewTicket

LENGTH = 255
NAMESPACE = uuid.UUID("0b7a1d2e-5c3f-4e8a-9d64-27f1c0b8e935")
"""Sets the keys of requests apart from every other identifier; never to be changed."""


def _printable(key: str) -> str:
    if not (1 <= len(key) <= LENGTH and key.isascii() and key.isprintable()):
        raise ValueError(f"must be 1 to {LENGTH} printable ASCII characters")
    return key


IdempotencyKey = Annotated[
    Annotated[str, AfterValidator(_printable), Field(json_schema_extra={"minLength": 1, "maxLength": LENGTH})] | None,
    Header(
        alias="Idempotency-Key",
        description="Any text of your own that stands for this one ticket. Sent again with the same key and body, the "
        "request makes no second ticket and is answered with the one that it made; with another body it is refused",
        examples=["order-4711-complaint"],
    ),
]


def identity(key: str, new: NewTicket) -> dict[str, Any]:
    """What `tickets.create` tells this request by."""
    canonical = json.dumps(new.model_dump(mode="json", exclude_none=True), sort_keys=True, separators=(",", ":"))
    return {
        "request_key": uuid.uuid5(NAMESPACE, key),
        "request_digest": hashlib.sha256(canonical.encode()).hexdigest(),
    }
