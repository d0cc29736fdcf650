"""Log lines that programs can read: logfmt, one record a line, with the request that a line belongs to.

at=2026-11-24T09:00:00.123Z level=info logger=ticketcore.api message="GET /api/tickets/ 200" request_id=4f… ms=3.2
"""

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that is being answered, in the task or thread that answers it."""


class Logfmt(logging.Formatter):
    """A record as one line, whatever its texts hold; `fields` of the record follow its message."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        pairs: dict[str, object] = {
            "at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := request_id.get():
            pairs["request_id"] = request
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            pairs |= fields
        if record.exc_info:
            pairs["error"] = self.formatException(record.exc_info)
        return " ".join(f"{name}={_quoted(str(value))}" for name, value in pairs.items())


def _quoted(value: str) -> str:
    if value and value.isprintable() and not any(character in ' "=\\' for character in value):
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else character.encode("unicode_escape").decode()
