"""Which tickets contain a text: found once by the database, and kept in step with it afterwards.

To find a common word among a million tickets takes half a second. The desk's lists follow by themselves and people go
on narrowing what they search, so the same words are asked for again and again: what was found is kept in memory, and
only the tickets that were changed since are looked at anew (see `mirror`).
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import sqlalchemy as sa

from ticketcore.access import Role
from ticketcore.database import Database
from ticketcore.filters import containing
from ticketcore.latest import Latest
from ticketcore.mirror import place
from ticketcore.orders import Moments
from ticketcore.pool import Pool
from ticketcore.rows import among, unpacked
from ticketcore.schema import tickets

MOST = 200_000
"""Tickets up to which it is kept who contains a text: what is in more of them narrows nothing."""

KEPT = 64
"""Texts that are kept, the latest used; at most 100 MB."""

_t = tickets.c


@dataclass(frozen=True)
class _Finds:
    ids: Moments
    """Ascending; of what is too common, none."""
    is_too_common: bool
    seen: int
    table: tuple[int, int]
    snapshot: str


class _Texts:
    """The texts that were asked for in one database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[str, Latest[_Finds]] = OrderedDict()

    def of(self, text: str) -> Latest[_Finds]:
        with self._lock:
            found = self._found.setdefault(text, Latest())
            self._found.move_to_end(text)
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
            return found


_texts: WeakKeyDictionary[Pool, _Texts] = WeakKeyDictionary()
_making = threading.Lock()


def ids(db: Database, text: str) -> Moments | None:
    """The ids of the tickets whose title or description contains the text, ascending; None if there are too many.

    None of them is missing that contained it when the call began, or in the snapshot that is known.

    Raises:
        DatabaseUnavailable: the database is away, or took too long.
    """
    db.demand(Role.VIEWER)
    with _making:
        texts = _texts.setdefault(db.pool, _Texts())
    finds = texts.of(text).get(lambda before: _read(db, text, before), lambda has: has.snapshot == db.known)
    return None if finds.is_too_common else finds.ids


def _read(db: Database, text: str, before: _Finds | None) -> _Finds:
    if before is not None:
        since, has = before.seen, before
        row = db.aside(lambda there: _row(there, _changed(text), since=since))
        table = (row.cluster, row.file)
        if table == has.table and row.coming > has.seen:
            if has.is_too_common:
                return replace(has, snapshot=row.snapshot)
            found = _merged(has.ids, unpacked(row.changed), unpacked(row.found))
            return _Finds(found, False, max(has.seen, row.seen), table, row.snapshot)
    row = db.aside(lambda there: _row(there, _everything(text)))
    found = np.sort(unpacked(row.found))
    is_too_common = len(found) > MOST
    table = (row.cluster, row.file)
    return _Finds(found[:0] if is_too_common else found, is_too_common, row.seen, table, row.snapshot)


def _merged(before: Moments, changed: Moments, found: Moments) -> Moments:
    gone, come = np.sort(changed[among(before, changed)]), np.sort(found)
    if np.array_equal(gone, come):
        return before  # as nearly always: who works on a ticket does not rewrite it
    stay = np.delete(before, np.searchsorted(before, gone))  # not as sets, which would be sorted for 20 ms
    return np.insert(stay, np.searchsorted(stay, come), come)


def _row(db: Database, query: sa.Select[Any], **values: int) -> sa.Row[Any]:
    with db.read() as connection:
        return connection.execute(query, values).one()


def _everything(text: str) -> sa.Select[Any]:
    some = sa.select(_t.id).where(containing(text)).limit(MOST + 1).subquery("some")
    found = sa.select(_packed(some.c.id)).scalar_subquery()
    return sa.select(*place(), found.label("found")).select_from(sa.func.pg_control_system())


@lru_cache(maxsize=KEPT)  # to build it takes as long as to run it
def _changed(text: str) -> sa.Select[Any]:
    later = _t.changed_in > sa.bindparam("since", type_=sa.BigInteger)
    rows = sa.select(_t.id, containing(text).label("has")).where(later).subquery("rows")
    both = sa.select(
        _packed(rows.c.id).label("changed"), _packed(rows.c.id).filter(rows.c.has).label("found")
    ).subquery("both")
    return sa.select(*place(), both).select_from(sa.func.pg_control_system().alias("control").join(both, sa.true()))


def _packed(number: sa.ColumnElement[int]) -> sa.Function[Any]:
    return sa.func.string_agg(sa.func.int8send(number), sa.literal_column("''::bytea"))
