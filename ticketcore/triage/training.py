"""How the desk learns: from tickets as agents left them, and not more than shows on tickets it has not seen.

Every fifth ticket is the examination: a model made from the others is asked for it, and what it holds there decides
whether it beats the rules, how sure it may say it is, and whether it replaces an earlier one. What answers in the end
is made from all of them. Of tickets whose value nobody ever looked at, none is in the examination.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from ticketcore.suggestion import DEFAULTS, PARTS
from ticketcore.triage import rules
from ticketcore.triage.desk_model import FEATURES, Linear, counts
from ticketcore.triage.knowledge import Exam, Knowledge, Lesson, by_default, by_rules, claims_of, surely
from ticketcore.triage.rules import Hint

CORRECTED, SEEN, UNSEEN = 2.0, 1.0, 0.25
"""What a value counts that an agent chose instead of another one; that an agent saw and left; that nobody looked at."""

EVERY = 5
"""One ticket in so many is the examination."""

FEWEST = 20
"""Tickets in the examination from which on there is a model."""

STRENGTHS = (1.0, 10.0)
"""Inverses of the regularization, `C`: the one that does better in the examination is taken. Where agents agree much is
to be learned from little (10); where they do not, less of the chance in it (1)."""

WARM = (-1.2, 3.0)
"""Logarithms of the lowest and the highest temperature: a few tickets that are all right make nobody certain."""

_ONE = np.array(1, dtype=np.float32)


@dataclass(frozen=True)
class Example:
    """A ticket to learn from: its text, and for each field that is known the value and what that counts."""

    number: int
    text: str
    known: dict[str, tuple[str, float]]


def learn(examples: Sequence[Example], earlier: Knowledge | None = None) -> Knowledge:
    """What the examples teach, in the place of what was known earlier; a worse model never replaces a better one."""
    lessons: dict[str, Lesson] = {}
    final: dict[str, Linear] = {}
    examined: dict[str, Linear] = {}
    counted = counts(example.text for example in examples)
    for part in PARTS:
        pupil = _Pupil(part, examples, counted)
        lesson, pair = pupil.lesson(earlier)
        lessons[part] = lesson
        if pair:
            final[part], examined[part] = pair
    newest = max((example.number for example in examples), default=0)
    return Knowledge(Exam(learned_from=len(examples), newest=newest, lessons=lessons), final, examined)


class _Pupil:
    """One field, and the tickets of which its value is known."""

    def __init__(self, part: str, examples: Sequence[Example], counted: sparse.csr_matrix) -> None:
        self.part = part
        rows = [row for row, example in enumerate(examples) if part in example.known]
        self.counted = counted[rows]
        self.texts = [examples[row].text for row in rows]
        self.truth = np.array([examples[row].known[part][0] for row in rows], dtype=str)
        self.weights = np.array([examples[row].known[part][1] for row in rows])
        apart = np.array([examples[row].number % EVERY == 0 for row in rows], dtype=bool)
        self.exam = np.flatnonzero(apart & (self.weights >= SEEN))
        self.study = np.flatnonzero(~apart)

    def lesson(self, earlier: Knowledge | None) -> tuple[Lesson, tuple[Linear, Linear] | None]:
        """What came out, and the model from all tickets with the one that was examined; None for none."""
        truth = self.truth[self.exam]
        hints = [rules.hint(self.part, text) for text in self.texts]
        ruled = self._ruled(hints)
        looked_at = np.flatnonzero(self.weights >= SEEN)  # all of them: rules learn from none
        lesson = Lesson(
            examined=len(truth), rules_right=int((ruled == truth).sum()), rules_f1=_f1(truth, ruled),
            default_right=int((truth == DEFAULTS[self.part]).sum()),
            claims=claims_of([hints[int(row)] for row in looked_at], self.truth[looked_at], self.part),
        )  # fmt: skip
        before = earlier.examined.get(self.part) if earlier else None
        # Of nothing, of one kind alone and of texts without a word there is nothing to learn.
        if len(truth) < FEWEST or len(set(self.truth[self.study])) < 2 or not self.counted[self.study].nnz:
            if earlier and before and (known := earlier.exam.lessons.get(self.part)):
                return known.model_copy(update={"kept_earlier": True}), (earlier.final[self.part], before)
            return lesson, None
        strength, pupil = max(
            ((strength, self._made(self.study, strength)) for strength in STRENGTHS),
            key=lambda made: (self._answers(made[1]) == truth).sum(),
        )
        is_kept = before is not None and (self._answers(before) == truth).sum() > (self._answers(pupil) == truth).sum()
        if before and earlier and is_kept:
            pupil, everything = self._calibrated(before), earlier.final[self.part]
        else:
            pupil, everything = self._calibrated(pupil), self._made(np.arange(len(self.truth)), strength)
        right = self._answers(pupil) == truth
        is_better = _beats(right, ruled == truth) and _beats(right, truth == DEFAULTS[self.part])
        lesson = lesson.model_copy(
            update={
                "model_right": int(right.sum()), "model_f1": _f1(truth, self._answers(pupil)),
                "in_use": is_better and bool(pupil.trust > 0), "kept_earlier": bool(is_kept),
            }
        )  # fmt: skip
        return lesson, (replace(everything, temperature=pupil.temperature, trust=pupil.trust), pupil)

    def _ruled(self, hints: Sequence[Hint | None]) -> npt.NDArray[np.str_]:
        """What rules and default say in the examination, by what the other tickets tell of them."""
        others = [int(row) for row in self.study if self.weights[row] >= SEEN]
        exam = [hints[int(row)] for row in self.exam]
        claims = claims_of([hints[row] for row in others], self.truth[others], self.part)
        said = [(by_rules(self.part, hint, claims) or by_default(self.part, None, {})).value for hint in exam]
        return np.array(said, dtype=str)

    def _answers(self, linear: Linear) -> npt.NDArray[np.str_]:
        """What a model says in the examination."""
        found: npt.NDArray[np.str_] = linear.values[linear.logits(self.counted[self.exam]).argmax(axis=1)]
        return found

    def _made(self, rows: npt.NDArray[np.int64], strength: float) -> Linear:
        chosen = self.counted[rows]
        transformer = TfidfTransformer(sublinear_tf=True).fit(chosen)
        weighted = transformer.transform(chosen)
        seen = np.unique(weighted.indices)
        regression = LogisticRegression(C=strength, class_weight="balanced", max_iter=200)
        # One thread: for matrices of this size several take four times as long, and leave no processor to anybody else.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # after 200 steps the answers stay what they are
            regression.fit(weighted[:, seen], self.truth[rows], sample_weight=self.weights[rows])
        own, intercepts = regression.coef_, regression.intercept_
        if len(regression.classes_) == 2:  # of two classes scikit-learn keeps one row
            own, intercepts = np.vstack([-own, own]) / 2, np.array([-intercepts[0], intercepts[0]]) / 2
        coefficients = np.zeros((FEATURES, len(regression.classes_)), dtype=np.float32)
        coefficients[seen] = own.T
        return Linear(
            regression.classes_.astype(str), transformer.idf_.astype(np.float32), coefficients,
            intercepts.astype(np.float32), temperature=_ONE, trust=_ONE,
        )  # fmt: skip

    def _calibrated(self, linear: Linear) -> Linear:
        """The model with the temperature that fits the examination, and claims that stay below what it held there."""
        counted, truth = self.counted[self.exam], self.truth[self.exam]
        known = np.flatnonzero(np.isin(truth, linear.values))
        places = np.searchsorted(linear.values, truth[known])
        best = minimize_scalar(
            lambda power: linear.log_loss(counted[known], places, float(np.exp(power))), bounds=WARM, method="bounded"
        )
        warm = replace(linear, temperature=np.array(np.exp(best.x), dtype=np.float32), trust=_ONE)
        chance, claimed = 1 / len(linear.values), float(warm.probabilities(counted).max(axis=1).mean())
        held = surely(int((self._answers(linear) == truth).sum()), len(truth))
        surest = surely(len(truth), len(truth))  # of an answer that was never wrong there
        trust = max(0.0, min((held - chance) / max(claimed - chance, 1e-6), (surest - chance) / (1 - chance)))
        return replace(warm, trust=np.array(trust, dtype=np.float32))


def _beats(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> bool:
    """Whether one is right more often than chance would have it (McNemar's test, at one standard deviation)."""
    more, less = int((one & ~other).sum()), int((other & ~one).sum())
    return more > less and more - less >= sqrt(more + less)


def _f1(truth: npt.NDArray[np.str_], said: npt.NDArray[np.str_]) -> float:
    if not len(truth):
        return 0.0
    return float(f1_score(truth, said, average="macro", labels=np.unique(truth), zero_division=0))
