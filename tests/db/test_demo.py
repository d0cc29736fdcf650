"""The demo tickets: plausible, reproducible, and stored as if the triggers had watched every change."""

import functools
import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from ticketcore import demo
from ticketcore.database import Database
from ticketcore.models import NewTicket
from ticketcore.validation import parse

NOW = datetime(2025, 6, 18, 11, 23, 45, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
SETTLED = ("resolved", "closed")


def fill(db: Database, count: int, seed: int = 7) -> int:
    return demo.fill(db, count, seed=seed, now=NOW, timezone=BERLIN)


@functools.cache
def histories(count: int, seed: int = 7) -> tuple[demo.History, ...]:
    return tuple(demo.histories(count, seed, NOW, BERLIN))


def rows(sql: sa.Connection, query: str, **values: Any) -> list[sa.RowMapping]:
    return list(sql.execute(sa.text(query), values).mappings())


def events_by_ticket(sql: sa.Connection) -> dict[int, list[sa.RowMapping]]:
    events = rows(sql, "select * from ticket_events order by ticket_id, id")
    return {number: list(group) for number, group in itertools.groupby(events, lambda event: event["ticket_id"])}


def guards(sql: sa.Connection) -> list[sa.RowMapping]:
    """What has to be the same before and after: triggers and whether they fire, constraints, indexes."""
    return rows(
        sql,
        """select 'trigger' as what, tgname::text as name, tgenabled::text as state from pg_trigger
           where tgrelid in ('tickets'::regclass, 'ticket_events'::regclass) and not tgisinternal
           union all select 'foreign key', tgfoid::regproc::text, tgenabled::text from pg_trigger
           where tgrelid in ('tickets'::regclass, 'ticket_events'::regclass) and tgisinternal
           union all select 'constraint', conname::text, convalidated::text from pg_constraint
           where conrelid in ('tickets'::regclass, 'ticket_events'::regclass)
           union all select 'index', indexname::text, indexdef from pg_indexes
           where tablename in ('tickets', 'ticket_events') order by 1, 2, 3""",
    )


def test_the_same_seed_gives_the_same_tickets() -> None:
    assert histories(300) == tuple(demo.histories(300, 7, NOW, BERLIN))


def test_another_seed_gives_other_tickets() -> None:
    ours, theirs = histories(300), histories(300, seed=8)
    assert not {ticket.description for ticket in ours} & {ticket.description for ticket in theirs}


def test_another_time_zone_moves_the_working_day() -> None:
    tokyo = list(demo.histories(800, 7, NOW, ZoneInfo("Asia/Tokyo")))
    hours = Counter(ticket.created_at.astimezone(ZoneInfo("Asia/Tokyo")).hour for ticket in tokyo)
    assert sum(hours[hour] for hour in range(8, 18)) > 0.7 * len(tokyo)


def test_every_text_is_valid_input_and_already_trimmed() -> None:
    for ticket in histories(2_000):
        fields = {name: getattr(ticket, name) for name in NewTicket.model_fields}
        assert parse(NewTicket, fields).model_dump() == fields


def test_texts_are_distinct() -> None:
    tickets = histories(2_000)
    assert len({(ticket.title, ticket.description) for ticket in tickets}) >= 0.95 * len(tickets)
    assert len({ticket.description for ticket in tickets}) >= 0.95 * len(tickets)
    assert len({ticket.title for ticket in tickets}) >= 0.9 * len(tickets)
    assert max(Counter(ticket.title for ticket in tickets).values()) <= 8


def test_no_text_shows_a_word_that_was_not_filled_in() -> None:
    for ticket in histories(10_000):
        assert "{" not in ticket.title
        assert "{" not in ticket.description.replace('{"error"', "")


def test_most_descriptions_are_short_and_some_are_long() -> None:
    lengths = sorted(len(ticket.description) for ticket in histories(2_000))
    assert lengths[len(lengths) // 2] < 250
    assert 0.01 < sum(length >= 2_000 for length in lengths) / len(lengths) < 0.06
    assert lengths[-1] < 5_000


def test_categories_and_priorities_are_skewed() -> None:
    tickets = histories(10_000)
    categories = Counter(ticket.category for ticket in tickets)
    priorities = Counter(ticket.priority for ticket in tickets)
    expected = {"technical": 0.40, "account": 0.27, "billing": 0.20, "general": 0.13}
    assert {name: categories[name] / 10_000 for name in expected} == pytest.approx(expected, abs=0.03)
    expected = {"low": 0.25, "medium": 0.48, "high": 0.21, "critical": 0.06}
    assert {name: priorities[name] / 10_000 for name in expected} == pytest.approx(expected, abs=0.03)


def test_new_tickets_are_being_worked_on_and_old_ones_are_mostly_closed() -> None:
    tickets = histories(10_000)
    fresh = Counter(ticket.status for ticket in tickets if NOW - ticket.created_at < timedelta(days=1))
    old = Counter(ticket.status for ticket in tickets if NOW - ticket.created_at > timedelta(days=60))
    assert fresh["open"] + fresh["in_progress"] > 0.6 * fresh.total()
    assert old["closed"] > 0.85 * old.total()
    assert 0.01 < old["open"] / old.total() < 0.05, "some are forgotten"


def test_some_tickets_are_reopened_and_some_are_corrected_by_an_agent() -> None:
    tickets = histories(2_000)
    moves = Counter((change.field, change.old_value, change.new_value) for one in tickets for change in one.changes)
    fields = Counter(change.field for ticket in tickets for change in ticket.changes)
    assert 0.03 < moves["status", "resolved", "open"] / len(tickets) < 0.12
    assert fields["category"] > 20
    assert fields["priority"] > 20


def test_urgent_tickets_are_resolved_faster() -> None:
    def median(priority: str) -> timedelta:
        took = sorted(
            ticket.resolved_at - ticket.created_at
            for ticket in histories(10_000)
            if ticket.resolved_at and ticket.priority == priority
        )
        return took[len(took) // 2]

    assert median("critical") < median("high") < median("medium") < median("low")


def test_a_dozen_agents_work_through_the_dashboard_and_the_api() -> None:
    changes = [change for ticket in histories(2_000) for change in ticket.changes]
    assert {change.actor for change in changes} == {*demo.AGENTS, None}
    assert {change.source for change in changes} == {"dashboard", "api"}
    assert all(change.actor for change in changes if change.source == "dashboard")


def test_agents_mostly_kept_the_suggestions() -> None:
    tickets = histories(10_000)
    suggested = [ticket for ticket in tickets if ticket.suggestion_source == "gpt-4.1-mini"]
    defaults = [ticket for ticket in tickets if ticket.suggestion_source == "default"]
    right = sum(ticket.category == ticket.suggested_category for ticket in suggested) / len(suggested)
    assert right == pytest.approx(0.85, abs=0.03)
    right = sum(ticket.priority == ticket.suggested_priority for ticket in suggested) / len(suggested)
    assert right == pytest.approx(0.65, abs=0.03)
    assert len(suggested) > 0.7 * len(tickets)
    assert len(defaults) > 100
    assert {(ticket.suggested_category, ticket.suggested_priority) for ticket in defaults} == {("general", "medium")}


def test_incidents_bring_bursts_of_similar_technical_tickets() -> None:
    tickets = histories(2_000)
    per_hour = Counter(ticket.created_at.replace(minute=0, second=0, microsecond=0) for ticket in tickets)
    busiest, number = per_hour.most_common(1)[0]
    during = [ticket for ticket in tickets if busiest <= ticket.created_at < busiest + timedelta(hours=1)]
    assert number >= 8, "an ordinary hour has one or two"
    assert Counter(ticket.category for ticket in during)["technical"] > number / 2


def test_filing_follows_the_week_the_day_and_the_growth_of_the_desk(db: Database, sql: sa.Connection) -> None:
    fill(db, 4_000)

    def filed(part: str) -> dict[int, int]:
        unit = f"extract({part} from created_at at time zone 'Europe/Berlin')::int"
        counted = rows(sql, f"select {unit} as unit, count(*) as number from tickets group by 1")
        return {row["unit"]: row["number"] for row in counted}

    days, hours = filed("isodow"), filed("hour")
    assert min(days[day] for day in (1, 2, 3, 4, 5)) > 3 * max(days[6], days[7])
    assert hours[10] > hours[8]
    assert hours[10] > hours[12] < hours[14]
    assert hours[14] > hours[17]
    assert sum(hours.get(hour, 0) for hour in range(6)) < 0.05 * 4_000
    second_half = "select count(*) filter (where created_at >= :middle) * 1.0 / count(*) from tickets"
    share = float(sql.scalar(sa.text(second_half), {"middle": NOW - timedelta(days=182)}) or 0)
    assert 0.51 < share < 0.65, "a little growth"


def test_nothing_lies_in_the_future_or_more_than_a_year_back(db: Database, sql: sa.Connection) -> None:
    fill(db, 2_000)
    first, *last = rows(
        sql,
        """select min(created_at), max(created_at) as created, max(updated_at) as updated, max(resolved_at) as resolved,
                  (select max(at) from ticket_events) as event from tickets""",
    )[0].values()
    assert first >= NOW - timedelta(days=365)
    assert max(last) <= NOW
    assert min(last) > NOW - timedelta(days=2)


def is_by_agent(event: dict[str, Any]) -> bool:
    return event["source"] == "dashboard" or (event["source"] == "api" and event["actor"] is not None)


def test_replaying_each_history_gives_the_ticket(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "CHUNK", 170)
    fill(db, 2_000)
    events = events_by_ticket(sql)
    tickets = rows(sql, "select * from tickets")
    assert len(tickets) == 2_000
    for ticket in tickets:
        created, *changed = events[ticket["id"]]
        assert (created["kind"], created["field"]) == ("created", "status")
        assert (created["old_value"], created["new_value"], created["at"]) == (None, "open", ticket["created_at"])
        current = {"status": "open"}
        resolved_at, version, updated_at = None, 1, created["at"]
        for at, group in itertools.groupby(changed, lambda event: event["at"]):
            before = current["status"]
            for event in group:
                is_reopening = event["old_value"] in SETTLED and event["new_value"] in ("open", "in_progress")
                assert event["settled_at"] == (resolved_at if is_reopening else None)
                assert event["kind"] == "changed"
                assert event["old_value"] == current.get(event["field"], event["old_value"])
                assert event["old_value"] != event["new_value"]
                current[event["field"]] = event["new_value"]
            assert at > updated_at
            version, updated_at = version + 1, at
            if current["status"] not in SETTLED:
                resolved_at = None
            elif before not in SETTLED:
                resolved_at = at
        responses = [event["at"] for event in changed if event["field"] == "status" and is_by_agent(event)]
        assert ticket["first_response_at"] == (min(responses) if responses else None)
        assert {name: ticket[name] for name in current} == current
        assert (ticket["version"], ticket["updated_at"], ticket["resolved_at"]) == (version, updated_at, resolved_at)


def test_the_triggers_would_have_written_the_same_history(db: Database, sql: sa.Connection) -> None:
    fill(db, 300)
    told = events_by_ticket(sql)
    insert = sa.text(
        """insert into tickets (title, description, category, priority)
           values (:title, :description, :category, :priority) returning id"""
    )
    for ticket in rows(sql, "select * from tickets order by id"):
        changed = told[ticket["id"]][1:]
        began = {event["field"]: event["old_value"] for event in reversed(changed)}
        twin = sql.scalar(insert, {**ticket, **began})
        for _, group in itertools.groupby(changed, lambda event: event["at"]):
            new = {event["field"]: event["new_value"] for event in group}
            types = {name: "text" if name == "assignee" else f"ticket_{name}" for name in new}
            columns = ", ".join(f"{name} = cast(:{name} as {type})" for name, type in types.items())
            sql.execute(sa.text(f"update tickets set {columns} where id = :id"), {**new, "id": twin})
        facts = (
            "select version, status, category, priority, resolved_at is null as unresolved from tickets where id = :id"
        )
        assert rows(sql, facts, id=twin) == rows(sql, facts, id=ticket["id"])
        steps = "select kind, field, old_value, new_value from ticket_events where ticket_id = :id order by id"
        assert rows(sql, steps, id=twin) == rows(sql, steps, id=ticket["id"])


def test_numbers_rise_with_time(db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "CHUNK", 170)
    fill(db, 1_000)
    for table, moment in (("tickets", "created_at"), ("ticket_events", "at")):
        moments = list(sql.scalars(sa.text(f"select {moment} from {table} order by id")))
        assert moments == sorted(moments)
    numbers = list(sql.scalars(sa.text("select id from tickets order by id")))
    assert numbers == list(range(1, 1_001))


@pytest.mark.parametrize("large", [10, 1_000_000], ids=["large", "small"])
def test_triggers_constraints_and_indexes_are_as_before(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(demo, "LARGE", large)
    before = guards(sql)
    assert {guard["state"] for guard in before if guard["what"] in ("trigger", "foreign key")} == {"O"}
    assert fill(db, 200) == 200
    assert guards(sql) == before


def test_a_ticket_filed_afterwards_gets_the_next_number_and_its_event(db: Database, sql: sa.Connection) -> None:
    fill(db, 200)
    last_event = sql.scalar(sa.text("select max(id) from ticket_events"))
    number = sql.scalar(
        sa.text(
            "insert into tickets (title, description, category, priority)"
            " values ('New', 'Really', 'general', 'low') returning id"
        )
    )
    assert number == 201
    event = rows(sql, "select * from ticket_events where ticket_id = :id", id=number)
    assert [(entry["id"], entry["kind"], entry["new_value"]) for entry in event] == [
        (last_event + 1, "created", "open")
    ]


def test_filling_again_with_the_same_seed_adds_to_what_is_there(db: Database, sql: sa.Connection) -> None:
    sql.execute(
        sa.text("insert into tickets (title, description, category, priority) values ('Old', 'One', 'general', 'low')")
    )
    before = rows(sql, "select * from tickets")
    assert fill(db, 150) == 150
    assert fill(db, 150) == 150
    assert sql.scalar(sa.text("select count(*) from tickets")) == 301
    assert rows(sql, "select * from tickets where id = 1") == before
    assert sql.scalar(sa.text("select count(*) from (select title, description from tickets group by 1, 2) as t")) < 160


def test_filling_with_nothing_does_nothing(db: Database, sql: sa.Connection) -> None:
    assert fill(db, 0) == 0
    assert sql.scalar(sa.text("select count(*) from tickets")) == 0


@pytest.mark.parametrize("large", [10, 1_000_000], ids=["large", "small"])
def test_an_aborted_fill_leaves_nothing_behind(
    db: Database, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    def failing(*arguments: Any) -> Iterator[demo.History]:
        yield from itertools.islice(demo_histories(*arguments), 350)
        raise RuntimeError("the power is gone")

    demo_histories = demo.histories
    before = guards(sql)
    monkeypatch.setattr(demo, "LARGE", large)
    monkeypatch.setattr(demo, "CHUNK", 100)
    monkeypatch.setattr(demo, "histories", failing)
    with pytest.raises(RuntimeError):
        fill(db, 500)
    assert sql.scalar(sa.text("select count(*) from tickets")) == 0
    assert sql.scalar(sa.text("select count(*) from ticket_events")) == 0
    assert guards(sql) == before


def test_the_command_fills_the_configured_desk(
    db: Database, sql: sa.Connection, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", server)
    demo.main(["--tickets", "1200", "--seed", "3"])
    assert sql.scalar(sa.text("select count(*) from tickets")) == 1_200
    assert capsys.readouterr().out.startswith("filed 1,200 tickets from 2")


def test_the_command_starts_and_stops_the_embedded_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DESK_DATA", str(tmp_path / "desk"))
    demo.main(["--tickets", "20"])
    assert "filed 20 tickets" in capsys.readouterr().out
    assert (tmp_path / "desk" / "postgres" / "PG_VERSION").exists()
    assert not (tmp_path / "desk" / "postgres" / "postmaster.pid").exists()


def test_the_command_names_what_it_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        demo.main(["--tickets", "0"])
    monkeypatch.setenv("DESK_TIMEZONE", "Mars/Olympus")
    with pytest.raises(SystemExit, match="DESK_TIMEZONE"):
        demo.main([])
