"""Routes for whoever watches the desk."""

import anyio
from fastapi import APIRouter

from ticketcore.api.callers import Anybody
from ticketcore.errors import DatabaseUnavailable

PATIENCE = 3
"""Seconds after which a database that neither answers nor refuses counts as away."""

router = APIRouter(prefix="/health")


@router.get("/live/", summary="The process runs")
async def live() -> dict[str, str]:
    return {"status": "live"}


@router.get("/ready/", summary="The database answers")
async def ready(desk: Anybody) -> dict[str, str]:
    with anyio.move_on_after(PATIENCE):
        if await anyio.to_thread.run_sync(desk.db.is_ready, abandon_on_cancel=True):
            return {"status": "ready"}
    raise DatabaseUnavailable
