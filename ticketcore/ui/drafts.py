"""One ticket being written: its fields, the suggestion on its way, and its filing.

A draft is named by a UUID in the address. The name is the request key of the ticket, so submitting
twice, or again after a lost connection or a restarted desk, makes one ticket; it is part of the
widgets' keys too, so a new draft has empty fields and a late click on the old form cannot fill it.
"""

import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field

import streamlit as st

from ticketcore import desk, tickets
from ticketcore.errors import Conflict, InvalidInput, TicketDeskError
from ticketcore.models import Category, NewTicket, Priority, Source, Suggestion, parse

FIELDS = ("title", "description", "category", "priority")


@dataclass
class Asked:
    """A question to the classifier: the text it is about, and the answer when it is there."""

    text: tuple[str, str]
    answer: Future[Suggestion]


@dataclass
class Draft:
    """What a session remembers of the form beside its widgets' values."""

    name: str
    asked: Asked | None = None
    suggestion: Suggestion | None = None
    touched: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)
    filed: int | None = None
    """The ticket that was filed before this draft began."""

    def key(self, part: str) -> str:
        """The key of the widget for this field."""
        return f"submit_{part}_{self.name}"

    def value(self, part: str) -> str:
        """What the field holds now."""
        return st.session_state.get(self.key(part)) or ""

    def is_thinking(self) -> bool:
        """Whether a suggestion is on its way."""
        return self.asked is not None

    def ask(self) -> None:
        """Asks for a suggestion where the text has changed; the answer to an older text is dropped."""
        text = (self.value("title").strip(), self.value("description").strip())
        if self.asked:
            if self.asked.text == text:
                return
            self.asked.answer.cancel()
        self.asked = Asked(text, desk.current().classifier.ask(text[1], text[0])) if text[1] else None
        if not text[1]:
            self.suggestion = None
        self.collect()

    def collect(self) -> None:
        """Takes the answer if it is there, and fills the fields that the agent has not touched."""
        if self.asked and self.asked.answer.done():
            self.suggestion = None if self.asked.answer.cancelled() else self.asked.answer.result()
            self.asked = None
            if self.suggestion:
                for part in {"category", "priority"} - self.touched:
                    st.session_state[self.key(part)] = getattr(self.suggestion, part)

    def touch(self, part: str) -> None:
        """Marks a field as the agent's own choice."""
        self.touched.add(part)

    def file(self) -> None:
        """Stores the ticket and begins a new draft; where that fails, the form keeps every character."""
        self.errors = {}
        try:
            new = parse(NewTicket, {part: st.session_state.get(self.key(part)) for part in FIELDS})
            ticket = tickets.create(
                desk.current().db,
                new,
                source=Source.DASHBOARD,
                request_key=uuid.UUID(self.name),
                suggestion=self.suggestion,
            )
        except InvalidInput as error:
            self.errors = error.errors
        except Conflict as error:
            follower = begin()
            follower.errors = {"": f"{error} Submit again to file this text as another ticket."}
            follower.touched = {"category", "priority"}
            for part in FIELDS:
                st.session_state[follower.key(part)] = st.session_state.get(self.key(part))
        except TicketDeskError as error:
            self.errors = {"": f"{error} Your text is still here."}
        else:
            self.forget()
            begin().filed = ticket.id

    def forget(self) -> None:
        """Drops what the session kept of this draft."""
        if self.asked:
            self.asked.answer.cancel()
        for part in FIELDS:
            st.session_state.pop(self.key(part), None)


def begin() -> Draft:
    """A new, empty draft, which is now the session's and the address's."""
    draft = Draft(str(uuid.uuid4()))
    st.session_state["submit_draft"] = draft
    st.query_params["draft"] = draft.name
    st.session_state[draft.key("category")] = Category.GENERAL
    st.session_state[draft.key("priority")] = Priority.MEDIUM
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
    if name is None:
        return begin()
    if named != name:
        st.query_params["draft"] = name
    if draft and draft.name == name:
        return draft
    draft = Draft(name)
    st.session_state["submit_draft"] = draft
    st.session_state.setdefault(draft.key("category"), Category.GENERAL)
    st.session_state.setdefault(draft.key("priority"), Priority.MEDIUM)
    return draft
