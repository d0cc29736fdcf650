"""The route that takes many tickets at once: a file as the body."""

import tempfile
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from ticketcore.access import Role
from ticketcore.api.callers import Here
from ticketcore.api.problems import PROBLEM, Problem, Responses
from ticketcore.importer import Format, Imported, load, names_from

router = APIRouter(prefix="/tickets/import")

IN_MEMORY = 1 << 20
"""Bytes of a body from which on it waits on disk."""

KINDS = {
    "text/csv": Format.CSV,
    "application/x-ndjson": Format.JSON_LINES,
    "application/jsonl": Format.JSON_LINES,
}
CSV_EXAMPLE = "title,description,category,priority\nCannot log in,The reset mail never comes.,account,high\n"
JSON_EXAMPLE = '{"title": "Cannot log in", "description": "The reset mail never comes.", "category": "account"}\n'
BODY: dict[str, Any] = {
    "required": True,
    "description": "A file in UTF-8: CSV with a header, or JSON Lines. Fields are those of a ticket; only `title` and "
    "`description` have to be there. What the desk assigns or works out by itself is left out, as are columns that it "
    "does not know.",
    "content": {
        kind: {"schema": {"type": "string"}, "example": CSV_EXAMPLE if kind == "text/csv" else JSON_EXAMPLE}
        for kind in KINDS
    },
}


class ImportQuery(BaseModel):
    """How the file is to be read."""

    model_config = ConfigDict(extra="forbid")

    skip_invalid: bool = Field(
        False,
        description="Store the good rows even if others are bad; otherwise one bad row keeps all of them out",
        examples=[True],
    )
    names: list[str] = Field(
        [],
        alias="map",
        description="The file's name of a field, as `field=name`; may be given several times",
        examples=[["title=Subject", "description=Body"]],
    )


class BadRow(BaseModel):
    """A row that cannot become a ticket."""

    line: int = Field(description="The line of the file in which it begins; the first one is 1", examples=[3])
    errors: dict[str, str] = Field(
        description="What is wrong, by field; `row` stands for all of it", examples=[{"title": "must not be blank"}]
    )


class Answer(BaseModel):
    """What became of the file."""

    imported: int = Field(description="Tickets that were stored", examples=[2])
    skipped: int = Field(description="Bad rows that were left out", examples=[1])
    errors: list[BadRow] = Field(
        description="Every bad row", examples=[[{"line": 3, "errors": {"title": "must not be blank"}}]]
    )
    ignored_columns: list[str] = Field(description="Columns that were not read", examples=[["Assignee"]])


class ImportProblem(Problem):
    """Why nothing was stored; `rows` lists every bad row."""

    rows: list[BadRow] | None = Field(
        None, description="Every bad row", examples=[[{"line": 3, "errors": {"title": "must not be blank"}}]]
    )


RESPONSES: Responses = {
    409: {"model": Problem, "description": "This file was imported already"},
    415: {"model": Problem, "description": "The body is neither CSV nor JSON Lines"},
    422: {"model": ImportProblem, "description": "Rows, columns or parameters are not valid; nothing was stored"},
}


@router.post(
    "/",
    status_code=201,
    response_model=Answer,
    responses=RESPONSES,
    openapi_extra={"requestBody": BODY},
    summary="Import tickets",
)
async def import_tickets(desk: Here, query: Annotated[ImportQuery, Query()], request: Request) -> Answer | Response:
    desk.db.demand(Role.LEAD)  # before the file is received
    kind = _kind(request.headers.get("content-type", ""))
    names = names_from(query.names)
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        async for chunk in request.stream():
            file.write(chunk)
        found = await to_thread.run_sync(
            lambda: load(desk.db, file, kind, names=names, skip_invalid=query.skip_invalid, actor=desk.person.name)
        )
    return _refusal(found) if found.faults and not found.imported else _answer(found)


def _kind(content_type: str) -> Format:
    media_type, _, parameters = content_type.lower().partition(";")
    kind = KINDS.get(media_type.strip())
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if kind is None or charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise HTTPException(415, f"The body must be one of {', '.join(KINDS)}, in UTF-8.")
    return kind


def _bad_rows(found: Imported) -> list[BadRow]:
    return [BadRow(line=fault.line, errors=fault.errors) for fault in found.faults]


def _answer(found: Imported) -> Answer:
    return Answer(
        imported=found.imported,
        skipped=found.skipped,
        errors=_bad_rows(found),
        ignored_columns=found.ignored_columns,
    )


def _refusal(found: Imported) -> Response:
    number = len(found.faults)
    bad = f"{number:,} rows are" if number > 1 else "A row is"
    content = ImportProblem(
        title="Some rows are not valid",
        status=422,
        detail=f"{bad} not valid, so nothing was stored.",
        rows=_bad_rows(found),
    )
    return JSONResponse(content.model_dump(exclude_none=True), 422, media_type=PROBLEM)
