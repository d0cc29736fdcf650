"""Who sits in front of the screen, and the desk as they may use it.

Where the desk has sign-in, it is who the OpenID provider says; their session ends some hours after that. Where it has
none, everybody may do everything, under the name that they give, which their browser keeps for a year.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import streamlit as st

from ticketcore import desk as process
from ticketcore.access import Person, Role, role_of
from ticketcore.desk import Seat
from ticketcore.errors import InvalidInput
from ticketcore.models import TicketChanges
from ticketcore.ui.words import complaint, plain
from ticketcore.validation import parse

COOKIE = "desk_name"
_NAME = "me_name"
KEEP = "document.cookie = document.querySelector('.desk-kept').dataset.kept"
"""The desk's only script: a constant, so that the content security policy can name it."""

# Streamlit has no way to put something beside the navigation; a row of its own would push every page down.
_IN_THE_HEADER = """<style>.st-key-me {
    position: fixed; top: 0.6rem; left: calc(100vw - 15.5rem); width: 12rem; align-items: flex-end; z-index: 999991
}</style>"""


def desk() -> Seat:
    """The desk as whoever looks at the page may use it."""
    return process.current().seat(person() or Person(None, None))


def person() -> Person | None:
    """Whoever looks at the page; None if they have yet to sign in, or to do it again."""
    settings = process.current().settings
    if not settings.has_sign_in:
        return Person(_valid(st.session_state.get(_NAME) or "") or None, Role.LEAD)
    claims: dict[str, Any] = st.user.to_dict()
    if not claims.get("is_logged_in") or _is_over(claims, timedelta(hours=settings.session_hours)):
        return None
    # An address that the provider did not check says nothing: anybody could have written it there.
    is_own = claims.get("email_verified") is True or (settings.trusts_addresses and "email_verified" not in claims)
    address = str(claims.get("email") or "") if is_own else ""
    groups = claims.get("groups") or ()
    names = [groups] if isinstance(groups, str) else [str(group) for group in groups]
    called = address or str(claims.get("preferred_username") or claims.get("sub") or "")
    return Person(_valid(called) or None, role_of(settings.roles, address, names))


def name() -> str | None:
    """The name under which the history tells of what is done now; None as long as there is none."""
    known = person()
    return known.name if known else None


def may(role: Role) -> bool:
    """Whether whoever looks at the page has this role."""
    known = person()
    return bool(known and known.role and known.role.includes(role))


def gate() -> bool:
    """Whether whoever looks at the page may come in; otherwise says kindly how, or why not."""
    known = person()
    if known and known.role:
        return True
    with st.container(border=True, width=480):
        st.subheader("Ticket desk")
        if known is None:
            is_over = bool(st.user.to_dict().get("is_logged_in"))
            st.markdown("Your session has ended." if is_over else "Sign in to file, find and work on tickets.")
            st.button("Sign in again" if is_over else "Sign in", type="primary", icon=":material/login:",
                      on_click=st.login)  # fmt: skip
        else:
            st.markdown(
                f"You are signed in as **{plain(known.name or 'somebody without a name')}**, who has no role at this "
                "desk yet. Ask whoever runs it to give you one."
            )
            st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    return False


def control() -> None:
    """Shows who one is; lets one sign out or, where nobody signs in, say a name."""
    st.html(_IN_THE_HEADER)
    if process.current().settings.has_sign_in:
        _signed_in()
    else:
        _by_name()


def _signed_in() -> None:
    known = person()
    if known is None:
        return
    with (
        st.container(key="me", width="content"),
        st.popover(plain(known.name or "You"), icon=":material/person:", type="tertiary"),
    ):
        st.caption(f"Your role is “{known.role}”.")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)


def _by_name() -> None:
    if _NAME not in st.session_state:
        st.session_state[_NAME] = _valid(unquote(st.context.cookies.get(COOKIE) or ""))
    said = st.session_state[_NAME] or ""
    with (
        st.container(key="me", width="content"),
        st.popover(plain(name() or "Who are you?"), icon=":material/person:", type="tertiary"),
    ):
        st.text_input(
            "Your name", key=_NAME, persist_state="session", on_change=_keep, placeholder="As others know you",
            help="The history of a ticket tells who changed it. This browser remembers your name.",
        )  # fmt: skip
        try:
            parse(TicketChanges, {"assignee": said or None})
        except InvalidInput as error:
            st.error(complaint("name", error.errors["assignee"]), icon=":material/error:")
    if st.session_state.pop("me_keep", False):
        kept = f"{COOKIE}={quote(name() or '', safe='')}; path=/; max-age=31536000; samesite=lax"
        st.html(
            f'<span class="desk-kept" data-kept="{kept}"></span><script>{KEEP}</script>', unsafe_allow_javascript=True
        )


def _keep() -> None:
    st.session_state["me_keep"] = True


def _is_over(claims: dict[str, Any], life: timedelta) -> bool:
    """Whether somebody signed in too long ago; one who cannot say when has to do it again."""
    try:
        since = datetime.fromtimestamp(float(claims["iat"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return True
    return datetime.now(UTC) - since > life


def _valid(text: str) -> str:
    try:
        return parse(TicketChanges, {"assignee": text}).assignee or ""
    except InvalidInput:
        return ""
