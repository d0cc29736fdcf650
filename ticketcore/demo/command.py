"""The command line: which desk is filled, with how many tickets."""

import argparse
import contextlib
from datetime import datetime

from ticketcore import demo, desk, settings
from ticketcore.demo.rhythm import YEAR
from ticketcore.errors import StartUpError


def main(arguments: list[str] | None = None) -> None:
    """Fills the desk that the environment names, or the one in its data folder."""
    parser = argparse.ArgumentParser(
        prog="python -m ticketcore.demo", description="Fill the desk with made-up tickets."
    )
    parser.add_argument("--tickets", type=int, default=2_000, help="how many (2000)")
    parser.add_argument("--seed", type=int, default=7, help="another seed, other tickets (7)")
    chosen = parser.parse_args(arguments)
    if chosen.tickets < 1:
        parser.error("--tickets must be at least 1")
    try:
        with contextlib.closing(desk.open_desk(settings.read(), learns=False)) as opened:
            timezone = opened.settings.timezone
            now = datetime.now(timezone)
            filed = demo.fill(opened.itself.db, chosen.tickets, seed=chosen.seed, now=now, timezone=timezone)
    except StartUpError as error:
        raise SystemExit(str(error)) from None
    print(f"filed {filed:,} tickets from {now - YEAR:%Y-%m-%d} to {now:%Y-%m-%d}")  # noqa: T201 - a command answers
