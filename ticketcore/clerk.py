"""Exports of many tickets, each written by a process of its own: to write a file takes a processor for as long.

In the process of the desk whoever waits for a page would wait for that too, because Python computes on one processor at
a time. `Apart` is an `Export` whose work is done by `python -m ticketcore.clerk`: it is told what to write on its
standard input, says on its standard output what it began, and goes on with the pieces of the file, each after its
length and how many rows there are so far. A piece of no length ends the file; what ends without it is broken.
"""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, cast
from zoneinfo import ZoneInfo

from ticketcore import courtesy, processes
from ticketcore.columns import Column, chosen
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.export import Export, Format
from ticketcore.filters import Sort, TicketFilter

_FRAME = struct.Struct(">IQ")

_TURNS = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))
"""Held while a piece is awaited: for each there are two that compute, a process here and one of the database, and half
of the processors are for those who wait for a page."""

COURTESY = 2.0
"""Seconds for which one that waits lets another go first: that may be one whose query sends nothing for long."""

PATIENCE = 3.0
"""Seconds in which a process ends by itself when it is told to."""


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    has_it = _TURNS.acquire(timeout=COURTESY)
    try:
        yield
    finally:
        if has_it:
            _TURNS.release()


class Apart:
    """An export under way in a process of its own; all that `Export` has."""

    def __init__(
        self, db: Database, matching: TicketFilter, columns: Sequence[Column], format: Format, sort: Sort,
        *, signature: bool, zone: ZoneInfo, now: datetime,
    ) -> None:  # fmt: skip
        """Raises DatabaseUnavailable if the database is away."""
        self.rows = 0
        self.state = "running"
        url, replica = db.addresses
        job = {
            "url": url, "replica": replica, "matching": matching.model_dump_json(), "format": format.value,
            "columns": [column.name for column in columns], "sort": sort.value, "signature": signature,
            "zone": zone.key, "now": now.isoformat(), "courtesy": courtesy.share(),
        }  # fmt: skip
        self._process = processes.start(
            "ticketcore.clerk", stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[job["courtesy"]]
        )
        told, self._pieces = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        try:
            told.write(json.dumps(job).encode())
            told.close()
            with _turn():
                begun = json.loads(self._pieces.readline() or '{"error": null}')
        except (OSError, ValueError):
            begun = {"error": None}
        if "error" in begun:
            self.close()
            raise DatabaseUnavailable(begun["error"]) if begun["error"] else DatabaseUnavailable
        self.total: int | None = begun["total"]
        self.name: str = begun["name"]
        self.media_type: str = begun["media_type"]

    def chunks(self) -> Generator[bytes]:
        """The file, piece by piece, once; closing it ends the export.

        Raises:
            DatabaseUnavailable: the database went away, or the process did; what was read is not complete.
        """
        try:
            while True:
                with _turn():
                    size, self.rows = _FRAME.unpack(self._read(_FRAME.size))
                    piece = self._read(size)
                if not size:
                    self.state = "done"
                    return
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Ends the export, however far it is; may be called more than once."""
        self._process.terminate()  # so that it ends its query, which may send nothing for long
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pieces.close()  # whoever still reads comes to the end first
        if self.state != "done":
            self.state = "broken"

    def _read(self, size: int) -> bytes:
        try:
            found = self._pieces.read(size)
        except ValueError:  # closed meanwhile
            found = b""
        if len(found) < size:
            raise DatabaseUnavailable
        return found


def write(told: BinaryIO, out: BinaryIO) -> None:
    """Does one job."""
    job = json.loads(told.read())
    courtesy.attend(job["courtesy"])
    db = Database(job["url"], job["replica"])
    try:
        export = Export(
            db, TicketFilter.model_validate_json(job["matching"]), chosen(job["columns"]), Format(job["format"]),
            Sort(job["sort"]), signature=job["signature"], zone=ZoneInfo(job["zone"]),
            now=datetime.fromisoformat(job["now"]),
        )  # fmt: skip
    except DatabaseUnavailable as error:
        out.write(json.dumps({"error": str(error)}).encode() + b"\n")
        return

    def end(*_: object) -> None:
        export.cancel()
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    begun = {"total": export.total, "name": export.name, "media_type": export.media_type}
    out.write(json.dumps(begun).encode() + b"\n")
    out.flush()
    with contextlib.closing(export):
        for piece in export.chunks():
            if piece:
                out.write(_FRAME.pack(len(piece), export.rows) + piece)
                out.flush()
    out.write(_FRAME.pack(0, export.rows))
    out.flush()


if __name__ == "__main__":
    try:
        write(sys.stdin.buffer, sys.stdout.buffer)
    except (DatabaseUnavailable, BrokenPipeError):
        os._exit(1)  # the file that is not whole says so; nobody may be there any more to be told
