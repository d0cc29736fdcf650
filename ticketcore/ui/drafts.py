"""One ticket being written: its fields, the suggestion on its way, and its filing.

A draft is named by a UUID in the address. The name is the request key of the ticket, so submitting
twice, or again after a lost connection or a restarted desk, makes one ticket; it is part of the
widgets' keys too, so a new draft has empty fields and a late click on the old form cannot fill it
or bring the old form back. By its name a window that is loaded anew goes on with it, which Streamlit begins
without anything that was written.
"""

import threading
import uuid
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field

import streamlit as st

from ticketcore import tickets
from ticketcore.errors import Conflict, InvalidInput, TicketDeskError
from ticketcore.models import Category, NewTicket, Priority, Source
from ticketcore.suggestion import DEFAULTS, Suggestion
from ticketcore.ui import me
from ticketcore.validation import DESCRIPTION_LENGTH, parse

TEXTS = ("title", "description")
FIELDS = (*TEXTS, "category", "priority")
KEPT, LARGEST = 500, 2 * DESCRIPTION_LENGTH
"""Half-written tickets that are kept for windows that are loaded anew, the last ones; and characters of each."""
SHOWN = 80
"""Characters by which one of them is named."""


@dataclass
class Draft:
    """What a session remembers of the form beside its widgets' values."""

    name: str
    text: tuple[str, str] = ("", "")
    """The title and description that were last asked about."""
    answer: Future[Suggestion] | None = None
    """The suggestion that is on its way."""
    suggestion: Suggestion | None = None
    filled: dict[str, Category | Priority] = field(default_factory=DEFAULTS.copy)
    """What the desk itself has put into the dropdowns; another value is the agent's own."""
    touched: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)
    filed: str = ""
    """What to say of the ticket that was filed before this draft began, and its id."""
    filed_id: int = 0
    found: dict[str, str] = field(default_factory=dict)
    """What this person wrote in a window that is gone: what the fields begin with, unless the browser knows them."""
    owners: set[str | None] = field(default_factory=set)
    """Under which names it is kept."""
    is_over: bool = False
    """Whether it was filed: what a browser still says of its form is of no use."""
    after: str = ""
    """The draft in whose place this one came: a click that was made before the browser knew of it names that."""

    def key(self, part: str) -> str:
        """The key of the widget for this field."""
        return f"submit_{part}_{self.name}"

    def value(self, part: str) -> str:
        """What the field holds now."""
        return st.session_state.get(self.key(part), self.found.get(part)) or ""

    def is_thinking(self) -> bool:
        """Whether a suggestion is on its way."""
        return self.answer is not None

    def is_own(self, part: str) -> bool:
        """Whether the agent chose the value of this dropdown, in this session or before the connection was lost."""
        return part in self.touched or st.session_state.get(self.key(part), self.filled[part]) != self.filled[part]

    def ask(self) -> None:
        """Asks for a suggestion where the text has changed; the answer to an older text is dropped."""
        text = (self.value("title").strip(), self.value("description").strip())
        if text == self.text:
            return
        if self.answer:
            self.answer.cancel()
        self.text = text
        self.answer = me.desk().suggestions.ask(text[1], text[0], asked_by=me.name()) if text[1] else None
        self.suggestion = None

    def collect(self) -> None:
        """Takes the answer if it is there, and fills the dropdowns that the agent has not set.

        Not before they were drawn once: what the browser still knows of them after a restart of the desk is not in the
        session before that, and the agent's own choice would be taken for the default.
        """
        if (
            not self.answer
            or not self.answer.done()
            or any(self.key(part) not in st.session_state for part in DEFAULTS)
        ):
            return
        self.suggestion = None if self.answer.cancelled() else self.answer.result()
        self.answer = None
        if self.suggestion:
            for part in [part for part in DEFAULTS if not self.is_own(part)]:
                self.filled[part] = st.session_state[self.key(part)] = getattr(self.suggestion, part)

    def keep(self) -> None:
        """Keeps what its writer wrote and chose beyond this session; for whenever they did."""
        chosen = {part: self.value(part) for part in DEFAULTS if self.is_own(part)}
        written = {part: self.value(part) for part in TEXTS} | {part: value for part, value in chosen.items() if value}
        if self.is_over or sum(map(len, written.values())) > LARGEST:
            return
        # Whose session has ended while they wrote finds it when they are back.
        owner = me.name() or next((name for name in self.owners if name), None)
        with _keeping:
            self._drop()
            if any(written[part].strip() for part in TEXTS):
                _kept[owner, self.name] = written
                self.owners.add(owner)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)

    def _drop(self) -> None:
        for owner in self.owners:
            _kept.pop((owner, self.name), None)

    def touch(self, part: str) -> None:
        """Marks a field as the agent's own choice."""
        self.touched.add(part)
        self.keep()

    def file(self) -> None:
        """Stores the ticket and begins a new draft; where that fails, the form keeps every character."""
        self.errors = {}
        # What is clicked right after a change comes before `ask` has seen the change.
        is_about_this = self.text == (self.value("title").strip(), self.value("description").strip())
        try:
            new = parse(NewTicket, {part: st.session_state.get(self.key(part)) for part in FIELDS})
            ticket = tickets.create(
                me.desk().db,
                new,
                source=Source.DASHBOARD,
                actor=me.name(),
                request_key=uuid.UUID(self.name),
                suggestion=self.suggestion if is_about_this else None,
            )
        except InvalidInput as error:
            self.errors = error.errors
        except Conflict as error:
            follower = begin(self.name)
            follower.errors = {"": f"{error} Submit again to file this one as another ticket."}
            follower.touched = set(DEFAULTS)
            for part in FIELDS:
                st.session_state[follower.key(part)] = st.session_state.get(self.key(part))
            self.forget()
            follower.keep()
        except TicketDeskError as error:
            self.errors = {"": f"{error} Your text is still here."}
        else:
            self.forget()
            follower = begin(self.name)
            follower.filed, follower.filed_id = f"Ticket #{ticket.id} is filed.", ticket.id
            if (ticket.category, ticket.priority) != (new.category, new.priority):
                follower.filed += f" It was there already, as {ticket.category}, {ticket.priority}."

    def forget(self) -> None:
        """Drops what the session kept of this draft."""
        if self.answer:
            self.answer.cancel()
        for part in FIELDS:
            st.session_state.pop(self.key(part), None)
        self.is_over = True
        with _keeping:
            self._drop()


