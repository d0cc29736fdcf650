"""What one desk exports another imports, and has the same tickets."""

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tests.db.test_export import HOSTILE
from tests.oracle import put
from ticketcore import importer
from ticketcore.columns import chosen
from ticketcore.database import Database
from ticketcore.export import Format
from ticketcore.exports import Exports
from ticketcore.filters import Sort, TicketFilter

FACTS = """
    select title, description, category::text, priority::text, status::text, created_at, resolved_at,
           suggested_category::text, suggested_priority::text, suggestion_source
    from tickets order by id"""


@pytest.mark.parametrize(
    ("format", "kind"),
    [(Format.CSV, importer.Format.CSV), (Format.JSONL, importer.Format.JSON_LINES)],
)
@pytest.mark.parametrize("signature", [False, True], ids=["", "with signature"])
def test_what_was_exported_comes_back_as_it_was(
    db: Database, sql: sa.Connection, format: Format, kind: importer.Format, signature: bool
) -> None:
    put(sql, [{"title": " ".join(text.split()), "description": text, "priority": "high"} for text in HOSTILE])
    sql.exec_driver_sql("update tickets set status = 'resolved' where id %% 3 = 0")
    sql.exec_driver_sql("update tickets set status = 'in_progress' where id %% 3 = 1")
    sql.exec_driver_sql(
        "update tickets set suggested_category = 'billing', suggested_priority = 'low', suggestion_source = '=model'"
        " where id %% 2 = 0"
    )
    before = sql.exec_driver_sql(FACTS).all()
    export = Exports(db).begin(
        TicketFilter(),
        chosen([]),
        format,
        Sort.OLDEST,
        signature=signature,
        zone=ZoneInfo("UTC"),
        now=datetime.now(UTC),
    )
    file = b"".join(export.chunks())
    sql.exec_driver_sql("truncate tickets, ticket_events restart identity")
    imported = importer.load(db, io.BytesIO(file), kind)
    assert (imported.imported, list(imported.faults), list(imported.ignored_columns)) == (len(HOSTILE), [], [])
    assert sql.exec_driver_sql(FACTS).all() == before
