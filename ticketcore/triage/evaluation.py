"""How good answers are: accuracy, macro-F1, confusion matrix, calibration and latency of whoever gave them."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

from ticketcore.suggestion import DEFAULT_SOURCE, PARTS, Opinion, default_opinion
from ticketcore.triage import desk_model
from ticketcore.triage.knowledge import NOTHING, Knowledge, is_due, surely
from ticketcore.triage.training import CORRECTED, EVERY, SEEN, Example, learn

BINS = 10
Member = Callable[[str, str], Opinion]
"""What somebody says of a field for a text."""


@dataclass(frozen=True)
class Measured:
    """How somebody did on tickets whose value is known."""

    number: int
    right: int
    f1: float
    """Macro-F1 over the values that occur."""
    claimed: float | None
    """The mean probability that was claimed, of those answers that claimed one; None if none did."""
    held: float | None
    """The share of those answers that were right."""
    error: float | None
    """Expected calibration error: the mean distance between what was claimed and held in ten bins of claims, weighted
    by their size (Naeini, Cooper and Hauskrecht 2015)."""
    p50: float
    """Milliseconds until the answer: the median."""
    p95: float
    values: list[str]
    confusion: list[list[int]]
    """For each value, in rows, how often each was answered."""
    defaults: int
    """Answers that were the default, because nobody had one."""


def measured(part: str, answered: Sequence[tuple[str, Opinion, float]]) -> Measured:
    """How good answers are: the right value, the opinion, and the seconds that it took, of at least one ticket."""
    truth = [true for true, *_ in answered]
    said = [str(opinion.value) for _, opinion, _ in answered]
    values = [str(value) for value in PARTS[part] if value in truth or value in said]
    took = np.array([seconds for *_, seconds in answered]) * 1_000
    claims = [
        (opinion.confidence, opinion.value == true) for true, opinion, _ in answered if opinion.confidence is not None
    ]
    return Measured(
        number=len(truth),
        right=sum(map(str.__eq__, truth, said)),
        f1=float(f1_score(truth, said, average="macro", labels=sorted(set(truth)), zero_division=0)),
        claimed=float(np.mean([claim for claim, _ in claims])) if claims else None,
        held=float(np.mean([right for _, right in claims])) if claims else None,
        error=_calibration_error(claims) if claims else None,
        p50=float(np.percentile(took, 50)),
        p95=float(np.percentile(took, 95)),
        values=values,
        confusion=confusion_matrix(truth, said, labels=values).tolist(),
        defaults=sum(opinion.source == DEFAULT_SOURCE for _, opinion, _ in answered),
    )


def _calibration_error(claims: Sequence[tuple[float, bool]]) -> float:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for claim, right in claims:
        bins.setdefault(min(int(claim * BINS), BINS - 1), []).append((claim, right))
    apart = sum(abs(sum(claim - right for claim, right in some)) for some in bins.values())
    return apart / len(claims)


def members(part: str, known: Knowledge, learned: Iterable[Example]) -> dict[str, Member]:
    """Everybody who answers for a field without a language model; before them the commonest value that was learned."""
    found: dict[str, Member] = {}
    if seen := Counter(example.known[part][0] for example in learned if part in example.known):
        ((commonest, often),) = seen.most_common(1)
        claim = surely(often, seen.total())
        found[f"always {commonest}"] = lambda part, _: Opinion(PARTS[part](commonest), "commonest", claim)
    found["rules"] = known.ruled
    if part in known.final:
        found["desk model"] = lambda part, text: desk_model.opinion(known.final, part, text) or default_opinion(part)
    found["the chain"] = lambda part, text: known.opinions(part, text)[0]
    return found


def asked(part: str, member: Member, held_out: Iterable[Example]) -> list[tuple[str, Opinion, float]]:
    """The right value, what the member says, and the seconds that it took, for each ticket whose value is known."""
    found = []
    for example in held_out:
        if part in example.known:
            began = time.perf_counter()
            opinion = member(part, example.text)
            found.append((example.known[part][0], opinion, time.perf_counter() - began))
    return found


def divided(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Four fifths to learn from and one fifth to be asked about, in random order."""
    mixed = random.Random(seed).sample(examples, len(examples))  # noqa: S311 - a drawing, not a secret
    size = len(mixed) // EVERY
    return mixed[size:], mixed[:size]


def one_by_one(examples: Iterable[Example], part: str) -> Iterator[tuple[bool, Opinion, Knowledge]]:
    """A desk that begins with nothing: for each ticket whether the suggestion was right, the suggestion, what is known.

    An agent corrects what is wrong and leaves what is right. The desk learns as it does when it runs: whenever it has
    grown by a tenth.
    """
    known, filed = NOTHING, list[Example]()
    for number, example in enumerate(examples, start=1):
        opinion = known.opinions(part, example.text)[0]
        truth = example.known[part][0]
        is_right = opinion.value == truth
        yield is_right, opinion, known
        filed.append(Example(number, example.text, {part: (truth, SEEN if is_right else CORRECTED)}))
        if is_due(known, number):
            known = learn(filed, known)
