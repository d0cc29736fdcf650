"""What came, what went and what was there: tickets created and resolved, and the backlog, from the history."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ticketcore.gathering import Gathered, counted, edges
from ticketcore.period import Bucket


@dataclass(frozen=True)
class Flow:
    """How many tickets were created and resolved in each bucket, and how many were unsettled at its end.

    A ticket is resolved when it last became settled; one that was reopened and is open is not. The backlog is a stock
    from the history: the tickets created before, without those that were settled and not reopened by then.
    """

    buckets: list[Bucket]
    created: list[int]
    resolved: list[int]
    backlog: list[int]
    backlog_before: int
    """At the beginning of the first bucket."""


def flow(gathered: Gathered, buckets: Sequence[Bucket]) -> Flow:
    """What came, what went, and what was there, bucket by bucket; there has to be one, and what happened since it.

    The backlog is counted back from now, so that only what happened since the first bucket is looked at: creations,
    last settlings, and reopenings, each of which took an earlier settling back.
    """
    bounds = edges([*(bucket.start for bucket in buckets), buckets[-1].end])
    created = counted((part.at for part in gathered.arrived), bounds).tolist()
    resolved = counted((cell["resolved_at"] for cell in gathered.resolved), bounds).tolist()
    again = (np.sort(gathered.reopened[name]) for name in ("at", "settled_at"))
    reopened, taken_back = (counted([moments], bounds).tolist() for moments in again)
    backlog = [sum(len(cell["created_at"]) for cell in gathered.unsettled)]
    for came, went, again, undone in reversed(list(zip(created, resolved, reopened, taken_back, strict=True))):
        backlog.append(backlog[-1] - (came - went + again - undone))
    before, *ends = reversed(backlog[1:])
    return Flow(list(buckets), created[:-1], resolved[:-1], ends, before)
