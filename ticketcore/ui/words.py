"""How values and texts are shown: the desk's words, colours and plain text.

Ticket content is somebody's text: it reaches the screen only through `plain` or `as_text`, never as
Markdown or HTML of its own.
"""

import enum
import html
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from ticketcore.models import Priority, Status

PRIORITY_COLOURS = {
    Priority.LOW: "#7a93ac",
    Priority.MEDIUM: "#3b82c4",
    Priority.HIGH: "#e08a1e",
    Priority.CRITICAL: "#c8372d",
}
"""From calm to alarming; told apart by lightness as well as by hue."""

STATUS_COLOURS = {
    Status.OPEN: "#3b82c4",
    Status.IN_PROGRESS: "#e08a1e",
    Status.RESOLVED: "#2f8f5b",
    Status.CLOSED: "#7a8288",
}

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_REPLACED = re.compile(r"(?<=[:@])(?=\S)|(?<=www)(?=\.)|(?<=[-<>=~])(?=[-<>=~])", re.IGNORECASE)
"""Where Streamlit turns text into emoji, icons, links and arrows even when it is escaped."""


def label(value: enum.StrEnum | str) -> str:
    """`in_progress` as "In progress"."""
    return str(value).replace("_", " ").capitalize()


def plain(text: str) -> str:
    """`text` escaped for a place that reads Markdown, so that it shows as the characters it consists of.

    Where escaping is not enough it holds a word joiner, U+2060, which nobody sees.
    """
    return _PUNCTUATION.sub(r"\\\1", _REPLACED.sub("\u2060", " ".join(text.split())))


def complaint(field: str, message: str) -> str:
    """What is wrong with a field, as a sentence: "Title must not be blank"."""
    return plain(f"{label(field)} {message}" if field and message[:1].islower() else message)


def as_text(text: str, *, size: str = "1rem", weight: int = 400) -> None:
    """Shows `text` as it is: its own line breaks, no markup, long words broken."""
    st.html(
        f'<div style="white-space: pre-wrap; overflow-wrap: anywhere; font-size: {size}; font-weight: {weight}">'
        f"{html.escape(text)}</div>"
    )


def viewer_zone() -> ZoneInfo:
    """The time zone of the person who looks; UTC where the browser does not say."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError):
        return ZoneInfo("UTC")


def moment(when: datetime) -> str:
    """`23 Nov 2026, 18:09`, in the viewer's zone."""
    return f"{when.astimezone(viewer_zone()):%d %b %Y, %H:%M}"


def chip_column(title: str, colours: dict[Any, str]) -> Any:
    """A table column whose one-element lists show as coloured chips."""
    options = [label(value) for value in colours]
    return st.column_config.MultiselectColumn(title, options=options, color=list(colours.values()), width=100)
