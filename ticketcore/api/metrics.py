"""The route for Prometheus."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from ticketcore import metrics, stats
from ticketcore.access import Role
from ticketcore.api.callers import Here
from ticketcore.errors import DatabaseUnavailable
from ticketcore.filters import TicketFilter
from ticketcore.metrics import Now

router = APIRouter(prefix="/metrics")


@router.get(
    "/",
    response_class=Response,
    responses={
        200: {
            "content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}},
            "description": "Prometheus' text format",
        }
    },
    summary="What this process counts of itself, for Prometheus",
)
def read_metrics(desk: Here) -> Response:
    desk.db.demand(Role.VIEWER)
    try:
        tickets = stats.overview(
            desk.db, TicketFilter(), timezone=desk.settings.timezone, now=datetime.now(UTC)
        ).status_breakdown
    except DatabaseUnavailable:
        tickets = None
    return Response(
        metrics.written(Now(tickets, desk.db.connections(), desk.db.asides())), media_type=CONTENT_TYPE_LATEST
    )
