"""How a title and a description are put together: phrases of the vocabulary, in the manner of whoever writes."""

import random
from datetime import timedelta
from functools import cache

from ticketcore.demo.facts import Facts, day_and_month
from ticketcore.demo.vocabulary import Topic, logs, phrases, phrases_by, topics
from ticketcore.models import Category, Priority
from ticketcore.validation import TITLE_LENGTH

_URGENT = (Priority.HIGH, Priority.CRITICAL)
_EASY = ("wish", "thanks")
_WRITERS = ("name", "name", "person")


def topic(rng: random.Random, category: Category) -> Topic:
    """Something to write about in that category; some things come up more often than others."""
    subjects, weights = topics(category)
    return rng.choices(subjects, cum_weights=weights)[0]


def outage() -> Topic:
    """What everybody writes about on the day of an incident."""
    return next(subject for subject in topics(Category.TECHNICAL)[0] if subject.severity == "severe")


def write(rng: random.Random, subject: Topic, priority: Priority, facts: Facts, *, by_agent: bool) -> tuple[str, str]:
    """A title and a description on that subject, as urgent as `priority`, noted by an agent or sent by a customer."""
    titles, openings = rng.choice(subject.cases)
    opening = rng.choice(openings)
    hurried = rng.random() < 0.07
    title = _dressed(rng, rng.choice(titles), subject, priority) if rng.random() < 0.97 else opening.rstrip(".")
    title = _capital(title.format_map(facts))[:TITLE_LENGTH].strip()
    if hurried:
        title = title.upper() if priority in _URGENT and rng.random() < 0.4 else title.lower()
    sentences = [opening]
    if not hurried or rng.random() < 0.4:
        sentences += _sentences(rng, subject, priority)
    prose = _joined(rng, [_capital(sentence.format_map(facts)) for sentence in sentences])
    if rng.random() < 0.13:
        prose = _with_typos(rng, prose)
    if hurried:
        prose = prose.lower().rstrip(".")
    if rng.random() < 0.04:
        prose = f"{prose} {rng.choice(phrases('emoji')) if subject.kind != 'thanks' else '👍'}"
    parts = [prose]
    if subject.kind in logs() and subject.severity != "calm" and rng.random() < 0.32:
        parts.append(rng.choice(logs()[subject.kind]).format_map(facts))
    if subject.kind in phrases_by("lists") and rng.random() < 0.04:
        parts += _long_story(rng, subject, facts, rng.randint(1_700, 3_600))
    if by_agent and rng.random() < 0.3:
        parts.insert(0, rng.choice(phrases("calls")).format_map(facts))
    elif not hurried and rng.random() < 0.4:
        parts = _framed(rng, parts, facts)
    return title, ("\n\n" if len(parts[-1]) > 60 or rng.random() < 0.5 else "\n").join(parts)


@cache
def _greetings() -> tuple[str, ...]:
    return (*["opened", "closed", "Hello,"] * 6, *phrases_by("frames"))


def _framed(rng: random.Random, parts: list[str], facts: Facts) -> list[str]:
    greeting = rng.choice(_greetings())
    closing = rng.choice(phrases_by("frames")[greeting])
    if greeting == "opened":
        return [closing, *parts]
    signature = f"{closing}\n{facts['name']}" + (f"\n{facts['company']}" if rng.random() < 0.4 else "")
    return [*parts, signature] if greeting == "closed" else [greeting, *parts, signature]


def _dressed(rng: random.Random, title: str, subject: Topic, priority: Priority) -> str:
    dressing = rng.random()
    if subject.kind in _EASY or dressing > 0.3:
        return title
    if dressing < 0.14:
        return f"{rng.choice(phrases_by('prefixes')[priority])} {title}"
    return title if title.endswith((")", "?", "!")) else rng.choice(phrases("suffixes")).replace("…", title)


def _sentences(rng: random.Random, subject: Topic, priority: Priority) -> list[str]:
    details = min(len(subject.details), int(rng.expovariate(0.75)))
    sentences = rng.sample(subject.details, details)
    if rng.random() < 0.4:
        sentences.append(rng.choice(phrases_by("circumstances")[subject.kind]))
    urgent = priority in _URGENT
    credible = subject.kind not in _EASY and not (urgent and subject.severity == "calm")
    if credible and rng.random() < (0.6 if urgent else 0.2):
        sentences.append(rng.choice(phrases_by("impact")[priority]))
    if rng.random() < 0.45:
        sentences.append(rng.choice(phrases_by("requests")[subject.kind]))
    return sentences


def _joined(rng: random.Random, sentences: list[str]) -> str:
    if len(sentences) > 2 and rng.random() < 0.3:
        middle = rng.randint(1, len(sentences) - 1)
        return " ".join(sentences[:middle]) + rng.choice(("\n", "\n\n")) + " ".join(sentences[middle:])
    return " ".join(sentences)


def _long_story(rng: random.Random, subject: Topic, facts: Facts, length: int) -> list[str]:
    """The paragraphs of a ticket that somebody took an hour to write: lists, logs, and what was said before."""

    def lines(templates: list[str], most: int) -> list[str]:
        return [
            rng.choice(templates).format_map(Facts(rng, facts.at, {"head": facts["head"]}))
            for _ in range(rng.randint(6, most))
        ]

    parts: list[str] = []
    if subject.kind == "wish" or rng.random() < 0.6:
        parts.append("\n- ".join((rng.choice(phrases("list heads")), *lines(phrases_by("lists")[subject.kind], 20))))
    if subject.kind in logs() and rng.random() < 0.8:
        parts.append("\n".join(("From the log:", *sorted(lines(phrases("log"), 24)))))
    answers, replies = _shuffled(rng, phrases("answers")), _shuffled(rng, phrases("replies"))
    day = facts.at
    facts_known = [*subject.details, *phrases_by("circumstances")[subject.kind]]
    while answers and subject.kind != "wish" and sum(map(len, parts)) < length:
        day -= timedelta(days=rng.randint(1, 6))
        said = [answers.pop(), rng.choice(facts_known), answers.pop()]
        quoted = "\n".join(f"> {_capital(sentence.format_map(facts))}" for sentence in said)
        earlier = f"\n>\n> > {replies.pop()}" if replies else ""
        parts.append(f"On {day_and_month(day)}, {facts[rng.choice(_WRITERS)]} wrote:\n{quoted}{earlier}")
    return parts


def _shuffled(rng: random.Random, entries: list[str]) -> list[str]:
    return rng.sample(entries, len(entries))


def _with_typos(rng: random.Random, prose: str) -> str:
    words = prose.split(" ")
    for place in rng.choices(range(len(words)), k=rng.randint(1, 3)):
        word = words[place]
        if len(word) > 4 and word.isalpha() and word.islower():
            cut = rng.randint(1, len(word) - 2)
            slip = rng.choice((word[cut + 1] + word[cut], word[cut], word[cut] + word[cut] + word[cut + 1]))
            words[place] = word[:cut] + slip + word[cut + 2 :]
    return " ".join(words)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
