"""The few columns of tickets that figures are made of, in the memory of the process and in step with the database.

To count, group or sort a million tickets takes PostgreSQL a second of a processor, after every change anew. Here each
ticket is some forty-five bytes in arrays, and numpy takes a hundredth of that. Nothing is ever older than the question,
or the snapshot that whoever asks wants to see: each view begins by reading what was changed since the one before, which
takes a millisecond or two, unless that was read in this very snapshot.

What was changed: `changed_in` is the number of the transaction that changed a ticket last, and whatever a snapshot did
not see has a number at or above its `xmin`. As in `feed`, the last number below that which a ticket bears is kept, not
`xmin` itself, which might run ahead of a crash of the server. Tickets beyond it are read, and stand in for those in the
base; they lie beside it until there are many. A base is read anew when the table is another than before: after a
restored backup, or when it was emptied; and when the server has not got as far as what was read of it, as after a crash
in which it lost what it had told. A server that has lost something, got that far again and only then is asked is not
found out: whoever puts a copy in the place of the primary restarts the desks.
"""

import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import sqlalchemy as sa

from ticketcore.access import Role
from ticketcore.database import SNAPSHOT, Database
from ticketcore.latest import Latest
from ticketcore.models import Category, Priority, Status
from ticketcore.orders import Array
from ticketcore.pool import Pool
from ticketcore.rows import Codes, Reopened, Rows, View, among, unpacked
from ticketcore.schema import IS_REOPENING, ticket_events, tickets

BESIDE = 5_000
"""Changed tickets that may lie beside the base before they are merged into it, which takes 50 ms for a million."""

_CODED = ("category", "priority", "status", "suggested_category", "suggested_priority", "assignee", "suggestion_source")
_MOMENTS = ("id", "created_at", "first_response_at", "resolved_at")
_WORDS = {"category": Category, "priority": Priority, "status": Status}
_t, _e = tickets.c, ticket_events.c


def _codes() -> dict[str, Codes]:
    kinds = {"suggested_category": Category, "suggested_priority": Priority, **_WORDS}
    return {name: Codes(*(member.value for member in kinds.get(name, ()))) for name in _CODED}


@dataclass(frozen=True)
class Part:
    """What was read in one statement: tickets with their reopenings, and what tells that more was changed since."""

    rows: Rows
    seen: int
    """The last transaction that changed a ticket of those of which all that came before had ended as well."""
    coming: int
    """The first transaction that had not begun; all that was seen came before."""
    table: tuple[int, int]
    """The cluster and the file of the table: another file, and it was emptied or restored."""
    snapshot: str
    """What it was read in, as `Database.snapshot` has it: whoever wants to see that one need read nothing else."""


@dataclass(frozen=True)
class _State:
    base: Part
    beside: Part
    view: View


@dataclass
class _Mirror:
    """That of one database."""

    codes: dict[str, Codes] = field(default_factory=_codes)
    state: Latest[_State] = field(default_factory=Latest)

    def read(self, db: Database, before: _State | None) -> _State:
        if before is None:
            return self._begin(db)
        base, beside = before.base, before.beside
        newer = db.aside(lambda there: _part(there, self.codes, beside.seen))
        if newer.table != base.table or newer.coming <= beside.seen:
            return self._begin(db)
        if not len(newer.rows):
            seen = max(beside.seen, newer.seen)
            return replace(before, beside=replace(beside, seen=seen, snapshot=newer.snapshot))
        beside = _merged(beside, newer)
        if len(beside.rows) > BESIDE and beside.seen > base.seen:
            base = _merged(base, beside)
            beside = _nothing(base)
        return self._state(base, beside)

    def _begin(self, db: Database) -> _State:
        base = db.aside(lambda there: _part(there, self.codes, None))
        return self._state(base, _nothing(base))

    def _state(self, base: Part, beside: Part) -> _State:
        is_current = np.ones(len(base.rows), dtype=np.bool_)
        is_current[base.rows.places(beside.rows["id"])] = False
        return _State(base, beside, View(base.rows, is_current, beside.rows, self.codes))


_mirrors: WeakKeyDictionary[Pool, _Mirror] = WeakKeyDictionary()
_making = threading.Lock()


def view(db: Database) -> View:
    """All that was committed before the call, or what is in memory if it was read in the snapshot that is known.

    Raises:
        Forbidden: there is no role.
        DatabaseUnavailable: the database is away.
    """
    db.demand(Role.VIEWER)
    with _making:
        mirror = _mirrors.setdefault(db.pool, _Mirror())
    return mirror.state.get(lambda before: mirror.read(db, before), lambda has: has.beside.snapshot == db.known).view


def _nothing(base: Part) -> Part:
    """That nothing was changed since."""
    columns = {name: column[:0] for name, column in base.rows.columns.items()}
    events = base.rows.reopened
    return replace(base, rows=Rows(columns, events.where(np.zeros(len(events.at), dtype=np.bool_))))


