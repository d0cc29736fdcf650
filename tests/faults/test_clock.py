"""The clock is moved back and the desk's time zone changes: every page and figure goes on, and stays true."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from ticketcore import feed, listing, stats, tickets
from ticketcore.database import Database
from ticketcore.filters import TicketFilter
from ticketcore.models import NewTicket, Source, TicketChanges
from ticketcore.period import Period, Unit
from ticketcore.review import Review, review

ALL = TicketFilter()
BERLIN, APIA = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Apia")


@pytest.fixture
def ahead(db: Database, sql: sa.Connection) -> int:
    """A ticket that was filed while the clock was two hours ahead, before somebody set it right."""
    number = tickets.create(db, NewTicket(title="From ahead", description="A"), source=Source.API).id
    sql.exec_driver_sql("alter table tickets disable trigger user")
    sql.exec_driver_sql("update tickets set created_at = clock_timestamp() + interval '2 hours'")
    sql.exec_driver_sql("alter table tickets enable trigger user")
    return number


def reviewed(db: Database, zone: ZoneInfo, now: datetime) -> Review:
    today = now.astimezone(zone).date()
    period = Period(today - timedelta(days=6), today, zone, now)
    return review(db, ALL, period, Unit.DAY, {})


def test_a_ticket_that_is_resolved_before_it_was_filed_by_the_clock_took_no_time(db: Database, ahead: int) -> None:
    done = tickets.update(db, ahead, TicketChanges.model_validate({"status": "resolved"}), source=Source.API, actor="A")
    assert done.resolved_at is not None
    assert done.resolved_at < done.created_at, "the desk tells what the clock told"
    later = datetime.now(UTC) + timedelta(hours=3)
    spread = reviewed(db, BERLIN, later).now.resolution[None]
    assert (spread.number, spread.p50) == (1, 0.0)


def test_what_is_filed_after_the_clock_was_set_back_is_listed_followed_and_counted(db: Database, ahead: int) -> None:
    start = feed.since(db, "2020-01-01T00:00:00Z", ALL, limit=10)
    assert [row[0] for row in start.tickets] == [ahead]
    second = tickets.create(db, NewTicket(title="After", description="A"), source=Source.API).id
    assert [row[0] for row in feed.since(db, str(start.cursor), ALL, limit=10).tickets] == [second], (
        "by commit, not by clock"
    )
    assert [row.id for row in listing.summaries(db, ALL, limit=10)] == [ahead, second]
    found = stats.overview(db, ALL, timezone=BERLIN, now=datetime.now(UTC))
    assert (found.total_tickets, found.open_tickets) == (2, 2)


@pytest.mark.parametrize("zone", [BERLIN, APIA], ids=str)
def test_in_another_time_zone_the_same_tickets_are_counted_by_its_days(
    db: Database, sql: sa.Connection, zone: ZoneInfo
) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    moments = [now - timedelta(hours=5 * number + 1) for number in range(30)]
    for moment in moments:
        sql.execute(sa.text(
            "insert into tickets (title, description, category, priority, created_at)"
            " values ('T', 'D', 'general', 'medium', :at)"
        ), {"at": moment})  # fmt: skip
    flow = reviewed(db, zone, now).flow
    by_hand: dict[date, int] = {}
    for moment in moments:
        day = moment.astimezone(zone).date()
        by_hand[day] = by_hand.get(day, 0) + 1
    assert {bucket.first: number for bucket, number in zip(flow.buckets, flow.created, strict=True)} == {
        bucket.first: by_hand.get(bucket.first, 0) for bucket in flow.buckets
    }
