"""What several routes take: the desk, and the number of a ticket."""

from typing import Annotated

from fastapi import Depends, Path, Request
from starlette.convertors import StringConvertor, register_url_convertor

from ticketcore.desk import Desk


async def _desk(request: Request) -> Desk:  # not worth a thread: it is there since before the first request
    found: Desk = request.app.state.current()
    return found


Here = Annotated[Desk, Depends(_desk)]
"""The desk that the API was built for."""


class _Number(StringConvertor):
    regex = "-?[0-9]+"


register_url_convertor("number", _Number())

ONE = "/{ticket_id:number}"
"""The path of a ticket; what is no number is no ticket's path, so words can be paths of their own."""

TicketId = Annotated[int, Path(description="The ticket's number", examples=[42])]
