"""Whoever changes a ticket, and however: its version, its times and its history are true."""

from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle import CATEGORIES, PRIORITIES, STATUSES, put
from ticketcore.database import Database
from ticketcore.models import Source

pytestmark = pytest.mark.usefixtures("db")

DONE = ("resolved", "closed")


def facts(sql: sa.Connection, ticket: int) -> sa.Row[Any]:
    return sql.execute(
        sa.text("""
            select title, description, category::text, priority::text, status::text,
                   version, created_at, updated_at, resolved_at, assignee, reporter, first_response_at
            from tickets where id = :id"""),
        {"id": ticket},
    ).one()


def events(sql: sa.Connection, ticket: int) -> list[sa.Row[Any]]:
    return list(
        sql.execute(
            sa.text("""
                select kind, field, old_value, new_value, source, actor, at, settled_at
                from ticket_events where ticket_id = :id order by id"""),
            {"id": ticket},
        )
    )


def changes(sql: sa.Connection, ticket: int) -> list[tuple[Any, ...]]:
    """What the history says was changed: field, old value, new value."""
    return [tuple(event[1:4]) for event in events(sql, ticket) if event.kind == "changed"]


def file(sql: sa.Connection, **fields: Any) -> int:
    return put(sql, [fields])[0].id


def test_a_ticket_filed_in_psql_begins_its_history_with_the_status_it_began_with(sql: sa.Connection) -> None:
    ticket = file(sql, status="in_progress")
    (event,) = events(sql, ticket)
    user = sql.exec_driver_sql("select session_user::text").scalar()
    assert tuple(event[:6]) == ("created", "status", None, "in_progress", "sql", user)
    now = facts(sql, ticket)
    assert event.at == now.created_at == now.updated_at
    assert (now.version, now.resolved_at) == (1, None)


@pytest.mark.parametrize("status", STATUSES)
def test_a_ticket_that_begins_done_is_resolved_when_it_is_created(sql: sa.Connection, status: str) -> None:
    now = facts(sql, file(sql, status=status))
    assert now.resolved_at == (now.created_at if status in DONE else None)


def test_version_and_times_cannot_be_made_up(sql: sa.Connection) -> None:
    ticket = sql.exec_driver_sql("""
        insert into tickets (title, description, category, priority, version, updated_at, resolved_at)
        values ('A', 'B', 'billing', 'low', 70, '1999-01-01Z', '1999-01-01Z') returning id""").scalar_one()
    before = facts(sql, ticket)
    assert (before.version, before.updated_at, before.resolved_at) == (1, before.created_at, None)
    sql.exec_driver_sql("update tickets set version = 70, updated_at = '1999-01-01Z', resolved_at = '1999-01-01Z'")
    assert facts(sql, ticket) == before
    sql.exec_driver_sql("update tickets set version = 70, updated_at = '1999-01-01Z', status = 'closed'")
    after = facts(sql, ticket)
    assert after.version == 2
    assert after.updated_at == after.resolved_at > before.updated_at


def test_a_first_response_cannot_be_made_up_or_taken_away(db: Database, sql: sa.Connection) -> None:
    ticket = file(sql)
    sql.exec_driver_sql("update tickets set first_response_at = '1999-01-01Z', status = 'in_progress'")
    assert facts(sql, ticket).first_response_at is None
    with db.write(Source.DASHBOARD) as connection:
        connection.exec_driver_sql("update tickets set status = 'resolved'")
    responded = facts(sql, ticket)
    assert responded.first_response_at == responded.updated_at
    for made_up in ("null", "'1999-01-01Z'"):
        sql.exec_driver_sql(f"update tickets set first_response_at = {made_up}, title = title || '!'")
        assert facts(sql, ticket).first_response_at == responded.first_response_at


