"""What is exported is what the filter matches, in its order, whole, typed, and safe to open; read back by others."""

import csv
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pandas as pd
import psycopg2
import pyarrow as pa
import pyarrow.parquet
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle import put
from ticketcore import copying, spreadsheet
from ticketcore import exports as process
from ticketcore.columns import COLUMNS, chosen
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable, InvalidInput
from ticketcore.export import Format
from ticketcore.exports import Exports
from ticketcore.filters import Sort, TicketFilter
from ticketcore.validation import parse

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 7, 2, 23, 30, tzinfo=UTC)
"""In Berlin it is the next day already."""

HOSTILE = [
    "=1+1", "+49 30 1234", "-2", "@SUM(A1)", "'=quoted", "''-twice", "'harmless", "a=b",
    'say "hi", then go', "two\nlines", "carriage\rreturn\r\nboth", "tab\there", "back\\slash \\N \\.",
    "😀 emoji 🎫", "שלום עולם", "مرحبا", "漢字", "<b>&amp;</b>", "_x0041_", "\\.", "NULL", "null",
    "nan", "0012", "1e5", "true",
]  # fmt: skip


@pytest.fixture
def exports(db: Database) -> Exports:
    return Exports(db)


def take(
    exports: Exports, format: str, *columns: str, matching: TicketFilter | None = None, sort: Sort = Sort.NEWEST,
    signature: bool = False, now: datetime = NOW,
) -> bytes:  # fmt: skip
    begun = exports.begin(
        matching or TicketFilter(), chosen(columns), Format(format), sort, signature=signature, zone=ZONE, now=now
    )
    file = b"".join(begun.chunks())
    assert begun.state == "done"
    return file


def from_csv(file: bytes) -> list[dict[str, Any]]:
    rows = csv.DictReader(io.StringIO(file.decode(), newline=""))
    return [{name: value if value != "" else None for name, value in row.items()} for row in rows]


def from_xlsx(file: bytes) -> list[dict[str, Any]]:
    found = []
    for sheet in openpyxl.load_workbook(io.BytesIO(file)):
        header, *rows = sheet.iter_rows(values_only=True)
        found += [dict(zip(header, row, strict=True)) for row in rows]
    return found


