"""What several routes take: the number of a ticket."""

from typing import Annotated

from fastapi import Path
from starlette.convertors import StringConvertor, register_url_convertor


class _Number(StringConvertor):
    regex = "-?[0-9]+"


register_url_convertor("number", _Number())

ONE = "/{ticket_id:number}"
"""The path of a ticket; what is no number is no ticket's path, so words can be paths of their own."""

TicketId = Annotated[int, Path(description="The ticket's number", examples=[42])]