@pytest.mark.parametrize("later", ["a note", "a change of status"])
def test_the_first_response_is_the_earliest_whichever_is_written_first(
    db: Database, sql: sa.Connection, later: str
) -> None:
    """A note has its time before it waits for whoever holds the ticket; it is written when that is done."""
    ticket = file(sql)
    note = sa.text("""
        insert into ticket_events (ticket_id, at, source, kind, field, new_value)
        values (:id, clock_timestamp() + :ahead, 'dashboard', 'noted', 'note', 'Called back.')""")
    if later == "a note":
        sql.execute(note, {"id": ticket, "ahead": timedelta(hours=1)})
    else:
        with db.write(Source.DASHBOARD) as connection:
            connection.exec_driver_sql("update tickets set status = 'in_progress'")
    sql.execute(note, {"id": ticket, "ahead": timedelta(hours=-1)})
    sql.execute(note, {"id": ticket, "ahead": timedelta(hours=2)})
    earliest = sql.exec_driver_sql("select min(at) from ticket_events where kind <> 'created'").scalar()
    assert facts(sql, ticket).first_response_at == earliest


def test_a_change_in_psql_moves_version_and_time_and_is_recorded_under_the_users_name(sql: sa.Connection) -> None:
    ticket = file(sql, title="Before")
    before = facts(sql, ticket)
    sql.exec_driver_sql("update tickets set title = 'After'")
    after = facts(sql, ticket)
    assert (after.title, after.version) == ("After", 2)
    assert after.updated_at > before.updated_at
    assert after.created_at == before.created_at
    event = events(sql, ticket)[-1]
    user = sql.exec_driver_sql("select session_user::text").scalar()
    assert tuple(event[:6]) == ("changed", "title", "Before", "After", "sql", user)
    assert event.at == after.updated_at


@pytest.mark.parametrize(
    ("source", "actor", "recorded"),
    [
        (Source.DASHBOARD, "Amara Okafor", "Amara Okafor"),
        (Source.API, None, None),
        (Source.IMPORT, "", None),
        (Source.DASHBOARD, "O'Brien; drop table tickets -- 😀", "O'Brien; drop table tickets -- 😀"),
    ],
)
def test_what_ticketcore_writes_is_recorded_with_its_door_and_its_actor(
    db: Database, sql: sa.Connection, source: Source, actor: str | None, recorded: str | None
) -> None:
    ticket = file(sql)
    with db.write(source, actor) as connection:
        connection.exec_driver_sql("update tickets set priority = 'critical'")
        new = connection.exec_driver_sql(
            "insert into tickets (title, description, category, priority) values ('A', 'B', 'billing', 'low')"
            " returning id"
        ).scalar_one()
    assert tuple(events(sql, ticket)[-1][4:6]) == (source, recorded)
    assert tuple(events(sql, new)[0][4:6]) == (source, recorded)


def test_a_door_is_closed_again_when_the_transaction_ends(db: Database, sql: sa.Connection) -> None:
    """The pool hands out the same connection next; nothing of the last writer may stick to it."""
    ticket = file(sql)
    with db.write(Source.API, "Somebody") as connection:
        before = connection.exec_driver_sql("select pg_backend_pid()").scalar()
        connection.exec_driver_sql("update tickets set title = 'One'")
    with db.read() as connection:
        assert connection.exec_driver_sql("select pg_backend_pid()").scalar() == before
        connection.exec_driver_sql("update tickets set title = 'Two'")
    user = sql.exec_driver_sql("select session_user::text").scalar()
    assert [tuple(event[4:6]) for event in events(sql, ticket)[1:]] == [("api", "Somebody"), ("sql", user)]


def test_a_made_up_door_is_refused(sql: sa.Connection) -> None:
    file(sql)
    sql.exec_driver_sql("select set_config('desk.source', 'telephone', false)")
    with pytest.raises(sa.exc.IntegrityError, match="source_known"):
        sql.exec_driver_sql("update tickets set title = 'Mine'")


def test_several_fields_in_one_change_are_one_version_and_an_entry_each(sql: sa.Connection) -> None:
    ticket = file(sql, title="A", description="B", category="billing", priority="low")
    sql.exec_driver_sql("""
        update tickets set title = 'C', description = 'D', category = 'account', priority = 'low', status = 'closed'""")
    assert sorted(changes(sql, ticket)) == [
        ("category", "billing", "account"),
        ("description", "B", "D"),
        ("status", "open", "closed"),
        ("title", "A", "C"),
    ]
    assert facts(sql, ticket).version == 2
    assert len({event.at for event in events(sql, ticket)[1:]}) == 1


