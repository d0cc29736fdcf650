"""What this process knows, kept up to date: it takes over what was learned last, and has more learned when it is due.

Learning is another process, `python -m ticketcore.learn`: it takes a minute of a processor, which nobody who waits for
a page is to share.
"""

import logging
import subprocess
import threading
from collections.abc import Callable

from ticketcore import lessons, processes
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable
from ticketcore.prompt import Example
from ticketcore.triage.knowledge import NOTHING, Knowledge, is_due

log = logging.getLogger(__name__)

EVERY = 15.0
"""Seconds between two looks at what others have learned and whether it is due."""

PATIENCE = 2.0
"""Seconds for which the first question waits for what is known; later ones never wait."""

Start = Callable[[], subprocess.Popen[bytes]]


def start_learning() -> subprocess.Popen[bytes]:
    """A process that learns if it is still due, with the settings of this one."""
    return processes.start("ticketcore.learn", "--if-grown")


class Learner:
    """Looks after the knowledge of one process, on a thread of its own. Ended with `close()`."""

    def __init__(
        self, db: Database, *, learns: bool = True, every: float = EVERY, start: Start = start_learning
    ) -> None:
        self._db, self._learns, self._every, self._start = db, learns, every, start
        self._known: Knowledge = NOTHING
        self._examples: tuple[Example, ...] = ()
        self._taken: int | None = None
        self._tried = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._looked, self._stopped, self._starting = threading.Event(), threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._live, name="learner", daemon=True)
        self._thread.start()

    def knowledge(self) -> Knowledge:
        """What is known now."""
        self._looked.wait(PATIENCE)
        return self._known

    def examples(self) -> tuple[Example, ...]:
        """Corrected tickets to show to a language model."""
        self._looked.wait(PATIENCE)
        return self._examples

    def close(self) -> None:
        """Ends the thread, and learning where it is under way; nothing half-learned is stored."""
        with self._starting:
            self._stopped.set()
        child = self._child  # the thread may forget it at any time, once it has ended
        if child and child.poll() is None:
            child.terminate()
            child.wait()
        self._thread.join(timeout=5)

    def _live(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except DatabaseUnavailable as error:
                log.info("what was learned is not looked up: %s", error)
            except Exception:  # whatever it is: a process whose thread has ended would learn nothing ever after
                log.exception("what was learned could not be looked up")
            self._looked.set()
            self._stopped.wait(self._every)

    def _look(self) -> None:
        number = lessons.newest_model(self._db)
        if number is not None and number != self._taken:
            self._known = lessons.known(self._db) or NOTHING
            self._taken = number
        # As they are now: what was taken out of a ticket is not sent any more.
        self._examples = tuple(lessons.examples(self._db, self._known.exam.corrected))
        if not self._learns or self._is_learning():
            return
        newest = lessons.newest_ticket(self._db)
        # A failure is not tried again before there is as much more to learn.
        if is_due(self._known, newest, tried=self._tried):
            with self._starting:
                if not self._stopped.is_set():
                    self._tried, self._child = newest, self._start()

    def _is_learning(self) -> bool:
        if self._child is None or (failed := self._child.poll()) is None:
            return self._child is not None
        if failed:
            log.warning("learning failed with exit code %s; `python -m ticketcore.learn` says why", failed)
        self._child = None
        return False
