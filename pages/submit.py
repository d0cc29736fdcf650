"""File a ticket: who opens this has a problem in hand and wants it on the desk within a minute."""

import streamlit as st

from ticketcore.access import Role
from ticketcore.suggestion import DEFAULTS, DESK_MODEL, PARTS
from ticketcore.ui import drafts, loaders, me, pages
from ticketcore.ui.widgets import guard
from ticketcore.ui.words import complaint, label, moment, plain, sureness
from ticketcore.validation import DESCRIPTION_LENGTH, TITLE_LENGTH

if not me.may(Role.AGENT):
    st.info(
        "Your role is to read: find tickets under “Tickets” and figures under “Stats”.", icon=":material/visibility:"
    )
    st.stop()

draft = drafts.current()
form, newest = st.columns([3, 2], gap="large")


def origin(part: str) -> str:
    """Where the value of a dropdown came from."""
    if draft.is_own(part):
        return ":material/person: Chosen by you"
    if draft.is_thinking():
        return ":material/hourglass_top: Thinking…"
    if draft.suggestion is None:
        return ":material/lightbulb: Suggested once there is a description"
    opinion = draft.suggestion.on(part)
    if opinion.is_default:
        return ":material/block: Default: no suggestion available"
    name = "the desk model" if opinion.source == DESK_MODEL else plain(opinion.source)
    return f":material/{'help' if opinion.is_uncertain else 'auto_awesome'}: Suggested by {name} · {sureness(opinion)}"


def meanings(part: str) -> str:
    """What each value of a dropdown means."""
    told = me.desk().settings.definitions
    return "  \n".join(f"**{label(value)}** {plain(told[value])}" for value in PARTS[part])


def why() -> None:
    """What speaks for the suggestion: the words that weighed most, and similar tickets with what they became."""
    suggestion = draft.suggestion
    if suggestion is None:
        return
    told = [
        f"{', '.join(f'“{plain(word)}”' for word in opinion.words)} → {label(opinion.value)}"
        for part in PARTS
        if (opinion := suggestion.on(part)).words and not draft.is_own(part)
    ]
    if told:
        st.caption(f"Why: {' · '.join(told)}")
    if suggestion.note and me.desk().settings.openai_api_key:
        reason = plain(suggestion.note.removeprefix("Default: "))
        st.caption(f":material/cloud_off: The language model did not answer: {reason}")
    if suggestion.similar:
        with st.container(gap=None):
            st.caption("Similar tickets, and what they became")
            for ticket in suggestion.similar:
                st.page_link(
                    pages.page("ticket"), query_params={"id": str(ticket.id)},
                    label=f"#{ticket.id} {plain(ticket.title)} · {label(ticket.category)}, {label(ticket.priority)}",
                )  # fmt: skip


def dropdowns() -> None:
    """Category and priority; fills them when the suggestion arrives, without touching what is being typed."""
    was_thinking = draft.is_thinking()
    draft.collect()
    for column, (part, default) in zip(st.columns(2), DEFAULTS.items(), strict=True):
        options = list(type(default))
        column.selectbox(
            label(part), options, options.index(draft.found.get(part, default)), key=draft.key(part), format_func=label,
            on_change=draft.touch, args=(part,), persist_state="session", help=meanings(part),
        )  # fmt: skip
        column.caption(origin(part))
    why()
    if was_thinking and not draft.is_thinking():
        st.rerun()


def lookalikes() -> None:
    """Tickets that may tell of the same, so that none is filed twice."""
    found = loaders.lookalikes(draft.value("title"), draft.value("description"))
    if found:
        with st.container(border=True, gap=None):
            st.markdown(":material/content_copy: **Has this been filed already?**")
            for ticket in found:
                st.page_link(
                    pages.page("ticket"), label=f"#{ticket.id} {plain(ticket.title)} · {label(ticket.status)}",
                    query_params={"id": str(ticket.id)},
                )  # fmt: skip


with form:
    st.subheader("File a ticket")
    is_empty = not any(map(draft.value, drafts.TEXTS))
    if is_empty and (left := drafts.left_behind(draft)):
        st.page_link(
            pages.page("submit"), label=f"Go on with “{plain(left[1])}”", query_params={"draft": left[0]},
            icon=":material/edit_note:",
        )  # fmt: skip
    if is_empty and draft.filed:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(plain(draft.filed), icon=":material/check_circle:", width=320)
            st.page_link(
                pages.page("ticket"), label=f"Open ticket #{draft.filed_id}", query_params={"id": str(draft.filed_id)},
                icon=":material/open_in_new:",
            )  # fmt: skip
    # No max_chars: the browser would drop a longer text that is pasted, without a word.
    st.text_input(
        "Title", draft.found.get("title", ""), key=draft.key("title"), persist_state="session", on_change=draft.keep,
        placeholder="One line that says what is wrong",
    )  # fmt: skip
    st.text_area(
        "Description", draft.found.get("description", ""), key=draft.key("description"), persist_state="session",
        on_change=draft.keep, height=220, placeholder="What happened, what was expected, since when",
    )  # fmt: skip
    for part, most in (("title", TITLE_LENGTH), ("description", DESCRIPTION_LENGTH)):
        if (length := len(draft.value(part).strip())) > most:
            st.warning(f"{label(part)} has {length:,} characters; {most:,} are the most.", icon=":material/straighten:")
    draft.ask()
    lookalikes()
    st.fragment(dropdowns, run_every=0.3 if draft.is_thinking() else None)()
    st.button(
        "Submit ticket", key=draft.key("submit"), type="primary", icon=":material/send:", on_click=draft.file,
        shortcut="Alt+Enter",
    )  # fmt: skip
    for part, message in draft.errors.items():
        st.error(complaint(part, message), icon=":material/error:")


@st.fragment(run_every=5)
def newest_tickets() -> None:
    """The latest tickets of the desk, so that one sees one's own arrive and a duplicate before filing it."""
    with guard():
        tickets = loaders.newest(8, loaders.version())
        if not tickets:
            st.caption("Nothing has been filed yet. The newest tickets will be listed here.")
        for ticket in tickets:
            with st.container(gap=None):
                st.page_link(
                    pages.page("ticket"),
                    label=f"#{ticket.id} {plain(ticket.title)}",
                    query_params={"id": str(ticket.id)},
                )
                st.caption(f"{label(ticket.status)} · {label(ticket.priority)} · {moment(ticket.created_at)}")


with newest:
    st.subheader("Newest tickets")
    newest_tickets()
