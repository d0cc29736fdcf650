"""Among 50,000 tickets what agents do all day is answered through an index: none of it reads the whole table."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import empty
from ticketcore import driver, feed, finds, listing, mirror, tickets
from ticketcore.database import Database
from ticketcore.filters import Sort, TicketFilter
from ticketcore.validation import parse

Nodes = list[dict[str, Any]]
Plan = Callable[[Callable[[Database], object]], Nodes]

UNSETTLED = "ix_tickets_unsettled"
NEWEST = "ix_tickets_created_at_id"
FACETS = "ix_tickets_category_priority_status_created_at_id"
CHANGES = "ix_tickets_changed_in_id"
TRIGRAMS = "ix_tickets_title_description_trigrams"

# Skewed as on a real desk: half of the tickets are technical, most of them closed. md5() varies the texts.
FILL = """
    insert into tickets (title, description, category, priority, status, created_at, resolved_at)
    select 'Ticket ' || n || ' ' || left(md5(n::text), 8),
           'It fails since ' || left(md5((n * 7)::text), 12),
           category::ticket_category, priority::ticket_priority, status::ticket_status,
           moment, case when status in ('resolved', 'closed') then moment end
    from generate_series(1, 50000) n,
    lateral (select timestamptz '2026-01-01Z' + interval '10 minutes' * n as moment,
        (array['technical', 'technical', 'technical', 'account', 'billing', 'general'])[1 + mod(n, 6)] as category,
        (array['medium', 'medium', 'low', 'high', 'critical'])[1 + mod(n / 6, 5)] as priority,
        (array['closed', 'closed', 'closed', 'closed', 'resolved', 'in_progress', 'open'])[1 + mod(n / 30, 7)] as status
    ) as ticket"""


RARE = """
    insert into tickets (title, description, category, priority)
    values ('Noise', 'My xylophone is out of tune.', 'billing', 'low')"""


@pytest.fixture(scope="module")
def crowd(server: str) -> Iterator[Database]:
    """A desk with 50,000 tickets, vacuumed and analysed as autovacuum would leave it."""
    engine = sa.create_engine(driver.driver_url(server), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as sql:
        sql.exec_driver_sql("set session_replication_role = replica")  # the history is not looked at: no triggers
        sql.exec_driver_sql("set synchronous_commit = on")  # or vacuum would not find the rows visible to everybody
        sql.exec_driver_sql(FILL)
        sql.exec_driver_sql("vacuum (analyze) tickets")
        # Filed since: were its word among the samples of `analyze`, the planner might take it for a common one.
        sql.exec_driver_sql(RARE)
    db = Database(server)
    yield db
    db.close()
    empty(server)


@pytest.fixture
def plan(crowd: Database) -> Plan:
    """Every node of the plan of the last query that a call sends."""

    def explain(call: Callable[[Database], object]) -> Nodes:
        sent: list[tuple[str, Any]] = []

        def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
            sent.append((statement, parameters))

        sa.event.listen(crowd._engine, "before_cursor_execute", record)
        try:
            call(crowd)
        finally:
            sa.event.remove(crowd._engine, "before_cursor_execute", record)
        statement, parameters = sent[-1]
        with crowd.read() as connection:
            (found,) = connection.exec_driver_sql(f"explain (format json) {statement}", parameters).scalar_one()
        nodes: Nodes = []
        waiting = [found["Plan"]]
        while waiting:
            nodes.append(waiting.pop())
            waiting += nodes[-1].get("Plans", [])
        return nodes

    return explain


def indexes(nodes: Nodes) -> set[str]:
    return {node["Index Name"] for node in nodes if "Index Name" in node}


def reads_the_table_whole(nodes: Nodes) -> bool:
    return any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == "tickets" for node in nodes)


def condition(**values: Any) -> TicketFilter:
    return parse(TicketFilter, values)


@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.OLDEST])
@pytest.mark.parametrize("offset", [0, 5_000])
def test_a_page_of_all_tickets_walks_the_index_of_creation_times(plan: Plan, sort: Sort, offset: int) -> None:
    nodes = plan(lambda db: listing.summaries(db, condition(), sort=sort, limit=50, offset=offset))
    assert NEWEST in indexes(nodes)
    assert not reads_the_table_whole(nodes)


def test_the_newest_whole_tickets_walk_the_index_of_creation_times(plan: Plan) -> None:
    nodes = plan(lambda db: listing.newest(db, condition(), limit=100))
    assert NEWEST in indexes(nodes)
    assert not reads_the_table_whole(nodes)


@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.OLDEST])
def test_a_page_of_what_is_not_rare_is_filled_from_the_first_thousand_tickets(plan: Plan, sort: Sort) -> None:
    nodes = plan(lambda db: listing.summaries(db, condition(category=["account"]), sort=sort, limit=50))
    assert indexes(nodes) == {NEWEST}
    assert max(node["Plan Rows"] for node in nodes if node["Node Type"] == "Limit") <= 1_000


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize(
    "facets",
    [
        {"category": ["billing"], "priority": ["critical"], "status": ["open"]},
        {"category": ["general", "billing"], "status": ["in_progress", "open"]},
        {"priority": ["critical"]},
        {"status": ["open"]},
        {"status": ["closed"], "created_from": "2026-05-01T00:00:00Z", "created_to": "2026-06-01T00:00:00Z"},
    ],
    ids=str,
)
def test_a_page_of_any_combination_of_facets_probes_the_facet_index_alone(
    plan: Plan, sort: Sort, facets: dict[str, Any]
) -> None:
    nodes = plan(lambda db: listing.summaries(db, condition(**facets), sort=sort, limit=700))  # more than a walk finds
    probes = [node for node in nodes if node.get("Index Name") == FACETS]
    is_one_cell = condition(**facets).is_one_cell
    assert [node["Node Type"] for node in probes] == ["Index Scan" if is_one_cell else "Index Only Scan"]
    assert NEWEST not in indexes(nodes)
    assert not reads_the_table_whole(nodes)


def test_the_severest_tickets_come_from_the_facet_index(plan: Plan) -> None:
    nodes = plan(lambda db: listing.summaries(db, condition(), sort=Sort.SEVEREST, limit=50))
    assert FACETS in indexes(nodes)
    assert not reads_the_table_whole(nodes)


@pytest.mark.parametrize("term", ["xyl", "xylophone", "Xylophone is out", "nothing like it"])
@pytest.mark.parametrize("facets", [{}, {"category": ["billing"]}], ids=["everywhere", "in billing"])
def test_a_search_of_three_characters_and_more_uses_the_trigram_index(
    plan: Plan, term: str, facets: dict[str, Any]
) -> None:
    finds._texts.clear()
    for act in (
        lambda db: finds.ids(db, term),
        lambda db: listing.newest(db, condition(search=term, **facets), limit=50),
    ):
        nodes = plan(act)
        assert TRIGRAMS in indexes(nodes)
        assert not reads_the_table_whole(nodes)


def test_a_page_of_what_was_found_is_read_by_its_ids(plan: Plan) -> None:
    nodes = plan(lambda db: listing.summaries(db, condition(search="xylophone"), limit=50))
    assert indexes(nodes) == {"pk_tickets"}
    assert not reads_the_table_whole(nodes)


def test_what_was_changed_since_the_mirror_was_read_is_found_by_the_index_of_changes(
    crowd: Database, plan: Plan
) -> None:
    assert len(mirror.view(crowd).base) > 50_000
    nodes = plan(mirror.view)
    walks = [node for node in nodes if "Index Name" in node and "Index Cond" in node]
    assert {(node["Index Name"], node["Index Cond"]) for node in walks if node["Index Name"] == CHANGES}
    assert not reads_the_table_whole(nodes)


@pytest.mark.parametrize("facets", [{}, {"category": ["billing"], "status": ["open"]}], ids=str)
@pytest.mark.parametrize("changed_in", [0, 500])
def test_changes_since_a_cursor_walk_the_index_of_changes_from_there(
    crowd: Database, plan: Plan, facets: dict[str, Any], changed_in: int
) -> None:
    cluster = str(feed.since(crowd, "2999-01-01T00:00:00Z", condition(), limit=1).cursor).partition("-")[0]
    place = feed.Cursor(cluster, changed_in, 25_000)
    nodes = plan(lambda db: feed.since(db, str(place), condition(**facets), limit=100))
    walks = [node for node in nodes if "Index Name" in node]
    assert {node["Index Name"] for node in walks} == {CHANGES}
    assert any("ROW(" in node["Index Cond"] for node in walks), "it begins at the cursor"
    assert not reads_the_table_whole(nodes)


def test_a_ticket_is_found_by_its_key(plan: Plan) -> None:
    nodes = plan(lambda db: tickets.get(db, 25_000))
    assert indexes(nodes) == {"pk_tickets"}
