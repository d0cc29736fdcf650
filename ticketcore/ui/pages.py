"""The pages of the desk: what navigation and links name.

To make one takes a look at each folder on the way to its file; each look lets others compute first, which under load
adds up to a tenth of a second. So each is made once, and everybody gets a copy.
"""

import copy
from functools import lru_cache
from typing import Any

import streamlit as st
from streamlit.navigation.page import StreamlitPage

_DECLARED: dict[str, dict[str, Any]] = {
    "submit": {
        "title": "File a ticket", "icon": ":material/add_circle:", "default": True,
        "help": "Describe a problem; category and priority are suggested while you write.",
    },
    "browse": {
        "title": "Tickets", "icon": ":material/inbox:", "url_path": "tickets",
        "help": "Find tickets by text, field and date, and change their status.",
    },
    "stats": {
        "title": "Stats", "icon": ":material/bar_chart:", "url_path": "stats",
        "help": "How many tickets there are, and of what kind.",
    },
    "ticket": {"title": "Ticket", "url_path": "ticket", "visibility": "hidden"},
    "suggestions": {
        "title": "Suggestions", "icon": ":material/auto_awesome:", "url_path": "suggestions",
        "help": "Who suggests category and priority, and how good that is.",
    },
    "access": {
        "title": "Access", "icon": ":material/key:", "url_path": "access",
        "help": "Tokens for the API, and what language models were sent.",
    },
}  # fmt: skip


def page(name: str) -> StreamlitPage:
    """The page in the file of this name in `pages`."""
    return copy.copy(_made(name))


@lru_cache
def _made(name: str) -> StreamlitPage:
    return st.Page(f"{name}.py", **_DECLARED[name])