def from_parquet(file: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pa.parquet.read_table(io.BytesIO(file)).to_pylist()
    return found


def from_jsonl(file: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.decode().split("\n")[:-1]]


READERS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {
    "csv": from_csv,
    "xlsx": from_xlsx,
    "parquet": from_parquet,
    "jsonl": from_jsonl,
}
every_format = pytest.mark.parametrize("format", READERS)


def read(format: str, file: bytes) -> list[dict[str, Any]]:
    return READERS[format](file)


@every_format
def test_an_empty_desk_gives_a_file_without_rows(exports: Exports, format: str) -> None:
    file = take(exports, format, "id", "title")
    assert read(format, file) == []
    if format == "csv":
        assert file == b"id,title\n"


@every_format
def test_the_rows_are_those_of_the_filter_in_the_order_asked_for(
    exports: Exports, sql: sa.Connection, format: str
) -> None:
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    rows = put(
        sql,
        [
            {
                "title": f"Ticket {number} 50%_",
                "priority": ("low", "critical", "high")[number % 3],
                "status": ("open", "closed")[number % 2],
                "created_at": begin + timedelta(hours=number * 7 % 50),
            }
            for number in range(60)
        ],
    )
    matching = parse(TicketFilter, {"status": ["open"], "search": "50%_", "priority": ["low", "critical"]})
    kept = [row for row in rows if row.status == "open" and row.priority in ("low", "critical")]
    severity = {"low": 0, "critical": 1}
    orders = {
        Sort.NEWEST: sorted(kept, key=lambda row: (row.created_at, row.id), reverse=True),
        Sort.OLDEST: sorted(kept, key=lambda row: (row.created_at, row.id)),
        Sort.SEVEREST: sorted(kept, key=lambda row: (severity[row.priority], row.created_at, row.id), reverse=True),
    }
    for sort, expected in orders.items():
        found = read(format, take(exports, format, "title", "id", matching=matching, sort=sort))
        assert [(row["title"], int(row["id"])) for row in found] == [(row.title, row.id) for row in expected]


def undone(text: str) -> str:
    """What a reader of the CSV does to have the text as it was: takes the quote away that was put before a formula."""
    rest = text.lstrip("'")
    return text[1:] if text.startswith("'") and rest and rest[0] in "=+-@\t\r" else text


@every_format
def test_every_character_of_every_text_survives(exports: Exports, sql: sa.Connection, format: str) -> None:
    rows = put(sql, [{"title": " ".join(text.split()), "description": text} for text in HOSTILE])
    found = read(format, take(exports, format, "title", "description", sort=Sort.OLDEST))
    texts = [(row["title"], row["description"]) for row in found]
    if format == "csv":
        assert [(undone(title), undone(text)) for title, text in texts] == [(r.title, r.description) for r in rows]
    elif format == "xlsx":  # openpyxl does not take escapes back, spreadsheets do
        assert [text.replace("_x005F_", "_") for _, text in texts] == [row.description for row in rows]
    else:
        assert texts == [(row.title, row.description) for row in rows]


def test_pandas_reads_the_csv_as_it_is(exports: Exports, sql: sa.Connection) -> None:
    rows = put(sql, [{"description": text} for text in HOSTILE])
    frame = pd.read_csv(
        io.BytesIO(take(exports, "csv", sort=Sort.OLDEST, signature=True)), keep_default_na=False,
        dtype={"description": str}, parse_dates=["created_at"],
    )  # fmt: skip
    assert list(frame.columns) == list(COLUMNS)
    assert list(map(undone, frame.description)) == [row.description for row in rows]
    assert list(frame.created_at) == [pd.Timestamp(row.created_at) for row in rows]


def test_no_cell_of_a_csv_begins_as_a_formula_and_harmless_ones_are_unaltered(
    exports: Exports, sql: sa.Connection
) -> None:
    sql.exec_driver_sql(
        "insert into tickets (title, description, category, priority, suggested_category, suggested_priority,"
        " suggestion_source) values ('=1+1', '@x', 'general', 'low', 'general', 'low', '=cmd()')"
    )
    put(sql, [{"title": text} for text in ("=2", "+3", "-4", "@5", "'=6", "''=7", "'8", "9=", "10")])
    file = take(exports, "csv", "title", "description", "suggestion_source", sort=Sort.OLDEST)
    cells = [cell for row in csv.reader(io.StringIO(file.decode())) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    assert [row["title"] for row in from_csv(file)] == [
        "'=1+1", "'=2", "'+3", "'-4", "'@5", "''=6", "'''=7", "'8", "9=", "10",
    ]  # fmt: skip


def test_no_cell_of_a_spreadsheet_is_a_formula(exports: Exports, sql: sa.Connection) -> None:
    put(sql, [{"title": "=1+1", "description": "@SUM(A1)"}])
    sheet = openpyxl.load_workbook(io.BytesIO(take(exports, "xlsx", "title", "description"))).active
    assert [(cell.value, cell.data_type) for cell in sheet[2]] == [("=1+1", "s"), ("@SUM(A1)", "s")]


def test_a_csv_begins_with_the_signature_of_utf_8_only_by_choice(exports: Exports) -> None:
    assert take(exports, "csv", "id", signature=True) == b"\xef\xbb\xbfid\n"
    assert take(exports, "csv", "id") == b"id\n"


@pytest.fixture
def lives(sql: sa.Connection) -> dict[int, dict[str, Any]]:
    """Tickets with a life, and what an analyst would work out of it, in plain Python from raw facts."""
    filed = datetime(2026, 6, 1, 12, tzinfo=UTC)
    put(sql, [{"title": name, "created_at": filed} for name in ("open", "resolved", "reopened", "again")])
    for number, status in ((2, "resolved"), (3, "resolved"), (3, "open"), (4, "closed"), (4, "open"), (4, "closed")):
        sql.exec_driver_sql(f"update tickets set status = '{status}' where id = {number}")
    resolved = dict(sql.exec_driver_sql("select id, resolved_at from tickets").all())
    return {
        number: {
            "resolved_at": resolved[number],
            "resolution_hours": resolved[number] and round((resolved[number] - filed).total_seconds() / 3600, 2),
            "age_hours": None if resolved[number] else (NOW - filed).total_seconds() / 3600,
            "reopened": number in (3, 4),
        }
        for number in (1, 2, 3, 4)
    }


@pytest.mark.parametrize("format", ["parquet", "jsonl", "xlsx"])
def test_what_analysts_otherwise_compute_by_hand_is_there_and_typed(
    exports: Exports, lives: dict[int, dict[str, Any]], format: str
) -> None:
    found = {row.pop("id"): row for row in read(format, take(exports, format, "id", *lives[1]))}
    for number, expected in lives.items():
        row = found[number]
        moment = row.pop("resolved_at")
        if moment is not None:
            moment = datetime.fromisoformat(moment) if format == "jsonl" else moment
            moment = moment.replace(tzinfo=UTC) if format == "xlsx" else moment
            assert abs(moment - expected["resolved_at"]) < timedelta(milliseconds=1)
        else:
            assert expected["resolved_at"] is None
        assert row == {
            name: pytest.approx(value, abs=0.006) for name, value in expected.items() if name != "resolved_at"
        }
    assert type(found[1]["reopened"]) is bool


def test_parquet_has_real_types_and_row_groups(
    exports: Exports, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketcore.parquet.ROW_GROUP", 10)
    monkeypatch.setattr("ticketcore.parquet.BLOCK", 4_000)
    rows = put(sql, [{"title": f"T{number}", "description": "x" * 500} for number in range(50)])
    file = pa.parquet.ParquetFile(io.BytesIO(take(exports, "parquet", sort=Sort.OLDEST)))
    schema = file.schema_arrow
    assert schema.field("id").type == pa.int64()
    assert schema.field("created_at").type == pa.timestamp("us", "UTC")
    assert schema.field("resolution_hours").type == pa.float64()
    assert schema.field("reopened").type == pa.bool_()
    assert all(pa.types.is_dictionary(schema.field(name).type) for name in ("category", "priority", "status"))
    assert file.num_row_groups > 1
    assert file.read().column("created_at").to_pylist() == [row.created_at for row in rows]


def test_a_full_sheet_is_followed_by_another(
    exports: Exports, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "SHEET_ROWS", 20)
    for rows, sheets in ((20, [20]), (41, [20, 20, 1])):
        put(
            sql,
            [
                {"title": f"T{number}"}
                for number in range(rows - sql.exec_driver_sql("select count(*) from tickets").scalar_one())
            ],
        )
        book = openpyxl.load_workbook(io.BytesIO(take(exports, "xlsx", "id", "title", sort=Sort.OLDEST)))
        assert [sheet.max_row - 1 for sheet in book] == sheets
        assert [cell for sheet in book for (cell,) in sheet.iter_rows(2, max_col=1, values_only=True)] == list(
            range(1, rows + 1)
        )


def test_each_sheet_has_a_header_that_stays_and_filters(exports: Exports, sql: sa.Connection) -> None:
    put(sql, [{}, {}, {}])
    sheet = openpyxl.load_workbook(io.BytesIO(take(exports, "xlsx", "id", "created_at", "status"))).active
    assert [cell.value for cell in sheet[1]] == ["id", "created_at", "status"]
    assert all(cell.font.bold for cell in sheet[1])
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:C4"
    assert sheet["B2"].is_date


@pytest.mark.parametrize("character", ["x", "😀"], ids=["plain", "counting twice"])
def test_a_text_that_no_cell_can_hold_is_cut_and_says_so(exports: Exports, sql: sa.Connection, character: str) -> None:
    put(sql, [{"description": character * 20_000}])
    ((text,),) = [row.values() for row in from_xlsx(take(exports, "xlsx", "description"))]
    assert len(text.encode("utf-16-le")) // 2 <= 32_767
    if character == "x":
        assert text == "x" * 20_000
    else:
        assert text.startswith("😀" * 15_000)
        assert text.endswith("[cut here: a cell holds no more]")


def test_characters_that_xml_does_not_have_do_not_break_the_file(exports: Exports, sql: sa.Connection) -> None:
    put(sql, [{"description": "a\x01b\x0bc\ufffed"}])
    assert [row["description"] for row in from_xlsx(take(exports, "xlsx", "description"))] == ["a\ufffdb\ufffdc\ufffdd"]


def test_columns_come_in_the_order_asked_for_and_an_unknown_one_is_named(exports: Exports) -> None:
    assert take(exports, "csv", "status", "id", "status") == b"status,id\n"
    with pytest.raises(InvalidInput, match="nonsense: no such column") as caught:
        chosen(["id", "nonsense"])
    assert list(caught.value.errors) == ["columns"]


def test_the_name_says_what_is_in_the_file(exports: Exports, sql: sa.Connection) -> None:
    put(sql, [{"status": "open", "priority": "critical"}])

    def name(**values: Any) -> str:
        begun = exports.begin(parse(TicketFilter, values), chosen([]), Format.XLSX, zone=ZONE, now=NOW)
        begun.close()
        return begun.name

    assert name() == "all-tickets_2026-07-03_1-row.xlsx"
    assert name(status=["closed"]) == "closed-tickets_2026-07-03_0-rows.xlsx"
    assert name(priority=["critical"], search="../Ünï “x”") == "critical-tickets-containing-ünï-x_2026-07-03.xlsx"


def test_all_rows_and_their_number_are_of_one_moment(exports: Exports, sql: sa.Connection) -> None:
    put(sql, [{} for _ in range(5)])
    begun = exports.begin(TicketFilter(), chosen(["id"]), Format.CSV, zone=ZONE, now=NOW)
    put(sql, [{}])
    assert begun.total == 5
    assert len(from_csv(b"".join(begun.chunks()))) == begun.rows == 5


def copies(sql: sa.Connection) -> int:
    """The desk's connections that are neither idle nor gone."""
    busy = (
        "select count(*) from pg_stat_activity where application_name = 'ticket-desk' and state <> 'idle'"
        " and pid <> pg_backend_pid()"
    )
    return int(sql.exec_driver_sql(busy).scalar_one())


def settles(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def many(sql: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the desk holds ahead of a reader: 40 MB."""
    monkeypatch.setattr("ticketcore.parquet.GROUP_SIZE", 500_000)
    monkeypatch.setattr("ticketcore.parquet.BLOCK", 100_000)
    sql.exec_driver_sql(
        "insert into tickets (title, description, category, priority)"
        " select 'A', repeat('x', 20000), 'general', 'low' from generate_series(1, 2000)"
    )


@every_format
def test_a_download_that_is_broken_off_leaves_nothing_behind(
    exports: Exports, db: Database, sql: sa.Connection, many: None, format: str
) -> None:
    db.snapshot()  # which starts the watchdog of the connections
    threads = set(threading.enumerate())
    begun = exports.begin(TicketFilter(), chosen([]), Format(format), zone=ZONE, now=NOW)
    pieces = begun.chunks()
    next(pieces)
    next(pieces)
    assert copies(sql) == 1
    pieces.close()
    assert begun.state == "broken"
    assert settles(lambda: copies(sql) == 0)
    assert settles(lambda: set(threading.enumerate()) <= threads)


def test_an_export_that_nobody_begins_to_read_leaves_nothing_behind(exports: Exports, sql: sa.Connection) -> None:
    begun = exports.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW)
    assert copies(sql) == 1
    begun.close()
    assert settles(lambda: copies(sql) == 0)


def test_a_reader_that_stands_still_is_given_up(
    exports: Exports, sql: sa.Connection, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "STALL", 0.3)
    begun = exports.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW)
    pieces = begun.chunks()
    next(pieces)
    next(pieces)
    assert settles(lambda: copies(sql) == 0)
    with pytest.raises(DatabaseUnavailable):
        list(pieces)
    assert begun.state == "broken"


@every_format
def test_a_database_that_goes_away_breaks_the_file_off_instead_of_ending_it(
    exports: Exports, sql: sa.Connection, many: None, format: str
) -> None:
    begun = exports.begin(TicketFilter(), chosen([]), Format(format), zone=ZONE, now=NOW)
    pieces = begun.chunks()
    next(pieces)
    next(pieces)
    sql.exec_driver_sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ticket-desk'")
    with pytest.raises(DatabaseUnavailable):
        list(pieces)
    assert begun.state == "broken"


def test_a_count_that_fails_leaves_nothing_behind(
    sql: sa.Connection, db: Database, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketcore.pool.STATEMENT_TIMEOUT", "100ms")
    hasty = Exports(Database(server))
    locker = psycopg2.connect(server)
    with locker.cursor() as cursor:
        cursor.execute("lock table tickets in access exclusive mode")
    with pytest.raises(DatabaseUnavailable):
        hasty.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW)
    locker.close()
    assert settles(lambda: copies(sql) == 0)
    begun = [hasty.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW) for _ in range(process.AT_ONCE)]
    for one in begun:
        one.close()


def test_only_so_many_exports_run_at_once_and_the_next_waits_its_turn(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "AT_ONCE", 2)
    first, second = (exports.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW) for _ in range(2))
    with pytest.raises(DatabaseUnavailable, match="Many exports"):
        exports.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW)
    first.close()
    assert list(exports.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW).chunks())
    second.close()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40).filter(
    str.strip
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts, min_size=1, max_size=5))
def test_any_text_comes_back_as_it_is(exports: Exports, sql: sa.Connection, written: list[str]) -> None:
    sql.exec_driver_sql("truncate tickets, ticket_events restart identity")
    rows = put(sql, [{"description": text.strip()} for text in written])
    for format in ("csv", "parquet", "jsonl"):
        found = [row["description"] for row in read(format, take(exports, format, "description", sort=Sort.OLDEST))]
        found = list(map(undone, found)) if format == "csv" else found
        assert found == [row.description for row in rows], format


def test_an_export_that_another_thread_closes_is_broken_for_whoever_waits_for_it(
    exports: Exports, sql: sa.Connection
) -> None:
    """As when a client hangs up, or the desk stops, while a worker waits for the next rows."""
    sql.exec_driver_sql(
        "insert into tickets (title, description, category, priority)"
        " select 'A', repeat('x', 20000), 'general', 'low' from generate_series(1, 3000)"
    )
    for _ in range(10):
        begun = exports.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW)
        pieces = begun.chunks()
        next(pieces)
        ended: list[BaseException | None] = []

        def read(pieces: Iterator[bytes] = pieces, ended: list[BaseException | None] = ended) -> None:
            try:
                for _ in pieces:
                    pass
                ended.append(None)
            except BaseException as error:  # noqa: BLE001 - looked at below
                ended.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        begun.close()
        reader.join()
        assert isinstance(ended[0], DatabaseUnavailable)
        assert begun.state == "broken"


@pytest.mark.parametrize(
    "column", ["resolved_at", "resolution_hours", "age_hours", "suggested_category", "suggestion_source"]
)
def test_a_single_column_that_is_mostly_empty_has_every_row_in_every_format(
    exports: Exports, sql: sa.Connection, column: str
) -> None:
    """COPY writes an empty line for a row of one empty cell, which readers of CSV take for nothing."""
    put(sql, [{}, {"status": "closed"}, {}, {"status": "resolved"}, {}])
    sql.exec_driver_sql(
        "update tickets set suggested_category = 'billing', suggested_priority = 'low', suggestion_source = 'model'"
        " where id in (2, 5)"
    )
    frames = {
        "csv": pd.read_csv(io.BytesIO(take(exports, "csv", column))),
        "xlsx": pd.DataFrame(from_xlsx(take(exports, "xlsx", column))),
        "parquet": pd.read_parquet(io.BytesIO(take(exports, "parquet", column))),
        "jsonl": pd.read_json(io.BytesIO(take(exports, "jsonl", column)), lines=True),
    }
    query = {
        "resolved_at": "resolved_at is null", "resolution_hours": "resolved_at is null",
        "age_hours": "resolved_at is not null", "suggested_category": "suggested_category is null",
        "suggestion_source": "suggestion_source is null",
    }[column]  # fmt: skip
    empty = sql.exec_driver_sql(f"select {query} from tickets order by id desc").scalars().all()
    for format, frame in frames.items():
        assert frame[column].isna().tolist() == empty, format


def test_an_export_that_was_broken_off_keeps_nothing_of_the_file(exports: Exports, sql: sa.Connection) -> None:
    sql.exec_driver_sql(
        "insert into tickets (title, description, category, priority)"
        " select 'A', repeat('x', 20000), 'general', 'low' from generate_series(1, 1000)"
    )
    begun = exports.begin(TicketFilter(), chosen([]), Format.CSV, zone=ZONE, now=NOW, key="mine")
    pieces = begun.chunks()
    next(pieces), next(pieces)
    time.sleep(0.2)  # the copy runs ahead of its reader
    begun.close()
    remembered = exports.find("mine")
    assert remembered is not None
    waiting = remembered._copy._batches.queue
    assert sum(len(row) for batch in waiting if isinstance(batch, list) for row in batch) == 0
