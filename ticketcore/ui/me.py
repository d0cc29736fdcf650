"""Who sits in front of the screen, and the desk as they may use it.

Where the desk has sign-in, it is who the OpenID provider says; their session ends some hours after that. Where it has
none, everybody may do everything, under the name that they give, which their browser keeps for a year.
"""

import contextlib
import json
from collections.abc import Mapping
from urllib.parse import quote, unquote

import streamlit as st
from streamlit.auth_util import get_cookie_with_chunks, get_origin_from_redirect_uri
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from ticketcore import desk as process
from ticketcore.access import Person, Role
from ticketcore.desk import Seat
from ticketcore.errors import DatabaseUnavailable, InvalidInput
from ticketcore.identity import valid_name
from ticketcore.models import TicketChanges
from ticketcore.ui.words import INKS, complaint, plain
from ticketcore.validation import parse

COOKIE = "desk_name"
_NAME = "me_name"
KEEP = "document.cookie = document.querySelector('.desk-kept').dataset.kept"
"""The desk's only script: a constant, so that the content security policy can name it."""

# Streamlit has no way to put something beside the navigation; a row of its own would push every page down.
_IN_THE_HEADER = """<style>.st-key-me {
    position: fixed; top: 0.6rem; left: calc(100vw - 15.5rem); width: 12rem; align-items: flex-end; z-index: 999991
}
/* Streamlit writes keys on buttons, and what is chosen of several, too pale to be read by everybody (WCAG 1.4.3). */
button kbd { color: inherit !important; opacity: 1 !important; }
button[data-variant="segmented_control"][data-selected="true"] p { color: %s; }
</style>"""


def desk() -> Seat:
    """The desk as whoever looks at the page may use it."""
    return process.current().seat(person() or Person(None, None))


def person() -> Person | None:
    """Whoever looks at the page; None if they have yet to sign in, or to do it again."""
    settings = process.current().settings
    if not settings.has_sign_in:
        return Person(valid_name(st.session_state.get(_NAME) or ""), Role.LEAD)
    return process.current().person(st.user.to_dict())


def is_inside(cookies: Mapping[str, str]) -> bool:
    """Whether these are the cookies of somebody who is signed in and has a role."""
    secret = get_cookie_secret()

    def one(name: str) -> bytes | None:
        return decode_signed_value(secret, name, cookies[name]) if name in cookies else None

    try:
        claims = json.loads(get_cookie_with_chunks(one, USER_COOKIE_NAME) or b"{}")
    except ValueError:
        return False
    if claims.get("origin") != get_origin_from_redirect_uri():
        return False
    known = process.current().person(claims)
    return bool(known and known.role)


def name() -> str | None:
    """The name under which the history tells of what is done now; None as long as there is none."""
    known = person()
    return known.name if known else None


def may(role: Role) -> bool:
    """Whether whoever looks at the page has this role."""
    known = person()
    return bool(known and known.role and known.role.includes(role))


def leave_if_over() -> None:
    """Draws the page anew if the session is over: it then says how to come in again."""
    if not may(Role.VIEWER):
        st.rerun()


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
            st.button("Sign out", icon=":material/logout:", on_click=_sign_out)
    return False


def control() -> None:
    """Shows who one is; lets one sign out or, where nobody signs in, say a name."""
    st.html(_IN_THE_HEADER % INKS[st.context.theme.type or "light"])
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
        st.button("Sign out", icon=":material/logout:", on_click=_sign_out)


def _sign_out() -> None:
    """Ends this session in every tab, and whoever else has its cookie; earlier ones of this person as well."""
    with contextlib.suppress(DatabaseUnavailable):
        process.current().sign_out(st.user.to_dict())
    st.logout()


def _by_name() -> None:
    if _NAME not in st.session_state:
        st.session_state[_NAME] = valid_name(unquote(st.context.cookies.get(COOKIE) or "")) or ""
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