_kept: OrderedDict[tuple[str | None, str], dict[str, str]] = OrderedDict()
"""For people and the names of their drafts: its fields."""

_keeping = threading.Lock()


def left_behind(by: Draft) -> tuple[str, str] | None:
    """The name of the half-written ticket that this person wrote last beside this one, and how it begins."""
    person = me.name()
    with _keeping:
        for (owner, name), written in reversed(_kept.items()):
            if person and owner == person and name not in (by.name, by.after):
                beginning = " ".join((written["title"].strip() or written["description"]).split())
                return name, beginning if len(beginning) <= SHOWN else f"{beginning[:SHOWN]}…"
    return None


def begin(after: str = "") -> Draft:
    """A new, empty draft, which is now the session's and the address's; in place of the one `after` which it comes."""
    draft = Draft(str(uuid.uuid4()), after=after)
    st.session_state["submit_draft"] = draft
    st.query_params["draft"] = draft.name
    return draft


def current() -> Draft:
    """The session's draft: the one that it is writing, or the one that the address names, or a new one."""
    draft: Draft | None = st.session_state.get("submit_draft")
    named = st.query_params.get("draft")
    name = draft.name if draft else None
    if named:
        try:
            name = str(uuid.UUID(named))
        except ValueError:
            name = None
    if draft and name == draft.after:
        name = draft.name
    if name is None:
        return begin()
    if named != name:
        st.query_params["draft"] = name
    if draft and draft.name == name:
        return draft
    draft = _taken_up(name)
    st.session_state["submit_draft"] = draft
    return draft


def _taken_up(name: str) -> Draft:
    """The draft of this name, with what this person wrote in a window that is gone, or before they said their name."""
    with _keeping:
        owners = [owner for owner in dict.fromkeys((me.name(), None)) if (owner, name) in _kept]
        found = _kept[owners[0], name] if owners else {}
    return Draft(name, found=found, touched={part for part in found if part in DEFAULTS}, owners=set(owners))
