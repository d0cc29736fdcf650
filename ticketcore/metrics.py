"""What a process of the desk counts of itself, for Prometheus; names as its guide has them (base units, `_total`)."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ticketcore.models import Status

COUNTED = CollectorRegistry()
ProcessCollector(registry=COUNTED)

REQUESTS = Counter(
    "desk_requests", "Requests of the API that were answered", ["method", "path", "status"], registry=COUNTED
)
DURATIONS = Histogram(
    "desk_request_duration_seconds", "Time until a request of the API was answered", ["method", "path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30), registry=COUNTED,
)  # fmt: skip
SUGGESTIONS = Counter(
    "desk_suggestions", "Suggestions by who gave them: a language model, desk model, rules, default", ["source"],
    registry=COUNTED,
)  # fmt: skip


class Now(Collector):
    """What is so at the moment of asking: tickets by status, unless the database is away, the connections, and how
    often the replica was found how, which is nothing without one."""

    def __init__(
        self, tickets: Mapping[Status, int] | None, connections: Mapping[str, int], asides: Mapping[str, int]
    ) -> None:
        self._tickets, self._connections, self._asides = tickets, connections, asides

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("desk_database_up", "Whether the database answers", int(self._tickets is not None))
        tickets = GaugeMetricFamily("desk_tickets", "Tickets by status", labels=["status"])
        for status, number in (self._tickets or {}).items():
            tickets.add_metric([status], number)
        yield tickets
        connections = GaugeMetricFamily("desk_connections", "Connections of this process's pool", labels=["state"])
        for state, number in self._connections.items():
            connections.add_metric([state], number)
        yield connections
        asides = CounterMetricFamily(
            "desk_replica_reads", "Stats and exports by how the replica was found: served there if it was in step",
            labels=["replica"],
        )  # fmt: skip
        for outcome, number in self._asides.items():
            asides.add_metric([outcome], number)
        yield asides


def written(now: Now) -> bytes:
    """All of it, in the text format of Prometheus."""
    asked = CollectorRegistry()
    asked.register(now)
    return bytes(generate_latest(COUNTED)) + bytes(generate_latest(asked))
