"""The sixteen properties that the desk keeps whatever is filed, asked for or changed, each under its number.

They run against a real PostgreSQL, through ticketcore and through the HTTP API; what to expect is worked out in
plain Python from the agreed rules.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from starlette.testclient import TestClient

from tests.oracle import (
    CATEGORIES,
    LETTERS,
    LINE_BREAKS,
    PRIORITIES,
    STATUSES,
    WHITESPACE,
    Row,
    in_order,
    matching,
    put,
    stored,
    trimmed,
)
from tests.unit.provider import Provider, says
from ticketcore import api, listing, stats, tickets
from ticketcore import settings as environment
from ticketcore.chain import Chain
from ticketcore.classifier import Classifier
from ticketcore.database import Database
from ticketcore.desk import Desk
from ticketcore.errors import InvalidInput
from ticketcore.filters import TicketFilter
from ticketcore.models import NewTicket, Source, Ticket, TicketChanges
from ticketcore.validation import parse

# Fixtures last for all examples of a test, so each example begins by emptying the tables.
lean = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WORDS = {"category": CATEGORIES, "priority": PRIORITIES, "status": STATUSES}
UTC_ZONE = environment.read({}).timezone


@pytest.fixture
def afresh(sql: sa.Connection, client: TestClient) -> Callable[[], None]:
    """Empties the desk."""
    del client  # asked for so that the desk is there, and emptied, after the last example too

    def empty() -> None:
        sql.exec_driver_sql("truncate tickets, ticket_events restart identity")

    return empty


def send(client: TestClient, method: str, path: str, body: object) -> Any:
    """The answer to a request with this JSON body; half surrogates travel as escapes, as JSON allows."""
    return client.request(method, path, content=json.dumps(body), headers={"Content-Type": "application/json"})


# Left out is only what must be refused: NUL and the halves of surrogate pairs, which PostgreSQL cannot store.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
spaces = st.text(st.sampled_from(WHITESPACE), max_size=3)


def texts(alphabet: SearchStrategy[str], most: int) -> SearchStrategy[str]:
    """Texts of 1 to `most` characters after trimming, some with whitespace around them."""
    inside = st.text(alphabet, min_size=1, max_size=min(most, 60)).filter(trimmed)
    longest = st.sampled_from(["x", "é", "😀"]).map(lambda character: character * most)
    return st.tuples(spaces, st.one_of(inside, longest), spaces).map("".join)


one_line = st.characters(exclude_categories=["Cs"], exclude_characters="\x00" + LINE_BREAKS)
titles, descriptions = texts(one_line, 200), texts(characters, 20_000)
words = {field: st.sampled_from(values) for field, values in WORDS.items()}
good = st.fixed_dictionaries(
    {"title": titles, "description": descriptions}, optional={name: words[name] for name in ("category", "priority")}
)

too_long = st.tuples(spaces, st.text("a漢😀", min_size=201, max_size=300), spaces).map("".join)
blank = st.text(st.sampled_from(WHITESPACE), max_size=30)
outside = {field: st.text(max_size=12).filter(lambda text, v=values: text not in v) for field, values in WORDS.items()}
other_kinds = st.sampled_from([None, 0, 1.5, True, [], ["billing"], {}])
unstorable = st.tuples(st.text(max_size=5), st.sampled_from(["\x00", "\ud800", "\udfff"]), st.text(max_size=5)).map(
    "".join
)
two_lines = st.sampled_from(LINE_BREAKS).map(lambda line_break: f"one{line_break}two")
bad: dict[str, SearchStrategy[Any]] = {
    "title": st.one_of(too_long, blank, two_lines, unstorable, other_kinds),
    "description": st.one_of(blank, unstorable, other_kinds, st.just("x" * 20_001)),
    **{field: st.one_of(outside[field], other_kinds) for field in WORDS},
    "id": st.integers(),
    "colour": st.text(),
}
some_bad = st.sets(st.sampled_from(sorted(bad)), min_size=1).flatmap(
    lambda fields: st.fixed_dictionaries({field: bad[field] for field in sorted(fields)})
)

moments = st.integers(0, 40).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
rows = st.fixed_dictionaries({**words, "created_at": moments})
crowds = st.lists(rows, max_size=12)
chosen = {
    field: st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True) for field, values in WORDS.items()
}


def listed(client: TestClient, **params: Any) -> list[int]:
    """The ids that the API lists for these parameters."""
    answer = client.get("/api/tickets/", params={"limit": 1_000, **params})
    assert answer.status_code == 200
    return [ticket["id"] for ticket in answer.json()]


def shown(db: Database, **values: Any) -> list[int]:
    """The ids that the page lists for this filter."""
    return [summary.id for summary in listing.summaries(db, parse(TicketFilter, values), limit=1_000)]


def file(db: Database, values: dict[str, Any]) -> Ticket:
    return tickets.create(db, parse(NewTicket, values), source=Source.DASHBOARD)


def refuses(db: Database, values: dict[str, Any]) -> set[str]:
    """The fields for which ticketcore refuses to file this."""
    with pytest.raises(InvalidInput) as caught:
        file(db, values)
    return set(caught.value.errors)


def assert_named(answer: Any, fields: set[str]) -> None:
    """The answer is a 4xx that names each of these fields."""
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()["errors"]) == fields


@lean
@given(
    good,
    st.one_of(
        st.fixed_dictionaries({"title": too_long}),
        st.fixed_dictionaries({"description": blank}),
        *[st.fixed_dictionaries({field: strategy}) for field, strategy in outside.items()],
    ),
)
def test_property_01_a_title_too_long_a_blank_description_and_a_value_outside_its_enum_are_refused(
    afresh: Callable[[], None],
    db: Database,
    client: TestClient,
    sql: sa.Connection,
    values: dict[str, Any],
    wrong: dict[str, Any],
) -> None:
    afresh()
    assert refuses(db, values | wrong) == set(wrong)
    assert_named(send(client, "POST", "/api/tickets/", values | wrong), set(wrong))
    assert stored(sql) == []


@lean
@given(good)
def test_property_02_a_ticket_created_without_a_status_is_open(
    afresh: Callable[[], None], db: Database, client: TestClient, sql: sa.Connection, values: dict[str, Any]
) -> None:
    afresh()
    assert file(db, values).status == "open"
    assert send(client, "POST", "/api/tickets/", values).json()["status"] == "open"
    assert [row.status for row in stored(sql)] == ["open", "open"]


@lean
@given(good)
def test_property_03_a_ticket_is_created_now(
    afresh: Callable[[], None], db: Database, client: TestClient, sql: sa.Connection, values: dict[str, Any]
) -> None:
    afresh()
    before = datetime.now(UTC) - timedelta(seconds=5)
    given_by_http = datetime.fromisoformat(send(client, "POST", "/api/tickets/", values).json()["created_at"])
    times = [file(db, values).created_at, given_by_http, *(row.created_at for row in stored(sql))]
    assert all(before < moment < datetime.now(UTC) + timedelta(seconds=5) for moment in times)


@lean
@given(good)
def test_property_04_what_was_created_is_what_is_read_back(
    afresh: Callable[[], None], db: Database, client: TestClient, sql: sa.Connection, values: dict[str, Any]
) -> None:
    afresh()
    expected = {"category": "general", "priority": "medium", "status": "open", **values}
    expected |= {"title": trimmed(values["title"]), "description": trimmed(values["description"])}
    created = send(client, "POST", "/api/tickets/", values)
    assert created.status_code == 201
    assert client.get(f"/api/tickets/{created.json()['id']}/").json() == created.json()
    ticket = file(db, values)
    assert tickets.get(db, ticket.id) == ticket
    for found in (created.json(), ticket.model_dump(), *(vars(row) for row in stored(sql))):
        assert {field: found[field] for field in expected} == expected


@lean
@given(
    good, st.one_of(some_bad, st.sampled_from(["title", "description"]), other_kinds.filter(lambda kind: kind != {}))
)
def test_property_05_invalid_data_is_a_4xx_and_stores_nothing(
    afresh: Callable[[], None],
    client: TestClient,
    sql: sa.Connection,
    values: dict[str, Any],
    fault: dict[str, Any] | str | None,
) -> None:
    afresh()
    put(sql, [{}])
    if isinstance(fault, dict):
        assert_named(send(client, "POST", "/api/tickets/", values | fault), set(fault))
    elif isinstance(fault, str):
        without = {field: value for field, value in values.items() if field != fault}
        assert_named(send(client, "POST", "/api/tickets/", without), {fault})
    else:
        assert 400 <= send(client, "POST", "/api/tickets/", fault).status_code < 500
    assert len(stored(sql)) == 1


@lean
@given(crowds)
def test_property_06_the_list_is_newest_first(
    afresh: Callable[[], None], db: Database, client: TestClient, sql: sa.Connection, crowd: list[dict[str, Any]]
) -> None:
    afresh()
    expected = [row.id for row in in_order(put(sql, crowd))]
    assert listed(client) == expected
    assert shown(db) == expected


@lean
@given(crowds, st.sampled_from(sorted(WORDS)), st.data())
def test_property_07_a_filter_on_one_field_gives_the_tickets_with_that_value_and_all_of_them(
    afresh: Callable[[], None],
    db: Database,
    client: TestClient,
    sql: sa.Connection,
    crowd: list[dict[str, Any]],
    field: str,
    data: st.DataObject,
) -> None:
    afresh()
    value = data.draw(words[field])
    expected = [row.id for row in in_order(put(sql, crowd)) if getattr(row, field) == value]
    assert listed(client, **{field: value}) == expected
    assert shown(db, **{field: [value]}) == expected


# Only letters with the same small and capital forms in Python and in PostgreSQL: `LETTERS` says which and why.
letters = st.text(st.sampled_from(LETTERS), min_size=1, max_size=12).filter(trimmed).map(trimmed)
written = st.lists(st.fixed_dictionaries({"title": letters, "description": letters}), min_size=1, max_size=8)


def term_from(data: st.DataObject, found: list[Row]) -> str:
    """A term that is a part of some text, in any case, or one that may be nowhere."""
    text = data.draw(st.sampled_from([text for row in found for text in (row.title, row.description)]))
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : data.draw(st.integers(start + 1, len(text)))]
    part = data.draw(st.sampled_from([part, part.lower(), part.upper() if len(part.upper()) == len(part) else part]))
    return data.draw(st.one_of(st.just(part), st.text(st.sampled_from(LETTERS), min_size=1, max_size=3)))


@lean
@given(written, st.data())
def test_property_08_a_search_gives_exactly_the_tickets_that_contain_the_term_in_any_case(
    afresh: Callable[[], None],
    db: Database,
    client: TestClient,
    sql: sa.Connection,
    crowd: list[dict[str, Any]],
    data: st.DataObject,
) -> None:
    afresh()
    filed = put(sql, crowd)
    term = term_from(data, filed)
    expected = [row.id for row in in_order(matching(filed, search=term))]
    assert listed(client, search=term) == expected
    assert shown(db, search=term) == expected


@lean
@given(
    st.lists(
        st.builds(lambda row, text: row | text, rows, written.map(lambda texts: texts[0])), min_size=1, max_size=12
    ),
    st.fixed_dictionaries({}, optional=chosen),
    st.lists(moments, max_size=2, unique=True).map(sorted),
    st.booleans(),
    st.data(),
)
def test_property_09_combined_filters_give_exactly_the_tickets_that_satisfy_all_of_them(
    afresh: Callable[[], None],
    db: Database,
    client: TestClient,
    sql: sa.Connection,
    crowd: list[dict[str, Any]],
    facets: dict[str, list[str]],
    ends: list[datetime],
    is_searched: bool,
    data: st.DataObject,
) -> None:
    afresh()
    filed = put(sql, crowd)
    conditions: dict[str, Any] = {**facets, **dict(zip(("created_from", "created_to"), ends, strict=False))}
    if is_searched:
        conditions["search"] = term_from(data, filed)
    expected = [row.id for row in in_order(matching(filed, **conditions))]
    params = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in conditions.items()}
    assert listed(client, **params) == expected
    assert shown(db, **conditions) == expected


all_changes = st.fixed_dictionaries({}, optional={"title": titles, "description": descriptions, **words})


def content(row: Row) -> dict[str, Any]:
    return {field: getattr(row, field) for field in ("title", "description", *WORDS)}


@lean
@given(rows, st.lists(all_changes, min_size=1, max_size=4))
def test_property_10_an_update_reads_back_and_what_it_did_not_name_is_unchanged(
    afresh: Callable[[], None],
    db: Database,
    client: TestClient,
    sql: sa.Connection,
    row: dict[str, Any],
    walk: list[dict[str, Any]],
) -> None:
    afresh()
    first, second = put(sql, [row, row])
    expected = content(first)
    for changes in walk:
        expected |= {field: trimmed(value) for field, value in changes.items()}
        answer = send(client, "PATCH", f"/api/tickets/{first.id}/", changes)
        assert answer.status_code == 200
        changed = tickets.update(db, second.id, parse(TicketChanges, changes), source=Source.DASHBOARD)
        for found in (answer.json(), client.get(f"/api/tickets/{first.id}/").json(), changed.model_dump()):
            assert {field: found[field] for field in expected} == expected
        now = stored(sql)
        assert [content(ticket) for ticket in now] == [expected, expected]
        assert [(ticket.id, ticket.created_at) for ticket in now] == [
            (ticket.id, ticket.created_at) for ticket in (first, second)
        ]


@lean
@given(rows, st.fixed_dictionaries({}, optional=words), some_bad)
def test_property_11_an_invalid_update_is_a_4xx_and_the_ticket_is_unchanged(
    afresh: Callable[[], None],
    client: TestClient,
    sql: sa.Connection,
    row: dict[str, Any],
    right: dict[str, Any],
    wrong: dict[str, Any],
) -> None:
    afresh()
    (ticket,) = put(sql, [row])
    before = client.get(f"/api/tickets/{ticket.id}/").json()
    assert_named(send(client, "PATCH", f"/api/tickets/{ticket.id}/", right | wrong), set(wrong))
    assert client.get(f"/api/tickets/{ticket.id}/").json() == before
    assert stored(sql) == [ticket]


def figures(client: TestClient, db: Database) -> list[dict[str, Any]]:
    """What the API and ticketcore say, which should be the same."""
    overview = stats.overview(db, TicketFilter(), timezone=UTC_ZONE, now=datetime.now(UTC))
    return [client.get("/api/tickets/stats/").json(), overview.model_dump(mode="json")]


@lean
@given(crowds)
def test_property_12_total_tickets_is_the_number_of_rows(
    afresh: Callable[[], None], db: Database, client: TestClient, sql: sa.Connection, crowd: list[dict[str, Any]]
) -> None:
    afresh()
    put(sql, crowd)
    assert [found["total_tickets"] for found in figures(client, db)] == [len(crowd)] * 2


@lean
@given(crowds)
def test_property_13_open_tickets_is_the_number_of_open_rows(
    afresh: Callable[[], None], db: Database, client: TestClient, sql: sa.Connection, crowd: list[dict[str, Any]]
) -> None:
    afresh()
    put(sql, crowd)
    number = len([row for row in crowd if row["status"] == "open"])
    assert [found["open_tickets"] for found in figures(client, db)] == [number] * 2


@lean
@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=30)), max_size=40))
def test_property_14_the_average_per_day_is_total_by_days_from_the_first_ticket_to_today(
    afresh: Callable[[], None], db: Database, client: TestClient, sql: sa.Connection, ages: list[timedelta]
) -> None:
    afresh()
    while (now := datetime.now(UTC)).hour == 23 and now.minute == 59:
        time.sleep(1)  # or today would end while it is asked about
    created = [now - age for age in ages]
    put(sql, [{"created_at": moment} for moment in created])
    expected = Decimal(0)
    if created:
        days = (now.date() - min(created).date()).days + 1
        expected = (Decimal(len(created)) / days).quantize(Decimal("0.1"), ROUND_HALF_UP)
    assert [found["avg_tickets_per_day"] for found in figures(client, db)] == [float(expected)] * 2


@lean
@given(crowds)
def test_property_15_each_breakdown_sums_to_total_tickets(
    afresh: Callable[[], None], db: Database, client: TestClient, sql: sa.Connection, crowd: list[dict[str, Any]]
) -> None:
    afresh()
    put(sql, crowd)
    for found in figures(client, db):
        for field in ("category", "priority"):
            counts = found[f"{field}_breakdown"]
            assert counts == {word: len([row for row in crowd if row[field] == word]) for word in WORDS[field]}
            assert sum(counts.values()) == found["total_tickets"]


@pytest.fixture
def model() -> Iterator[Provider]:
    """A language model that answers what it is told to."""
    model = Provider(says("nothing yet"))
    yield model
    model.close()


@pytest.fixture
def asking(model: Provider) -> Iterator[TestClient]:
    """A client of a desk that asks this model; suggestions need no database, and it has none."""
    chosen = environment.read({"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model.url, "SUGGESTION_TIMEOUT": "10"})
    desk = Desk(chosen, Database("postgresql://127.0.0.1:1/nowhere"), Chain(Classifier(chosen)))
    with TestClient(api.build(lambda: desk)) as client:
        yield client
    desk.close()


@lean
@given(
    descriptions,
    st.fixed_dictionaries(
        {
            "category": st.one_of(words["category"], st.text(max_size=10), other_kinds),
            "priority": st.one_of(words["priority"], st.text(max_size=10), other_kinds),
        }
    ),
)
def test_property_16_a_successful_answer_of_the_model_gives_a_suggestion_inside_the_enums(
    model: Provider, asking: TestClient, description: str, said: dict[str, Any]
) -> None:
    model.behaves(says(said))
    answer = send(asking, "POST", "/tickets/classify/", {"description": description})
    assert answer.status_code == 200
    found = answer.json()
    assert found["suggested_category"] in CATEGORIES
    assert found["suggested_priority"] in PRIORITIES
    if said["category"] in CATEGORIES and said["priority"] in PRIORITIES:
        assert (found["suggested_category"], found["suggested_priority"]) == (said["category"], said["priority"])
        assert found["source"] == "gpt-4.1-mini"
    else:
        assert found["source"] != "gpt-4.1-mini"
        assert found["note"]
