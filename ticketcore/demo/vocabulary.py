"""The vocabulary: what people write to a support desk, read from `words/` when a ticket first needs it.

Everything is invented there: names, companies, numbers and addresses (`.example`, RFC 2606).

The files are plain text in sections, each under a heading that begins with `#`. A section of `technical`,
`account`, `billing` and `general` is a topic, one line each:

    # severity weight kind    a topic; `kind` picks the circumstances and requests that suit it
    - title | title           a case of it: titles that say the same
    > sentence | sentence     how its description may begin
    + sentence | sentence     further facts, true of every case of the topic

A section of `phrases` holds `entry | entry` or, by what it is for, `name | entry | entry`; `facts` holds the
latter throughout, and its headings only keep order. A section of `logs` is one log, under its kind.

`{words}` are drawn once for a ticket, so title and description name the same invoice. `{name}` and `{email}`
are whoever writes, `{person}`, `{colleague}` and `{person_email}` somebody else at the same company.
"""

from functools import cache
from importlib import resources
from itertools import accumulate
from typing import NamedTuple

from ticketcore.models import Category


class Topic(NamedTuple):
    """Something that people write about; each case pairs titles with the sentences that suit them."""

    severity: str
    kind: str
    cases: list[tuple[list[str], list[str]]]
    details: list[str]


@cache
def topics(category: Category) -> tuple[list[Topic], list[int]]:
    """What people write about in that category, and how often, as running totals."""
    found: list[Topic] = []
    weights: list[int] = []
    for heading, lines in _sections(category):
        severity, weight, kind = heading.split()
        topic = Topic(severity, kind, [], [])
        for line in lines:
            said = line[2:].split(" | ")
            match line[0]:
                case "-":
                    topic.cases.append((said, []))
                case ">":
                    topic.cases[-1][1].extend(said)
                case "+":
                    topic.details.extend(said)
        found.append(topic)
        weights.append(int(weight))
    return found, list(accumulate(weights))


@cache
def phrases(name: str) -> list[str]:
    """The entries of that section of `phrases`."""
    return [entry for line in _phrases()[name] for entry in line.split(" | ")]


@cache
def phrases_by(name: str) -> dict[str, list[str]]:
    """The entries of that section of `phrases`, by what they are for."""
    return _table(_phrases()[name])


@cache
def words() -> dict[str, list[str]]:
    """What may stand for each word of `facts`."""
    return _table([line for _, lines in _sections("facts") for line in lines])


@cache
def logs() -> dict[str, list[str]]:
    """What people copy into a ticket of each kind; a kind that is missing here has no logs."""
    found: dict[str, list[str]] = {}
    for kind, lines in _sections("logs"):
        found.setdefault(kind, []).append("\n".join(lines))
    return found


@cache
def _phrases() -> dict[str, list[str]]:
    return dict(_sections("phrases"))


def _table(lines: list[str]) -> dict[str, list[str]]:
    """What stands after the first word of each line, under that word."""
    table: dict[str, list[str]] = {}
    for line in lines:
        name, *entries = line.split(" | ")
        table.setdefault(name, []).extend(entries)
    return table


def _sections(name: str) -> list[tuple[str, list[str]]]:
    """The headings of a file, without what a colon explains, and the lines below each."""
    text = (resources.files("ticketcore.demo") / "words" / f"{name}.txt").read_text("utf-8")
    sections: list[tuple[str, list[str]]] = []
    for line in filter(None, text.splitlines()):
        if line.startswith("# "):
            sections.append((line[2:].partition(":")[0], []))
        else:
            sections[-1][1].append(line)
    return sections
