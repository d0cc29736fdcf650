"""The desk's own model: TF-IDF of words and pairs of words, and a logistic regression, as numbers and nothing else.

Words are told apart by their hash (MurmurHash3, the same everywhere), so that no word of anybody's ticket is in a model
and reading one from a store runs no code. To make one is `training`; here it is asked, written and read.
"""

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.feature_extraction.text import HashingVectorizer

from ticketcore.suggestion import DESK_MODEL, PARTS, Opinion
from ticketcore.triage.rules import READ

Floats = npt.NDArray[np.float32]

FEATURES = 2**17
"""So many hashes: of 100,000 tickets every second one stands for words that nobody else has."""

_counting = HashingVectorizer(
    n_features=FEATURES, ngram_range=(1, 2), norm=None, alternate_sign=False, dtype=np.float32
)
_phrases = _counting.build_analyzer()
_each = HashingVectorizer(
    n_features=FEATURES, analyzer=lambda phrase: [phrase], norm=None, alternate_sign=False, dtype=np.float32
)


_TELL_NOTHING = frozenset(
    # As a list they would fill a page.
    "the an and or but of to in on at for from with by as is are was were be been it its this that these those there "  # noqa: SIM905
    "he she they we you me my our your their his her us them do does did have has had will would can could should what "
    "which who when where how if so than then too very just only also am not no".split()
)
"""Words that may weigh something and yet explain nothing."""

BOUNDS = {"temperature": (0.01, 100.0), "trust": (0.0, 1.0)}


class UnreadableError(Exception):
    """What was stored is not a model that this version of the desk can read."""


def counts(texts: Iterable[str]) -> sparse.csr_matrix:
    """How often each phrase stands in each text: texts × `FEATURES`."""
    shortened = [text[:READ] for text in texts]
    return _counting.transform(shortened) if shortened else sparse.csr_matrix((0, FEATURES))


@dataclass(frozen=True)
class Linear:
    """What was learned of one field. Arrays are in the order of `values`, the members of the field's enum."""

    values: npt.NDArray[np.str_]
    idf: Floats
    """FEATURES: how rare each phrase is, as `ln((1 + n) / (1 + df)) + 1`."""
    coefficients: Floats
    """FEATURES × values."""
    intercepts: Floats
    temperature: Floats
    """Scalar, by which logits are divided so that probabilities are what they say (Guo et al. 2017, "On Calibration of
    Modern Neural Networks")."""
    trust: Floats
    """Scalar from 0 to 1: the share of a probability that is not chance, so that no more is claimed than was held."""

    def weighted(self, counted: sparse.csr_matrix) -> sparse.csr_matrix:
        """TF-IDF with sublinear counts, each row of length 1."""
        found = counted.astype(np.float32)
        found.data = (1 + np.log(found.data)) * self.idf[found.indices]
        lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
        return sparse.diags_array(1 / np.maximum(lengths, 1e-9)) @ found

    def logits(self, counted: sparse.csr_matrix) -> Floats:
        """texts × values."""
        return np.asarray(self.weighted(counted) @ self.coefficients + self.intercepts, dtype=np.float32)

    def probabilities(self, counted: sparse.csr_matrix) -> Floats:
        """Calibrated: texts × values."""
        found: Floats = softmax(self.logits(counted) / self.temperature, axis=1)
        return np.asarray(self.trust * found + (1 - self.trust) / len(self.values), dtype=np.float32)

    def log_loss(self, counted: sparse.csr_matrix, places: npt.NDArray[np.int64], temperature: float) -> float:
        """The mean, at this temperature; `places` are those of the right values."""
        return float(-log_softmax(self.logits(counted) / temperature, axis=1)[np.arange(len(places)), places].mean())


Model = Mapping[str, Linear]
"""What was learned, by field; one of which too little is known is not there."""


