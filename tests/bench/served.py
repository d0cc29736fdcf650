"""The API as a server of its own, with empty routes beside it that show what HTTP and the models cost alone.

Run by `calls.py`: `python -m tests.bench.served PORT` with `DATABASE_URL` set.
"""

import sys
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI, Request, Response

from ticketcore import api, desk
from ticketcore.models import NewTicket, Ticket

kept = {"bytes": b"[]"}


def served() -> FastAPI:
    """The API with `/empty/`: PUT keeps bytes, GET gives them back, POST takes and gives the models of filing."""
    app = api.build(desk.current)
    ready = Ticket(
        id=1, title="A title", description="A description", category="general", priority="medium", status="open",
        created_at=datetime.now(UTC), updated_at=datetime.now(UTC), resolved_at=None, version=1,
        suggested_category=None, suggested_priority=None, suggestion_source=None, assignee=None, reporter=None,
        duplicate_of=None,
    )  # fmt: skip

    @app.put("/empty/")
    async def keep(request: Request) -> Response:
        kept["bytes"] = await request.body()
        return Response(status_code=204)

    @app.get("/empty/")
    def give() -> Response:
        return Response(kept["bytes"], media_type="application/json")

    @app.post("/empty/", status_code=201)
    def file(new: NewTicket) -> Ticket:
        return ready

    return app


if __name__ == "__main__":
    desk.current()
    uvicorn.run(served(), port=int(sys.argv[1]), log_level="warning")
