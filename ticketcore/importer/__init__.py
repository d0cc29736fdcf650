"""Tickets from other systems: CSV or JSON Lines into the desk, checked row by row, all of them or none.

The file is hashed, and then read once and never held: a row goes to the database as soon as it is read and found
good. From the command line it is `python -m ticketcore.importer FILE`.
"""

import enum
import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ticketcore.access import Role
from ticketcore.database import Database
from ticketcore.errors import Conflict, InvalidInput
from ticketcore.importer.intake import Fault, Intake, Refused
from ticketcore.importer.rows import FIELDS, CsvRows, JsonRows, shown
from ticketcore.models import Source

__all__ = ["Fault", "Format", "Imported", "load", "names_from"]

MANY = 20_000
"""From so many tickets on, the planner is told at once; autovacuum would tell it within a minute or two."""


class Format(enum.StrEnum):
    """What kind of file it is."""

    CSV = "csv"
    JSON_LINES = "jsonl"


@dataclass(frozen=True)
class Imported:
    """What became of a file. With faults and nothing imported, the desk is as it was."""

    imported: int
    skipped: int
    """Rows that were left out, because they are not valid and were to be skipped."""
    faults: list[Fault]
    """Every row that is not valid."""
    ignored_columns: list[str]
    """Columns that the desk has no field for; the first hundred of them."""


def load(
    db: Database,
    file: IO[bytes],
    kind: Format,
    *,
    names: Mapping[str, str] | None = None,
    skip_invalid: bool = False,
    actor: str | None = None,
    on_progress: Callable[[int], None] = lambda bytes_read: None,
) -> Imported:
    """What became of the tickets in `file`, which has to be one that can be read again from its beginning.

    `names` has the file's names of our fields where they differ. One row that is not valid keeps all of them out,
    unless such rows are to be skipped.

    Raises:
        InvalidInput: the file lacks a column that is required or named, or is no such file at all.
        Forbidden: a lead imports files.
        Conflict: the file was imported already, under the same names.
        DatabaseUnavailable: the database is away. As with the others, nothing was stored.
    """
    db.demand(Role.LEAD)
    names = names or {}
    file_key = _key(file, names)
    rows = (CsvRows if kind is Format.CSV else JsonRows)(file, names)
    intake = Intake(rows, file_key, skip_invalid=skip_invalid, on_progress=on_progress)
    try:
        with db.write(Source.IMPORT, actor, unlimited=True) as connection:
            intake.copy_into(connection)
            rows.check()
            if intake.good >= MANY:
                connection.execute(sa.text("analyze tickets, ticket_events"))
    except Refused:
        intake.check_rest()
        rows.check()
        return Imported(0, 0, intake.faults, rows.ignored)
    except IntegrityError as error:
        if getattr(error.orig, "diag").constraint_name != "uq_tickets_request_key":  # noqa: B009 - untyped
            raise
        raise Conflict("This file was imported already, so nothing of it was stored now.") from None
    return Imported(intake.good, len(intake.faults), intake.faults, rows.ignored)


def names_from(pairs: Iterable[str]) -> dict[str, str]:
    """The file's names of our fields, from texts such as `title=Subject`.

    Raises:
        InvalidInput: one of them is no such text, names no field of ours, or one that was named before.
    """
    names: dict[str, str] = {}
    for pair in pairs:
        field, separator, name = pair.partition("=")
        if not (separator and name):
            raise InvalidInput({"map": "must be a field and the name that the file has for it, as in title=Subject"})
        if field not in FIELDS:
            raise InvalidInput({"map": f"{shown(field)} is no field: must be one of {', '.join(FIELDS)}"})
        if field in names:
            raise InvalidInput({"map": f"{field} is named twice"})
        names[field] = name
    return names


def _key(file: IO[bytes], names: Mapping[str, str]) -> uuid.UUID:
    """What stands for this file under these names; leaves the file at its beginning."""
    renamed = {field: name for field, name in names.items() if field != name}
    digest = hashlib.sha256(json.dumps(renamed, sort_keys=True).encode())
    file.seek(0)
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    file.seek(0)
    return uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest())
