"""The route that gives the tickets of a filter as a file."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Receive, Scope, Send

from ticketcore.api.callers import HereOrBySeal
from ticketcore.clerk import Apart
from ticketcore.columns import COLUMNS, chosen
from ticketcore.export import MEDIA_TYPES, Export, Format
from ticketcore.filters import Sort, TicketFilter

router = APIRouter(prefix="/tickets/export")

FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file. It is complete if the transfer ends well: a broken export is a broken transfer.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
    }
}


class ExportQuery(TicketFilter):
    """The filter, and how the file is to be written."""

    format: Format = Field(description="What the file is written as", examples=["csv"])
    columns: str = Field(
        "",
        description=f"Names of columns with commas between them, in the order wanted; all of them if none is named: "
        f"{', '.join(COLUMNS)}",
        examples=["id,title,status,resolution_hours"],
    )
    sort: Sort = Field(Sort.NEWEST, description="The order of the rows", examples=["newest"])
    signature: bool = Field(
        False, description="Begin a CSV file with the UTF-8 signature that Excel needs", examples=[True]
    )
    progress: str = Field(
        "", max_length=64, description="A name of the caller's own for this export, by which the dashboard follows it",
        examples=["c0ffee"],
    )  # fmt: skip

    seal: str = Field("", description="The signature of an address that the dashboard made", examples=[""])

    def filter(self) -> TicketFilter:
        return TicketFilter.model_validate(self.model_dump(include=set(TicketFilter.model_fields)))


class Download(StreamingResponse):
    """A file that is made while it is sent; whatever ends the sending ends the making."""

    def __init__(self, export: Export | Apart) -> None:
        self._export = export
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(export.name)}"}
        super().__init__(_pieces(export), media_type=export.media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._export.close)


async def _pieces(export: Export | Apart) -> AsyncIterator[bytes]:
    pieces = export.chunks()
    while (piece := await to_thread.run_sync(next, pieces, None, abandon_on_cancel=True)) is not None:
        if piece:
            yield piece


@router.get("/", response_class=StreamingResponse, responses=FILES, summary="Export tickets as a file")
def export_tickets(desk: HereOrBySeal, query: Annotated[ExportQuery, Query()]) -> Download:
    columns = chosen([name.strip() for name in query.columns.split(",") if name.strip()])
    return Download(
        desk.exports.begin(
            query.filter(), columns, query.format, query.sort, signature=query.signature,
            zone=desk.settings.timezone, now=datetime.now(UTC), key=query.progress,
        )
    )  # fmt: skip
