"""The command line: `python -m ticketcore.importer FILE`, into the desk that the environment names."""

import argparse
import contextlib
import sys
from pathlib import Path

import click

from ticketcore import desk, settings
from ticketcore.errors import TicketDeskError
from ticketcore.importer import Format, Imported, load, names_from

ENDINGS = {".csv": Format.CSV, ".jsonl": Format.JSON_LINES, ".ndjson": Format.JSON_LINES}


def main(arguments: list[str] | None = None) -> None:
    """Imports a file; what it says goes to standard output, and what is wrong to standard error."""
    parser = argparse.ArgumentParser(prog="python -m ticketcore.importer", description="Import tickets from a file.")
    parser.add_argument("file", type=Path, help="CSV with a header, or JSON Lines; in UTF-8")
    parser.add_argument("--format", choices=[kind.value for kind in Format], help="if the file's name does not tell it")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=NAME",
        help="the file's name of a field, as in title=Subject; may be given several times",
    )
    parser.add_argument("--skip-invalid", action="store_true", help="store the good rows even if others are bad")
    chosen = parser.parse_args(arguments)
    kind = Format(chosen.format) if chosen.format else ENDINGS.get(chosen.file.suffix.lower())
    if kind is None:
        parser.error("the name of the file does not tell whether it is csv or jsonl: say --format")
    try:
        answer = _import(chosen.file, kind, names_from(chosen.map), skip_invalid=chosen.skip_invalid)
    except OSError as error:
        raise SystemExit(f"{chosen.file}: {error.strerror or error}") from None
    except TicketDeskError as error:
        raise SystemExit(f"{chosen.file}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"{chosen.file}: stopped") from None
    _report(chosen.file, answer)


def _import(path: Path, kind: Format, names: dict[str, str], *, skip_invalid: bool) -> Imported:
    with path.open("rb") as file, contextlib.closing(desk.open_desk(settings.read(), learns=False)) as opened:
        size = path.stat().st_size
        hidden = not sys.stderr.isatty()
        with click.progressbar(length=size, file=sys.stderr, hidden=hidden, update_min_steps=size // 500 or 1) as bar:
            seen = 0

            def advance(bytes_read: int) -> None:
                nonlocal seen
                bar.update(bytes_read - seen)
                seen = bytes_read

            try:
                return load(opened.itself.db, file, kind, names=names, skip_invalid=skip_invalid, on_progress=advance)
            except KeyboardInterrupt:
                raise SystemExit(f"{path}: stopped; nothing was stored") from None


def _report(path: Path, answer: Imported) -> None:
    for fault in answer.faults:
        for field, message in fault.errors.items():
            click.echo(f"{path}:{fault.line}: {field}: {message}", err=True)
    if answer.ignored_columns:
        click.echo(f"ignored columns: {', '.join(answer.ignored_columns)}")
    if answer.faults and not answer.imported:
        click.echo(f"{len(answer.faults):,} bad rows: nothing was stored", err=True)
        raise SystemExit(1)
    left_out = f", left out {answer.skipped:,} bad rows" if answer.skipped else ""
    click.echo(f"imported {answer.imported:,} tickets{left_out}")


if __name__ == "__main__":
    main()
