"""The command line: `python -m ticketcore.evaluate FILE` measures everybody who suggests on tickets that are sorted.

A fifth of the file is held out: the desk model learns from the rest, and everybody is asked about that fifth.
"""

import argparse
import contextlib
import random
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pandas as pd

from ticketcore import desk, lessons, settings
from ticketcore.classifier import AT_ONCE, Classifier
from ticketcore.errors import TicketDeskError
from ticketcore.suggestion import DESK_MODEL, PARTS, Opinion, Suggestion
from ticketcore.triage.evaluation import Measured, asked, divided, measured, members, one_by_one
from ticketcore.triage.knowledge import NOTHING, Knowledge
from ticketcore.triage.training import EVERY, SEEN, Example, learn

STEP = 500
"""Tickets after which `--one-by-one` says how it goes."""


def main(arguments: list[str] | None = None) -> None:
    """Reads the file, measures, and prints what came out."""
    parser = argparse.ArgumentParser(
        prog="python -m ticketcore.evaluate", description="Measure suggestions on tickets whose values are known."
    )
    parser.add_argument("file", type=Path, help="CSV with a header: description, category and/or priority; title")
    parser.add_argument("--seed", type=int, default=1, help="which fifth is held out; 1 unless told")
    parser.add_argument(
        "--limit", type=_number, default=0, help="held-out tickets that the language model is asked about"
    )
    parser.add_argument("--stored", action="store_true", help="ask what the desk has learned, about the whole file")
    parser.add_argument(
        "--one-by-one", type=_number, metavar="N",
        help="instead: file N tickets in random order at a new desk, whose agent corrects what is wrong",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    try:
        examples = _read(chosen.file)
        if chosen.one_by_one:
            _grow(examples, chosen.one_by_one, chosen.seed)
        else:
            _evaluate(examples, chosen.seed, limit=chosen.limit, stored=chosen.stored)
    except OSError as error:
        raise SystemExit(f"{chosen.file}: {error.strerror or error}") from None
    except (ValueError, TicketDeskError) as error:
        raise SystemExit(f"{chosen.file}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("stopped") from None


def _number(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError
    return number


def _read(path: Path) -> list[Example]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of values beyond the last column
            frame = pd.read_csv(file, dtype=str, keep_default_na=False, index_col=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise ValueError(f"is not a CSV file in UTF-8: {error}") from None
    if "description" not in frame or not frame.columns.intersection(list(PARTS)).size:
        raise ValueError("needs a column description, and a column category or priority")
    examples = []
    for number, row in enumerate(frame.to_dict("records"), start=1):
        known = {}
        for part, kind in PARTS.items():
            if value := row.get(part, "").strip():
                if value not in set(kind):
                    raise ValueError(f"row {number}: {part}: {value!r} is none of {', '.join(kind)}")
                known[part] = (value, SEEN)
        text = f"{row.get('title', '')}\n{row['description']}".strip()
        if known and text:
            examples.append(Example(number, text, known))
    if not examples:
        raise ValueError("has no ticket whose category or priority is known")
    return examples


def _grow(examples: Sequence[Example], number: int, seed: int) -> None:
    known = [example for example in examples if "category" in example.known]
    if number > len(known):
        raise ValueError(f"has {len(known):,} tickets with a category")
    mixed = random.Random(seed).sample(known, number)  # noqa: S311 - a drawing, not a secret
    right: list[bool] = []
    sources: list[str] = []
    for is_right, opinion, _ in one_by_one(mixed, "category"):
        right.append(is_right)
        sources.append(opinion.source)
        if len(right) % STEP == 0 or len(right) == number:
            some = right[-STEP:]
            by_model = sum(source == DESK_MODEL for source in sources[-STEP:])
            click.echo(
                f"tickets {len(right) - len(some) + 1:,}–{len(right):,}: right {sum(some) / len(some):.3f}, "
                f"{by_model:,} by the desk model"
            )


def _evaluate(examples: Sequence[Example], seed: int, *, limit: int, stored: bool) -> None:
    if len(examples) < EVERY:
        raise ValueError(f"has {len(examples)} tickets whose category or priority is known; it needs {EVERY} or more")
    learned, held_out = ([], list(examples)) if stored else divided(examples, seed)
    known = _stored() if stored else _learned(learned)
    told = _model_asked(held_out[:limit]) if limit else {}
    for part in PARTS:
        some = [example for example in held_out if part in example.known]
        if not some:
            continue
        whose = "tickets, among which may be some that the desk learned from" if stored else "held-out tickets"
        click.echo(f"\n{part.upper()}: {len(some):,} {whose}")
        for name, member in members(part, known, learned).items():
            _print(name, measured(part, asked(part, member, some)))
        answered = [one for one in told.get(part, []) if not one[1].is_default]
        if answered:
            _print(f"language model ({len(answered):,} of them)", measured(part, answered))
        if missing := len(told.get(part, [])) - len(answered):
            click.echo(f"\n  language model: no answer to {missing:,}")
    if not limit:
        click.echo("\nThe language model was not asked; --limit 100 asks it about 100 tickets.")


def _learned(examples: Sequence[Example]) -> Knowledge:
    began = time.perf_counter()
    known = learn(examples)
    click.echo(f"learned from {len(examples):,} tickets in {time.perf_counter() - began:.1f} s")
    return known


def _stored() -> Knowledge:
    with contextlib.closing(desk.open_desk(settings.read(), learns=False)) as opened:
        return lessons.known(opened.itself.db) or NOTHING


def _model_asked(held_out: Sequence[Example]) -> dict[str, list[tuple[str, Opinion, float]]]:
    """What the language model says about these tickets, with the seconds that it took; some at a time."""
    answered: dict[str, list[tuple[str, Opinion, float]]] = {part: [] for part in PARTS}
    with contextlib.closing(Classifier(settings.read())) as classifier:
        if not classifier.is_configured:
            raise ValueError("--limit needs a language model: OPENAI_API_KEY is not set")
        bar = click.progressbar(length=len(held_out), label=f"asking {classifier.model}")
        with bar, ThreadPoolExecutor(AT_ONCE) as threads:
            for example, (suggestion, seconds) in zip(
                held_out, threads.map(lambda one: _timed(classifier, one.text), held_out), strict=True
            ):
                for part, (truth, _) in example.known.items():
                    answered[part].append((truth, suggestion.on(part), seconds))
                bar.update(1)
    return answered


def _timed(classifier: Classifier, text: str) -> tuple[Suggestion, float]:
    began = time.perf_counter()
    return classifier.suggest(text), time.perf_counter() - began


def _print(name: str, one: Measured) -> None:
    error = (one.right / one.number * (1 - one.right / one.number) / one.number) ** 0.5
    click.echo(f"\n  {name}: accuracy {one.right / one.number:.3f} ± {error:.3f}, macro-F1 {one.f1:.3f}")
    if one.claimed is None:
        click.echo("    claims no probability")
    else:
        click.echo(
            f"    claims {one.claimed:.3f} on average, holds {one.held:.3f}; expected calibration error {one.error:.3f}"
        )
    click.echo(
        f"    answers in {one.p50:.2f} ms (median), {one.p95:.2f} ms (95th percentile); {one.defaults:,} defaults"
    )
    width = max(len(value) for value in [*one.values, "is \\ said"]) + 2
    click.echo("    " + "".join(f"{value:>{width}}" for value in ["is \\ said", *one.values]))
    for value, numbers in zip(one.values, one.confusion, strict=True):
        click.echo("    " + f"{value:>{width}}" + "".join(f"{number:>{width},}" for number in numbers))


if __name__ == "__main__":
    main()