def opinion(model: Model, part: str, text: str) -> Opinion | None:
    """What the model says of this field for a text; None if it knows nothing of the field or of all the words."""
    linear = model.get(part)
    counted = counts([text])
    if linear is None or not np.any(linear.coefficients[counted.indices]):
        return None
    best = int(linear.logits(counted)[0].argmax())
    (chances,) = linear.probabilities(counted)
    words = _weightiest(linear, best, text)
    return Opinion(PARTS[part](str(linear.values[best])), DESK_MODEL, float(chances[best]), words)


def _weightiest(linear: Linear, best: int, text: str, most: int = 3) -> tuple[str, ...]:
    """The phrases of the text that speak most for this value and least for the others; no word twice."""
    phrases = list(dict.fromkeys(_phrases(text[:READ])))
    places = _each.transform(phrases).indices
    own, mean = linear.coefficients[places, best], linear.coefficients[places].mean(axis=1)
    weights = (own - mean) * linear.idf[places]
    found: list[str] = []
    for place in np.argsort(-weights):
        if weights[place] <= 0 or len(found) == most:
            break
        words = set(phrases[place].split()) - _TELL_NOTHING
        if words and not any(words & set(earlier.split()) for earlier in found):
            found.append(phrases[place])
    return tuple(found)


LARGEST = FEATURES * 5 * 4 + 10_000
"""Bytes that the arrays of one field may take."""

_SMALL = {"idf", "coefficients"}
"""What is written with half the digits: of 3,000 answers none becomes another one by that."""


def written(model: Model) -> bytes:
    """The numbers as a compressed `.npz`."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for part, linear in model.items():
        for field in fields(Linear):
            array = getattr(linear, field.name)
            arrays[f"{part}.{field.name}"] = array.astype(np.float16) if field.name in _SMALL else array
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # its own keyword comes after the arrays
    return buffer.getvalue()


def read(stored: bytes) -> Model:
    """The model whose numbers these are; nothing in them is ever run.

    Raises:
        UnreadableError: they are not those of a model, or of another kind.
    """
    try:
        _check_size(stored)
        with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
            parts = {name.partition(".")[0] for name in arrays.files}
            found = {
                part: Linear(**{field.name: _as_used(arrays[f"{part}.{field.name}"]) for field in fields(Linear)})
                for part in parts
            }
        for part, linear in found.items():
            _check(part, linear)
    except UnreadableError:
        raise
    except Exception as error:  # noqa: BLE001  zip, zlib and numpy have many ways to say that bytes are damaged
        raise UnreadableError(type(error).__name__) from None
    return found


def _check_size(stored: bytes) -> None:
    """Before it is unpacked."""
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        if sum(one.file_size for one in archive.infolist()) > len(PARTS) * LARGEST:
            raise UnreadableError("more than a model can be")


def _as_used(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array if array.dtype.kind == "U" else array.astype(np.float32)


def _check(part: str, linear: Linear) -> None:
    if part not in PARTS or not _are_some(linear.values, PARTS[part]):
        raise UnreadableError(f"{part}: these are not its values")
    values = len(linear.values)
    wanted = {
        "idf": (FEATURES,), "coefficients": (FEATURES, values), "intercepts": (values,),
        "temperature": (), "trust": (),
    }  # fmt: skip
    arrays = {name: getattr(linear, name) for name in wanted}
    if any(one.shape != wanted[name] or one.dtype != np.float32 for name, one in arrays.items()):
        raise UnreadableError(f"{part}: arrays of another shape")
    if not all(np.isfinite(one).all() for one in arrays.values()):
        raise UnreadableError(f"{part}: numbers that are none")
    if not all(least <= arrays[name] <= most for name, (least, most) in BOUNDS.items()):
        raise UnreadableError(f"{part}: numbers out of bounds")


def _are_some(values: npt.NDArray[Any], known: Iterable[str]) -> bool:
    """Whether these are two or more of the known values, in the order in which they are looked up."""
    if values.dtype.kind != "U" or values.ndim != 1 or len(values) < 2:
        return False
    return sorted(set(values.tolist())) == values.tolist() and set(values.tolist()) <= set(known)
