"""How values and texts are shown: the desk's words, colours and plain text.

Ticket content is somebody's text: it reaches the screen only through `plain` or `as_text`, never as
Markdown or HTML of its own.
"""

import enum
import html
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import humanize
import streamlit as st

from ticketcore.models import Priority, Status
from ticketcore.suggestion import UNCERTAIN, Opinion

PRIORITY_COLOURS = {
    Priority.LOW: "#5b7288",
    Priority.MEDIUM: "#2f6fae",
    Priority.HIGH: "#b05f00",
    Priority.CRITICAL: "#c8372d",
}
"""From calm to alarming. White on each has a contrast of 4.5:1 or more, and each has 3:1 on either ground."""

STATUS_COLOURS = {
    Status.OPEN: "#2f6fae",
    Status.IN_PROGRESS: "#b05f00",
    Status.RESOLVED: "#1f7a49",
    Status.CLOSED: "#666e75",
}

INKS = {"light": "#1b2430", "dark": "#e6eaf0"}
"""The colour of numbers in charts: Vega-Lite would write them in black on either theme."""

_SURE = ((0.95, "almost certain"), (0.8, "very likely"), (UNCERTAIN, "likely"), (0.0, "uncertain"))
"""Probabilities from which on they are called so."""

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


def sureness(opinion: Opinion) -> str:
    """`very likely (84 %)`, as measured on this desk; what is uncertain says so."""
    if opinion.confidence is None:
        return "not measured yet"
    words = next(words for least, words in _SURE if opinion.confidence >= least)
    return f"{words} ({opinion.confidence * 100:.0f}\u00a0%)"


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


def ago(when: datetime) -> str:
    """`2 hours ago`."""
    return humanize.naturaltime(when, when=datetime.now(UTC))


def chip_column(title: str, colours: dict[Any, str]) -> Any:
    """A table column whose one-element lists show as coloured chips."""
    options = [label(value) for value in colours]
    return st.column_config.MultiselectColumn(title, options=options, color=list(colours.values()), width=100)