def _merged(base: Part, beside: Part) -> Part:
    """The one with the other, which was read later, in place of what it has of the same tickets."""
    kept = np.ones(len(base.rows), dtype=np.bool_)
    kept[base.rows.places(beside.rows["id"])] = False
    columns = {name: np.concatenate([base.rows[name][kept], beside.rows[name]]) for name in base.rows.columns}
    seen = max(base.seen, beside.seen)
    return replace(beside, rows=_by_id(columns, _reopened(base.rows, beside.rows)), seen=seen)


def _reopened(base: Rows, beside: Rows) -> Reopened:
    stays = base.reopened.where(~beside.has(base.reopened.ticket))
    both = ((getattr(stays, name), getattr(beside.reopened, name)) for name in ("ticket", "at", "settled_at"))
    return Reopened(*map(np.concatenate, both))


def _by_id(columns: Mapping[str, Array], reopened: Reopened) -> Rows:
    """The tickets in order, and of the reopenings those that are of one of them: each is looked up there."""
    ids = columns["id"]
    if not np.all(ids[:-1] < ids[1:]):
        order = np.argsort(ids, kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
    return Rows(columns, reopened.where(among(columns["id"], reopened.ticket)))


def _part(db: Database, codes: Mapping[str, Codes], since: int | None) -> Part:
    """All tickets, or those changed in a transaction with a higher number."""
    with db.read() as connection:
        found = connection.execute(_EVERYTHING if since is None else _CHANGED, {"since": since}).all()
    sizes = [len(row.packed or b"") // (8 * len(_MOMENTS)) for row in found]
    packed = unpacked(b"".join(row.packed or b"" for row in found)).reshape(-1, len(_MOMENTS))
    columns: dict[str, Array] = {name: np.ascontiguousarray(packed[:, number]) for number, name in enumerate(_MOMENTS)}
    for name in _CODED:
        values = [codes[name].code(getattr(row, name)) for row in found]
        kind = np.uint8 if name in _SMALL else np.int32
        columns[name] = np.repeat(np.array(values, dtype=kind), sizes)
    events = unpacked(found[0].reopened).reshape(-1, 3)
    events = events[np.argsort(events[:, 0])].T.copy()  # in their order tickets are found many times faster
    row = found[0]
    return Part(_by_id(columns, Reopened(*events)), row.seen, row.coming, (row.cluster, row.file), row.snapshot)


_SMALL = frozenset(_CODED) - {"assignee", "suggestion_source"}


def place() -> list[sa.ColumnElement[Any]]:
    """Up to where a statement sees the changes: cluster, file of the table, the last transaction `seen`, the first that
    had not begun, `coming`, and the whole `snapshot`.

    To be selected from `pg_control_system()`.
    """
    snapshot = sa.func.pg_current_snapshot()
    xmin, xmax = (
        sa.cast(sa.cast(edge, sa.Text), sa.BigInteger)
        for edge in (sa.func.pg_snapshot_xmin(snapshot), sa.func.pg_snapshot_xmax(snapshot))
    )
    ended = sa.select(_t.changed_in).where(_t.changed_in < sa.select(xmin).scalar_subquery())
    seen = ended.order_by(_t.changed_in.desc()).limit(1).scalar_subquery()
    file = sa.func.pg_relation_filenode(sa.literal_column("'tickets'::regclass"))
    return [
        sa.column("system_identifier", sa.BigInteger).label("cluster"),
        sa.cast(file, sa.BigInteger).label("file"),
        sa.func.coalesce(seen, -1).label("seen"),
        xmax.label("coming"),
        SNAPSHOT.label("snapshot"),
    ]


def _query(changed: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """One statement, so one snapshot: a row for each combination of codes, with the moments of its tickets packed."""

    def sent(*values: sa.ColumnElement[Any]) -> sa.ColumnElement[bytes]:
        """Eight bytes of each, one ticket after the other."""
        known = (sa.func.coalesce(value, sa.literal_column("'infinity'::timestamptz")) for value in values[1:])
        first: sa.ColumnElement[bytes] = sa.func.int8send(values[0])
        whole = functools.reduce(lambda left, right: left.op("||")(right), map(sa.func.timestamptz_send, known), first)
        return sa.func.string_agg(whole, sa.literal_column("''::bytea"))

    group = (
        sa.select(
            sent(*(_t[name] for name in _MOMENTS)).label("packed"),
            *(sa.cast(_t[name], sa.Text).label(name) for name in _CODED),
        )
        .where(changed)
        .group_by(*(_t[name] for name in _CODED))
        .subquery("combination")
    )
    reopened = sa.select(sent(_e.ticket_id, _e.at, _e.settled_at)).where(IS_REOPENING)
    if changed is not _ALL:
        reopened = reopened.where(_e.ticket_id.in_(sa.select(_t.id).where(changed)))
    now = sa.select(*place()).select_from(sa.func.pg_control_system()).subquery("now")
    once = sa.case((sa.func.row_number().over() == 1, reopened.scalar_subquery())).label("reopened")
    return sa.select(now, group, once).select_from(now.outerjoin(group, sa.true()))


_ALL = sa.true()
_EVERYTHING = _query(_ALL)
_CHANGED = _query(_t.changed_in > sa.bindparam("since", type_=sa.BigInteger))
