"""What the pages and the API of one process share: settings, database, and who suggests.

Started once, by whoever asks first; stopped with the process.
"""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial

from pydantic import SecretStr

from ticketcore import feed, founding, questions, settings, similar
from ticketcore.access import Person, Role
from ticketcore.chain import Chain
from ticketcore.classifier import Classifier
from ticketcore.database import Database
from ticketcore.embedded import EmbeddedServer
from ticketcore.errors import DatabaseUnavailable, StartUpError
from ticketcore.exports import Exports
from ticketcore.filing import Filing
from ticketcore.helper import Helper
from ticketcore.identity import Claims, identified, session
from ticketcore.learner import Learner
from ticketcore.questions import Notebook, Question
from ticketcore.settings import Settings
from ticketcore.sign_outs import SignOuts
from ticketcore.triage.knowledge import Knowledge


@dataclass(frozen=True)
class Desk:
    """A desk that is ready: its database answers and is migrated. Whoever wants to use it takes a seat."""

    settings: Settings
    _db: Database
    _chain: Chain
    _server: EmbeddedServer | None = None
    _notebook: Notebook | None = None
    _learner: Learner | None = None

    @property
    def db(self) -> Database:
        """The database with nobody's rights: whether it is there is all that it tells."""
        return self._db.limited_to(None)

    @property
    def itself(self) -> "Seat":
        """The desk as the process uses it for its own ends, such as to find out whose a token is."""
        return self.seat(Person(None, Role.LEAD))

    def person(self, claims: Claims) -> Person | None:
        """Who signed in with these claims; None for nobody, and once the session is over."""
        return identified(claims, self.settings, now=datetime.now(UTC), is_signed_out=self._sign_outs.cover)

    def sign_out(self, claims: Claims) -> None:
        """Ends the session of these claims in every process, and earlier ones of the same person.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        began, subject = session(claims)
        if began:
            self._sign_outs.note(subject, began)

    @cached_property
    def _sign_outs(self) -> SignOuts:
        """Who signed out, as this process knows it."""
        return SignOuts(self._db)

    @cached_property
    def _exports(self) -> Exports:
        """The exports that run in this process."""
        return Exports(self._db)

    @cached_property
    def _helper(self) -> Helper:
        """Who counts for this process."""
        return Helper(self._db)

    @cached_property
    def _filing(self) -> Filing:
        """The way in which this process files what comes over the API."""
        return Filing(self._db)

    def close(self) -> None:
        """Closes the connections, and leaves the embedded server where there is one."""
        self._chain.close()
        if self._learner:
            self._learner.close()
        if self._notebook:
            self._notebook.close()
        self._exports.close()
        self._helper.close()
        self._filing.close()
        self._db.close()
        if self._server:
            self._server.stop()

    def seat(self, person: Person) -> "Seat":
        """The desk as this person may use it."""
        return Seat(self, person, self._db.limited_to(person.role))


@dataclass(frozen=True)
class Seat:
    """A desk as one person may use it: all that pages and routes get. What the role does not allow is `Forbidden`."""

    _desk: Desk
    person: Person
    db: Database

    @property
    def settings(self) -> Settings:
        return self._desk.settings

    @property
    def exports(self) -> Exports:
        """Those of the process."""
        self.db.demand(Role.VIEWER)
        return self._desk._exports

    @property
    def helper(self) -> Helper:
        """That of the process."""
        self.db.demand(Role.VIEWER)
        return self._desk._helper

    @property
    def filing(self) -> Filing:
        """That of the process."""
        self.db.demand(Role.AGENT)
        return self._desk._filing

    @property
    def suggestions(self) -> Chain:
        """Who suggests, in this process."""
        self.db.demand(Role.AGENT)
        return self._desk._chain

    @property
    def knowledge(self) -> Knowledge | None:
        """What the desk has learned, as this process knows it; None where it does not look after that."""
        self.db.demand(Role.VIEWER)
        return self._desk._learner.knowledge() if self._desk._learner else None

    def questions(self) -> list[Question]:
        """What models were sent last, newest first, with what this process has yet to store."""
        self.db.demand(Role.LEAD)
        if self._desk._notebook:
            self._desk._notebook.store()
        return questions.latest(self.db)


_lock = threading.Lock()
_running: list[Desk] = []


def current() -> Desk:
    """The desk of this process, started with the first call.

    Raises:
        StartUpError: a setting cannot be used, or the database did not answer within 60 s.
    """
    if _running:
        return _running[0]
    with _lock:
        if not _running:
            _running.append(open_desk(settings.read()))
        return _running[0]


def stop() -> None:
    """Closes the desk of this process; the next `current()` starts it again."""
    with _lock:
        while _running:
            _running.pop().close()


def open_desk(chosen: Settings, *, learns: bool = True) -> Desk:
    """A desk of its own for these settings: its database waited for and migrated.

    One that does not learn does not look after what was learned either: a command that ends soon.

    Raises:
        StartUpError: the database did not answer within 60 s, or could not be migrated.
    """
    server = None if chosen.database_url else EmbeddedServer(chosen.data_folder)
    url = server.url if server else chosen.database_url.get_secret_value() if chosen.database_url else ""
    try:
        db = _prepared(url, chosen.database_replica_url)
    except StartUpError:
        if server:
            server.stop()
        raise
    notebook = Notebook(db)
    learner = Learner(db, learns=chosen.suggestion_learn) if learns else None
    chain = _chain(chosen, db, notebook, learner)
    return Desk(chosen, db, chain, server, notebook, learner)


def _chain(chosen: Settings, db: Database, notebook: Notebook, learner: Learner | None) -> Chain:
    if learner is None:
        return Chain(Classifier(chosen, record=notebook.note))
    return Chain(
        Classifier(chosen, record=notebook.note, examples=learner.examples),
        knowledge=learner.knowledge,
        similar=partial(similar.find, db),
        shadow=chosen.suggestion_shadow,
    )


def _prepared(url: str, replica: SecretStr | None) -> Database:
    founding.wait(url)
    founding.migrate(url)
    db = Database(url, replica.get_secret_value() if replica else None)
    try:
        feed.rebase(db)
    except DatabaseUnavailable as error:
        db.close()
        raise StartUpError(str(error)) from None
    return db
