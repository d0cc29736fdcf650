"""Access: a lead lets a program in, or puts an end to it, and looks up what language models were sent."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from ticketcore import questions, tokens
from ticketcore.access import Role
from ticketcore.errors import InvalidInput, TicketDeskError
from ticketcore.ui import me
from ticketcore.ui.words import complaint, label, moment, plain

_MADE, _FAULT = "access_made", "access_fault"
_MEANINGS = {
    Role.VIEWER: "reads and exports",
    Role.AGENT: "also files and changes tickets",
    Role.LEAD: "also changes many at once, imports files, makes tokens",
}


def make() -> None:
    """Makes the token that the form describes."""
    chosen = st.session_state
    try:
        chosen[_MADE] = tokens.make(
            me.desk().db, chosen["access_name"], chosen["access_role"], days=chosen["access_days"], by=me.name()
        )
        chosen["access_name"] = ""
    except InvalidInput as error:
        chosen[_FAULT] = "  \n".join(complaint(*fault) for fault in error.errors.items())
    except TicketDeskError as error:
        chosen[_FAULT] = plain(str(error))


def revoke(number: int) -> None:
    """Ends a token."""
    try:
        tokens.revoke(me.desk().db, number)
    except TicketDeskError as error:
        st.session_state[_FAULT] = plain(str(error))


def state(token: tokens.Token, now: datetime) -> str:
    """What has become of a token."""
    if token.revoked_at:
        return f"revoked {moment(token.revoked_at)}"
    return f"expires {moment(token.expires_at)}" if token.is_valid(now) else f"expired {moment(token.expires_at)}"


st.subheader("Tokens for the API")
st.caption("A program sends its token as “Authorization: Bearer …”; the history tells of it by the token's name.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.text_input("Name", key="access_name", placeholder="What it is for", width=260)
    st.selectbox("Role", list(Role), key="access_role", format_func=label, width=140,
                 help="  \n".join(f"**{label(role)}** {meaning}" for role, meaning in _MEANINGS.items()))  # fmt: skip
    st.number_input("Days", 1, tokens.MOST_DAYS, 90, key="access_days", width=120)
    st.button("Make token", type="primary", icon=":material/add:", on_click=make)
if fault := st.session_state.pop(_FAULT, None):
    st.error(fault, icon=":material/error:")
if made := st.session_state.pop(_MADE, None):
    st.success("Copy the token now; it is shown this once.", icon=":material/key:")
    st.code(made, language=None)

found = tokens.known(me.desk().db)
if not found:
    st.caption("There are no tokens yet.")
for token in found:
    now = datetime.now(UTC)
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        used = f"last used {moment(token.last_used_at)}" if token.last_used_at else "never used"
        by = f" by {plain(token.created_by)}" if token.created_by else ""
        st.markdown(
            f"**{plain(token.name)}** · {label(token.role)} · made {moment(token.created_at)}{by} · {used} · "
            f"{state(token, now)}",
            width="stretch",
        )
        if token.is_valid(now):
            st.button("Revoke", key=f"access_{token.id}", icon=":material/block:", on_click=revoke, args=(token.id,))

st.subheader("What language models were sent")
masked = "are masked" if me.desk().settings.suggestion_redact else "are NOT masked (SUGGESTION_REDACT=0)"
st.caption(
    f"Word for word, for {questions.KEPT.days} days. E-mail addresses, card and telephone numbers and keys {masked}."
)
asked = me.desk().questions()
if asked:
    rows = [(moment(one.at), one.asked_by or "", one.model, one.sent) for one in asked]
    st.dataframe(pd.DataFrame(rows, columns=["When", "Asked by", "Model", "Sent"]), hide_index=True)
else:
    st.caption("Nothing was sent.")
