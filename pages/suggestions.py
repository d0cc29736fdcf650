"""Suggestions: a lead wants to know who suggests, how good that is, and whether another one would be better."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from ticketcore import comparison
from ticketcore.suggestion import PARTS
from ticketcore.triage.knowledge import FIRST
from ticketcore.ui import me, pages, tables
from ticketcore.ui.words import label, plain

LAST = timedelta(days=90)


def share(right: int | None, number: int) -> str:
    """`84 % (336 of 400)`."""
    return "–" if right is None or not number else f"{right / number * 100:.0f} % ({right:,} of {number:,})"


desk = me.desk()
known = desk.knowledge
exam = known.exam if known else None

st.subheader("Who suggests")
if desk.settings.openai_api_key:
    st.markdown(
        f"First the language model **{plain(desk.settings.openai_model)}**; where it does not answer, the desk."
    )
else:
    st.markdown("No language model is configured: the desk suggests by itself.")
if exam is None or not exam.learned_from:
    st.caption(
        f"The desk has not learned from its tickets yet, so rules suggest: it first does when it has {FIRST} tickets, "
        "and again whenever it has grown by a tenth."
    )
else:
    st.caption(
        f"The desk learned from its newest {exam.learned_from:,} tickets, as agents left them. Every fifth of them was "
        "held out: what is right below was counted on those, of which the model had seen none."
    )
    lessons = [exam.lessons[part] for part in PARTS]
    tables.show(
        ("Held out", *map(label, PARTS)),
        [
            ("Who answers", *("Desk model" if one.in_use else "Rules" for one in lessons)),
            ("Desk model", *(share(one.model_right, one.examined) for one in lessons)),
            ("Rules", *(share(one.rules_right, one.examined) for one in lessons)),
            ("Always the default", *(share(one.default_right, one.examined) for one in lessons)),
            (
                "Macro-F1 of the desk model",
                *("–" if one.model_f1 is None else f"{one.model_f1:.2f}" for one in lessons),
            ),
            ("Macro-F1 of rules", *(f"{one.rules_f1:.2f}" for one in lessons)),
        ],
    )
    st.caption(
        "The desk model answers where it beats rules and default by more than chance. The priority is much harder to "
        "tell from a text than the category; explicit wording (“production is down”, “no rush”) goes before the model, "
        "unless such words are known to hold less here."
    )

st.subheader("What agents made of suggestions")
record = exam.record if exam else {}
if record:
    st.caption("Of the suggestions on tickets that an agent filed or worked on, the share that is still as suggested.")
    tables.show(
        ("Source", *(f"{label(part)} kept" for part in PARTS)),
        [
            (source, *(
                share(*(sum(pair[place] for pair in parts.get(part, {}).values()) for place in (0, 1)))
                for part in PARTS
            ))
            for source, parts in sorted(record.items())
        ],
    )  # fmt: skip
st.page_link(
    pages.page("stats"), label="Kept and corrected over time, by source and category", icon=":material/bar_chart:"
)

st.subheader("A second opinion, silently")
found = comparison.pairs(desk.db, datetime.now(UTC) - LAST)
if found:
    st.caption(
        f"Of the tickets of the last {LAST.days} days: how often the one that agents were shown was right, and how "
        "often the one that nobody was shown. Agents tend to leave what they are shown; where the two differ says most."
    )
    tables.show(
        ("Shown", "Silent", "Of", "Shown was right", "Silent was right", "They differ", "Shown right there", "Silent"),
        [
            (
                pair.shown, pair.silent, label(pair.part), share(pair.shown_right, pair.number),
                share(pair.silent_right, pair.number), f"{pair.differ:,}",
                share(pair.shown_right_there, pair.differ), share(pair.silent_right_there, pair.differ),
            )
            for pair in found
        ],
    )  # fmt: skip
elif desk.settings.suggestion_shadow != "0":
    st.caption("A second member of the chain is asked as well; nothing was filed since.")
else:
    st.caption(
        "With SUGGESTION_SHADOW=1 the next member of the chain is asked as well, without anybody being shown its "
        "answer, so that the two can be compared here; with SUGGESTION_SHADOW=model the desk itself suggests, and "
        "the language model is the one that is not shown."
    )
