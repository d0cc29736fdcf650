"""The command line: which desk is filled, with how many tickets."""

import argparse
import contextlib
from datetime import datetime

from ticketcore import database, demo, settings
from ticketcore.database import Database
from ticketcore.demo.rhythm import YEAR
from ticketcore.embedded import EmbeddedServer
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
        desk = settings.read()
        with contextlib.ExitStack() as closing:
            if desk.database_url:
                url = desk.database_url.get_secret_value()
            else:
                server = EmbeddedServer(desk.data_folder)
                closing.callback(server.stop)
                url = server.url
            database.wait(url)
            database.migrate(url)
            db = Database(url)
            closing.callback(db.close)
            now = datetime.now(desk.timezone)
            filed = demo.fill(db, chosen.tickets, seed=chosen.seed, now=now, timezone=desk.timezone)
    except StartUpError as error:
        raise SystemExit(str(error)) from None
    print(f"filed {filed:,} tickets from {now - YEAR:%Y-%m-%d} to {now:%Y-%m-%d}")  # noqa: T201 - a command answers
