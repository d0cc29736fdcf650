"""The command line: `python -m ticketcore.learn` learns from the tickets of the desk that the environment names."""

import argparse
import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace

import click

from ticketcore import desk, lessons, processes, settings
from ticketcore.database import Database
from ticketcore.errors import TicketDeskError
from ticketcore.suggestion import PARTS
from ticketcore.triage.knowledge import NOTHING, Knowledge, Lesson, is_due
from ticketcore.triage.training import learn

LOCK = 7_355_609
"""The advisory lock under which the desk learns; any number, the same in every process."""


def main(arguments: list[str] | None = None) -> None:
    """Learns, stores what was learned, and says what came out."""
    parser = argparse.ArgumentParser(prog="python -m ticketcore.learn", description="Learn from the desk's tickets.")
    parser.add_argument("--if-grown", action="store_true", help="only if the desk has grown by a tenth since")
    chosen = parser.parse_args(arguments)
    os.nice(max(0, processes.GENTLY - os.nice(0)))  # whoever waits for a page comes first
    try:
        with contextlib.closing(desk.open_desk(settings.read(), learns=False)) as opened:
            click.echo(_learned(opened.itself.db, if_grown=chosen.if_grown))
    except TicketDeskError as error:
        raise SystemExit(str(error)) from None


def _learned(db: Database, *, if_grown: bool) -> str:
    with _alone(db) as is_alone:
        if not is_alone:
            return "another process is learning already"
        before = lessons.known(db)
        if if_grown and not is_due(before or NOTHING, lessons.newest_ticket(db)):
            return "the desk has not grown by a tenth since"
        found = lessons.gathered(db)
        learned = learn(found.examples, before)
        exam = learned.exam.model_copy(update={"record": found.record, "corrected": found.corrected})
        lessons.store(db, replace(learned, exam=exam))
    return "\n".join([f"learned from {exam.learned_from:,} tickets", *_told(learned)])


def _told(learned: Knowledge) -> Iterator[str]:
    for part in PARTS:
        lesson = learned.exam.lessons[part]
        yield f"{part}: {said(lesson)}"


def said(lesson: Lesson) -> str:
    """What came out for a field, in a sentence."""
    if lesson.model_right is None:
        return f"not enough to make a model ({lesson.examined:,} tickets to examine it with)"
    held = (
        f"right in {lesson.model_right:,} of {lesson.examined:,} held-out tickets, the rules in {lesson.rules_right:,}"
    )
    earlier = "; the earlier model was better and stays" if lesson.kept_earlier else ""
    return f"{'the desk model answers' if lesson.in_use else 'the rules answer'} (the model is {held}){earlier}"


@contextlib.contextmanager
def _alone(db: Database) -> Iterator[bool]:
    """Whether no other process learns meanwhile."""
    connection = db.apart()
    try:
        connection.set_session(autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(%s)", (LOCK,))
            yield cursor.fetchone()[0]
    finally:
        connection.close()


if __name__ == "__main__":
    main()