def test_a_change_that_changes_nothing_is_none(sql: sa.Connection) -> None:
    ticket = file(sql, status="resolved")
    before, history = facts(sql, ticket), events(sql, ticket)
    sql.exec_driver_sql("update tickets set title = title, status = 'resolved', priority = priority")
    assert facts(sql, ticket) == before
    assert events(sql, ticket) == history


def test_a_bulk_change_records_each_ticket_that_it_changed_and_no_other(sql: sa.Connection) -> None:
    rows = put(sql, [{"priority": PRIORITIES[number % 4], "title": f"No {number}"} for number in range(40)])
    sql.exec_driver_sql("update tickets set priority = 'high', title = title || '!' where mod(id, 2) = 0")
    sql.exec_driver_sql("update tickets set priority = 'high'")
    for row in rows:
        renamed = [("title", row.title, row.title + "!")] if row.id % 2 == 0 else []
        raised = [("priority", row.priority, "high")] if row.priority != "high" else []
        assert sorted(changes(sql, row.id)) == raised + renamed
        assert facts(sql, row.id).version == (2 if renamed or raised else 1)


def test_a_reopened_ticket_is_not_resolved_and_resolving_it_again_counts_from_then(sql: sa.Connection) -> None:
    ticket = file(sql)
    times: list[tuple[str, datetime | None, datetime]] = []
    for status in ("in_progress", "resolved", "closed", "open", "closed", "resolved"):
        sql.execute(sa.text("update tickets set status = cast(:status as ticket_status)"), {"status": status})
        now = facts(sql, ticket)
        times.append((status, now.resolved_at, now.updated_at))
    (_, started, _), (_, resolved, at), (_, closed, _), (_, reopened, _), (_, again, then), (_, still, _) = times
    assert started is None
    assert resolved == closed == at
    assert reopened is None
    assert again == still == then > at
    steps = ["open", "in_progress", "resolved", "closed", "open", "closed", "resolved"]
    assert changes(sql, ticket) == [("status", old, new) for old, new in pairwise(steps)]


def test_another_change_of_a_resolved_ticket_keeps_its_resolution_time(sql: sa.Connection) -> None:
    ticket = file(sql, status="resolved")
    before = facts(sql, ticket)
    sql.exec_driver_sql("update tickets set title = 'Renamed'")
    after = facts(sql, ticket)
    assert after.resolved_at == before.resolved_at
    assert after.updated_at > before.updated_at


def test_a_rolled_back_change_leaves_no_trace(db: Database, sql: sa.Connection) -> None:
    ticket = file(sql)
    before, history = facts(sql, ticket), events(sql, ticket)

    def change_and_fail() -> None:
        with db.write(Source.API) as connection:
            connection.exec_driver_sql("update tickets set status = 'closed'")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert facts(sql, ticket) == before
    assert events(sql, ticket) == history


def test_time_never_runs_backwards_on_a_ticket_whose_clock_was_ahead(sql: sa.Connection) -> None:
    ticket = sql.exec_driver_sql("""
        insert into tickets (title, description, category, priority, created_at)
        values ('A', 'B', 'billing', 'low', now() + interval '1 hour') returning id""").scalar_one()
    sql.exec_driver_sql("update tickets set status = 'resolved'")
    now = facts(sql, ticket)
    assert now.created_at <= now.updated_at
    assert now.created_at <= now.resolved_at


FIELDS = {
    "title": ("A", "B", "C"),
    "description": ("D", "E"),
    "category": CATEGORIES,
    "priority": PRIORITIES,
    "status": STATUSES,
    "assignee": (None, "Ann", "Ben"),
    "reporter": (None, "j.doe@example.com"),
}
TYPES = {"category": "ticket_category", "priority": "ticket_priority", "status": "ticket_status"}

