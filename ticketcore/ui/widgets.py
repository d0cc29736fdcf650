"""Parts of the screen that several pages share: the filter bar, the guard, the ticket's fields."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from urllib.parse import parse_qs

import streamlit as st

from ticketcore.behind import Behind
from ticketcore.errors import DatabaseUnavailable, Forbidden, InvalidInput, Overloaded
from ticketcore.filters import Sort, TicketFilter, local_moment
from ticketcore.models import FACETS
from ticketcore.period import midnight
from ticketcore.ui import loaders, me, pages
from ticketcore.ui.links import BEHIND
from ticketcore.ui.words import complaint, label, plain
from ticketcore.validation import parse

_SORTS = {Sort.NEWEST: "Newest first", Sort.OLDEST: "Oldest first", Sort.SEVEREST: "Most severe first"}
_WORDS: dict[str, dict[str, str]] = {
    **{key: {member.value: label(member) for member in kind} for key, kind in FACETS.items()},
    "sort": {sort.value: words for sort, words in _SORTS.items()},
}
"""For each key in the address, the API's values and the words on the screen."""
DATES = ("from", "to")
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)


@contextmanager
def guard() -> Iterator[None]:
    """Shows one message where the database is away, and comes back by itself when it answers again.

    Where it is there and has too much to do, whoever looks says when to try again.
    """
    try:
        yield
    except Overloaded as error:
        st.error(plain(str(error)), icon=":material/hourglass:")
        st.button("Try again", icon=":material/refresh:")
        _see_whether_the_session_is_over()
    except DatabaseUnavailable as error:
        st.error(f"{plain(str(error))} This page comes back by itself.", icon=":material/cloud_off:")
        _come_back()
    except Forbidden as error:
        me.leave_if_over()
        st.error(plain(str(error)), icon=":material/lock:")


@st.fragment(run_every=5)
def _see_whether_the_session_is_over() -> None:
    me.leave_if_over()


@st.fragment(run_every=2)
def _come_back() -> None:
    if me.desk().db.is_ready():
        st.rerun()


def filter_bar(at: str | None, *, behind: bool = False) -> TicketFilter | None:
    """The filter that the bar shows and the address holds; None, with a message, where its parts do not fit.

    It offers whom tickets are assigned to as of version `at`; nobody where the database is away.

    `behind` lets the address hold conditions that have no field in the bar: what stands behind a figure.
    """
    unknown = _adopt_link()
    with st.grid(4, min_column_width=140) as fields:  # on a laptop a field shows two values
        fields.cell(column_span=2).text_input(
            "Search", key="search", bind="query-params", type="search", live="300ms", on_change=_first_page,
            placeholder="Title or description",
        )  # fmt: skip
        for key, kind in FACETS.items():
            st.multiselect(
                label(key), list(kind), key=key, bind="query-params", format_func=label, placeholder="Any",
                on_change=_first_page, wrap=True,
            )  # fmt: skip
        st.multiselect(
            "Assignee", _known_assignees(at), key="assignee", bind="query-params", placeholder="Anybody",
            accept_new_options=True, on_change=_first_page, wrap=True,
        )  # fmt: skip
        for key in DATES:
            st.date_input(
                f"Created {key}", None, _FIRST_DAY, _LAST_DAY, key=key, bind="query-params", on_change=_first_page
            )
    for fault in unknown:
        st.warning(plain(fault), icon=":material/link_off:")
    try:
        matching = _filter(_behind() if behind else {})
    except InvalidInput as error:
        st.warning("  \n".join(complaint(*fault) for fault in error.errors.items()), icon=":material/filter_alt:")
        if behind and st.query_params.get(BEHIND):
            _remove_behind()
        return None
    _tell_behind(matching)
    return matching


def _known_assignees(at: str | None) -> list[str]:
    try:
        return loaders.assignees(at) if at else []
    except DatabaseUnavailable:
        return []  # the page says so


def _adopt_link() -> list[str]:
    """Lets a link name facets by the API's values, too; returns what it names that does not exist.

    Streamlit writes the words on the screen into the address ("In progress") and drops anything else in silence.
    """
    unknown: list[str] = []
    rewritten = False
    for key in (*_WORDS, *DATES):
        named = st.query_params.get_all(key) if key not in st.session_state else []
        read = [_read(key, word) for word in named]
        unknown += [
            f"The link asks for {key} “{word}”, which does not exist; it was left out."
            for word, known in zip(named, read, strict=True)
            if word and known is None
        ]
        known = [word for word in read if word is not None]
        if known != named:
            st.query_params[key] = known
            rewritten = True
    if rewritten:
        st.session_state["filter_unknown"] = unknown
        st.rerun()
    said: list[str] = st.session_state.get("filter_unknown", [])
    return said


def _read(key: str, word: str) -> str | None:
    """What the screen writes for a word of the address; None where there is no such value."""
    if key in _WORDS:
        return _WORDS[key].get(word, word if word in _WORDS[key].values() else None)
    try:
        return word if _FIRST_DAY <= date.fromisoformat(word) <= _LAST_DAY else None
    except ValueError:
        return None


def sort_box() -> Sort:
    """The order that the agent chose, which the address holds too."""
    st.selectbox(
        "Sort", list(Sort), key="sort", bind="query-params", format_func=_SORTS.__getitem__, on_change=_first_page,
        label_visibility="collapsed", width=180,
    )  # fmt: skip
    return Sort(st.session_state["sort"])


def _behind() -> dict[str, object]:
    """The conditions of the address that have no field in the bar, as they stand there."""
    found = parse_qs(st.query_params.get(BEHIND, ""))
    several = {name for name, field in Behind.model_fields.items() if field.default == ()}
    return {name: words if name in several else words[-1] for name, words in found.items()}


def _tell_behind(matching: TicketFilter) -> None:
    words = matching.behind_words(lambda moment: local_moment(moment, me.desk().settings.timezone))
    if words:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/filter_alt: Only those {plain(', '.join(words))}", width="content")
            _remove_behind()


def _remove_behind() -> None:
    st.button("Remove", icon=":material/close:", type="tertiary", key="filter_behind", on_click=_forget_behind)


def _forget_behind() -> None:
    st.query_params.pop(BEHIND, None)
    _first_page()


def _filter(behind: Mapping[str, object]) -> TicketFilter:
    chosen, zone = st.session_state, me.desk().settings.timezone
    first, last = chosen["from"], chosen["to"]
    if first and last and first > last:
        raise InvalidInput({"to": "“Created from” is after “Created to”: no ticket can be in between."})
    return parse(
        TicketFilter,
        {
            **behind,
            **{facet: chosen[facet] for facet in (*FACETS, "assignee")},
            "search": (chosen["search"] or "").strip(),
            "created_from": midnight(first, zone) if first else None,
            "created_to": midnight(last + timedelta(days=1), zone) if last else None,
        },
    )


def _first_page() -> None:
    st.session_state.pop("filter_unknown", None)
    if "page" in st.session_state:
        st.session_state.page = 1


def clear_filter() -> None:
    """Empties every field of the filter bar."""
    empty: dict[str, object] = {**{key: [] for key in (*FACETS, "assignee")}, **dict.fromkeys(DATES)}
    st.session_state.update({"search": "", **empty})
    _forget_behind()


def nothing_yet(what: str) -> None:
    """Says what will be here once there are tickets, and offers the way to file the first."""
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(f":material/inbox: **No tickets yet.** {what}", text_alignment="center")
        st.page_link(pages.page("submit"), label="File the first ticket", icon=":material/add:")
