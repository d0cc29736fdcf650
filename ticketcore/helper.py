"""Figures of many tickets, counted by a process of its own: Python computes on one processor at a time, and in the
process of the desk whoever waits for a page would wait for them too.

`Helper` is asked for what a function finds; `python -m ticketcore.helper` holds the tickets in its own memory, reads on
its standard input which function is meant, and answers on its standard output. However the desk ends, it ends as well.
"""

import logging
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, Concatenate, ParamSpec, TypeVar, cast

from ticketcore import masks, processes
from ticketcore.access import Role
from ticketcore.database import Database
from ticketcore.errors import Overloaded
from ticketcore.filters import TicketFilter
from ticketcore.mirror import view

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Answer = tuple[Any, Exception | None]

MANY = 50_000
"""Tickets from which on a process of its own is worth its memory and the second in which it starts."""

LONGEST = 25.0
"""Seconds after which a process that does not answer counts as lost."""

PATIENCE = 30.0
"""Seconds after which one that waits for others gives up; longer than any of these can take."""

PAUSE = 10.0
"""Seconds before another process is started in place of one that was lost or did not start."""


class Helper:
    """That of one desk, started when it is first needed. Ended with `close()`."""

    def __init__(self, db: Database) -> None:
        self._db = db.limited_to(Role.VIEWER)
        self._turn, self._starting = threading.Lock(), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        """That which answers."""
        self._young: subprocess.Popen[bytes] | None = None
        """That which was started last, and may not answer yet."""
        self._beginning: threading.Thread | None = None
        self._not_before = 0.0
        self._is_closed = False

    @property
    def is_there(self) -> bool:
        """Whether there is a process that answers."""
        return self._process is not None

    def ask(
        self, snapshot: str, work: Callable[Concatenate[Database, TicketFilter, P], T], matching: TicketFilter,
        *values: P.args, **named: P.kwargs,
    ) -> T:  # fmt: skip
        """What `work`, a function of a module that only reads, finds about the tickets of a filter, or raises.

        As of this snapshot or later, or of now without one: see `Database.as_of`.

        The process does it where the desk has many tickets and the filter's are chosen in memory. Else it is done here,
        and here too until the process is there and has read the tickets, and where it was lost.

        Raises:
            DatabaseUnavailable: the database is away; Overloaded if too many others ask.
        """
        db = self._db.as_of(snapshot)
        selected = masks.selection(db, matching)
        if selected is not None and len(selected.view.base) >= MANY:
            answer = self._asked(snapshot, work, matching, *values, **named)
            if answer is not None:
                selected.view.base.forget_orders()  # which it has as well; until it was there they were needed here
                found, error = answer
                if error is not None:
                    raise error
                return cast(T, found)
        return work(db, matching, *values, **named)

    def _asked(self, snapshot: str, work: Callable[..., Any], *values: Any, **named: Any) -> Answer | None:
        """What the process answers; None if there is none."""
        if self._process is None:
            self._begin(work)
            return None
        question = pickle.dumps((snapshot, work, values, named))
        if not self._turn.acquire(timeout=PATIENCE):
            raise Overloaded
        process, answer = self._process, None
        try:
            if process:  # not lost meanwhile
                answer = _answer(process, question)
        except Exception as error:  # noqa: BLE001 - whatever it is, the figures are to be had without it
            log.warning("the process that counts was lost; another one is started soon: %r", error)
        finally:
            if process and answer is None:  # its answer to this question is not to be taken for that to the next
                self._end()
            self._turn.release()
        return answer

    def close(self) -> None:
        """Ends the process; what is asked afterwards is done here."""
        with self._starting:
            self._is_closed = True
            if self._young:
                self._young.kill()
        if self._beginning:
            self._beginning.join()
        with self._turn:
            self._end()

    def _begin(self, work: Callable[..., Any]) -> None:
        with self._starting:
            is_beginning = self._beginning is not None and self._beginning.is_alive()
            if self._is_closed or self._process or is_beginning or time.monotonic() < self._not_before:
                return
            self._beginning = threading.Thread(target=self._start, args=(work,), name="helper", daemon=True)
            self._beginning.start()

    def _start(self, work: Callable[..., Any]) -> None:
        with self._starting:
            if self._is_closed:
                return
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            process = processes.start("ticketcore.helper", is_urgent=True, **pipes)
            self._young = process
        try:
            cast(BinaryIO, process.stdin).write(pickle.dumps(self._db.addresses))
            _, error = _answer(process, pickle.dumps(("", _look, (work,), {})))
        except Exception as lost:  # noqa: BLE001 - as in `_asked`
            error = lost
        if error is None:
            self._process = process
            return
        self._not_before = time.monotonic() + PAUSE
        if not self._is_closed:
            log.warning("the process that counts did not start: %r", error)
        _stop(process)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process:
            self._not_before = time.monotonic() + PAUSE
            _stop(process)


def _answer(process: subprocess.Popen[bytes], question: bytes) -> Answer:
    asked, answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
    asked.write(question)
    asked.flush()
    waiting = select.poll()  # not `select`, which knows no descriptor above 1,023
    waiting.register(answers, select.POLLIN)
    if not waiting.poll(LONGEST * 1_000):
        raise TimeoutError
    answer: Answer = pickle.load(answers)  # noqa: S301 - our own process wrote it
    return answer


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # it only reads
    process.wait()
    with suppress(OSError):
        cast(BinaryIO, process.stdin).close()
    cast(BinaryIO, process.stdout).close()


def _look(db: Database, _work: Callable[..., Any]) -> None:
    """Reads the tickets into memory; what the work needs was loaded to name it."""
    view(db)


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answers what is asked, until nobody asks any more."""
    db = Database(*pickle.load(asked)).limited_to(Role.VIEWER)  # noqa: S301 - our own process wrote it
    while True:
        try:
            snapshot, work, values, named = pickle.load(asked)  # noqa: S301 - as above
        except EOFError:
            return
        answer: Answer
        try:
            answer = work(db.as_of(snapshot), *values, **named), None
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked gets it
            error.add_note("".join(traceback.format_exception(error)))
            answer = None, error
        answers.write(pickle.dumps(answer))  # whole or not at all
        answers.flush()


def main() -> None:
    """The command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # which a terminal sends to the desk as well
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no answer
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, answers)
    os._exit(0)


if __name__ == "__main__":
    main()