steps = st.fixed_dictionaries(
    {
        "kept": st.booleans(),
        "door": st.sampled_from([None, *Source]),
        "actor": st.sampled_from(["Me", None]),
        "noted": st.booleans(),
    },
    optional={field: st.sampled_from(words) for field, words in FIELDS.items()},
)


class TakenBackError(Exception):
    """What ends a change that is not to be kept."""


def change(db: Database, sql: sa.Connection, ticket: int, values: dict[str, str], step: dict[str, Any]) -> None:
    """Changes the ticket through the step's door, in psql's way where it has none; without `kept` it is taken back."""
    assignments = ", ".join(f"{name} = cast(:{name} as {TYPES.get(name, 'text')})" for name in values)
    statements = [sa.text(f"update tickets set {assignments} where id = :id")] if values else []
    if step["noted"]:
        statements.append(NOTE)
    if step["door"]:
        with suppress(TakenBackError), db.write(step["door"], step["actor"]) as connection:
            for statement in statements:
                connection.execute(statement, {**values, "id": ticket})
            if not step["kept"]:
                raise TakenBackError
    else:
        sql.exec_driver_sql("begin")
        for statement in statements:
            sql.execute(statement, {**values, "id": ticket})
        sql.exec_driver_sql("commit" if step["kept"] else "rollback")


NOTE = sa.text("""
    insert into ticket_events (ticket_id, at, actor, source, kind, field, new_value)
    values (:id, clock_timestamp(), desk_actor(), desk_source(), 'noted', 'note', 'Called back.')""")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(STATUSES), st.lists(steps, max_size=12))
def test_the_history_of_any_walk_of_changes_replays_to_the_ticket_as_it_is(
    db: Database, sql: sa.Connection, first: str, walk: list[dict[str, Any]]
) -> None:
    """Each example files a ticket of its own, so what earlier ones left in the table does not matter."""
    fields = {"title": "A", "description": "D", "category": "billing", "priority": "low", "status": first}
    fields |= {"assignee": None, "reporter": None}
    ticket = file(sql, **fields)
    done = [(None, None, None)]
    for step in walk:
        values = {field: step[field] for field in FIELDS if field in step}
        change(db, sql, ticket, values, step)
        if step["kept"] and any(fields[field] != value for field, value in values.items()):
            changed = {field: value for field, value in values.items() if fields[field] != value}
            done.append((step["door"], step["actor"], changed))
            fields |= values

    now, history = facts(sql, ticket), events(sql, ticket)
    assert dict(zip(FIELDS, (*now[:5], now.assignee, now.reporter), strict=True)) == fields
    assert now.version == len(done)
    assert now.updated_at == [event for event in history if event.kind != "noted"][-1].at
    assert [event.at for event in history] == sorted(event.at for event in history)

    replayed = {**dict.fromkeys(FIELDS), "title": "A", "description": "D", "category": "billing", "priority": "low"}
    resolved_at = first_response_at = None
    for event in history:
        by_agent = event.source == "dashboard" or (event.source == "api" and event.actor)
        if by_agent and (event.kind == "noted" or (event.kind == "changed" and event.field == "status")):
            first_response_at = first_response_at or event.at
        is_reopening = event.field == "status" and event.old_value in DONE and event.new_value not in DONE
        assert event.settled_at == (resolved_at if is_reopening else None)
        if event.kind == "noted":
            continue
        assert replayed.get(event.field) == event.old_value
        replayed[event.field] = event.new_value
        if event.field == "status" and event.new_value not in DONE:
            resolved_at = None
        elif event.field == "status" and event.old_value not in DONE:
            resolved_at = event.at
    assert replayed == fields
    assert now.resolved_at == resolved_at
    assert now.first_response_at == first_response_at

    told = (event for event in history[1:] if event.kind != "noted")
    for door, actor, changed in done[1:]:
        entries = [next(told) for _ in changed]
        assert {entry.field: entry.new_value for entry in entries} == changed
        assert {(entry.source, entry.actor) for entry in entries} == {(door or "sql", actor if door else "postgres")}
    assert next(told, None) is None
