"""Visitors without a browser: AppTest runs the pages, a PostgreSQL 18 keeps the tickets, and raw SQL judges."""

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from xml.etree import ElementTree

import psycopg2
import pytest
import sqlalchemy as sa
import streamlit as st
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, Node, Widget

from tests.unit.provider import Provider, says
from ticketcore import desk
from ticketcore.ui import drafts

MAIN = Path(__file__).parents[2] / "pages" / "main.py"
MODEL = "small-model_1"
GOOD = {"category": "billing", "priority": "high"}

ZONE = "Pacific/Auckland"
"""The desk's time zone here: its days begin 12 or 13 hours before those of UTC, so mixing the two up shows."""

NO_COMPONENTS = BidiComponentManager()
"""The desk has no custom components; looking for some in every installed package takes 0.3 s a visitor."""


class Sql(Protocol):
    """Runs one statement past ticketcore and returns its rows; it commits by itself."""

    def __call__(self, statement: str, *values: Any) -> list[tuple[Any, ...]]: ...


Filing = Callable[..., int]


@pytest.fixture
def sql(newest_server: str) -> Iterator[Sql]:
    connection = psycopg2.connect(newest_server)
    connection.autocommit = True

    def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    yield run
    connection.close()


@pytest.fixture(autouse=True)
def fresh_desk(monkeypatch: pytest.MonkeyPatch, newest_server: str, sql: Sql) -> Iterator[None]:
    """An empty desk that the first visitor starts; it has no model unless the test asks for `provider`."""
    desk.stop()
    st.cache_data.clear()
    monkeypatch.setattr(drafts, "_kept", OrderedDict())
    monkeypatch.setenv("DATABASE_URL", newest_server)
    monkeypatch.setenv("DESK_TIMEZONE", ZONE)
    monkeypatch.setenv("SUGGESTION_LEARN", "0")  # no page waits for it, and each test would
    yield
    desk.stop()
    sql("truncate tickets, ticket_events, saved_views, desk_models restart identity")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """The model that the desk asks; it answers billing and high."""
    provider = Provider(says(GOOD))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    monkeypatch.setenv("OPENAI_MODEL", MODEL)
    yield provider
    desk.stop()
    provider.close()


@pytest.fixture
def file_ticket(sql: Sql) -> Filing:
    """Stores a ticket by raw SQL and returns its id."""

    def file_ticket(title: str = "A title", description: str = "A description", **columns: Any) -> int:
        values = {"title": title, "description": description, "category": "general", "priority": "medium", **columns}
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        ((number,),) = sql(f"insert into tickets ({names}) values ({places}) returning id", *values.values())
        return int(number)

    return file_ticket


@pytest.fixture
def statements(fresh_desk: None) -> Iterator[list[str]]:
    """Every statement that the desk sends, in order."""
    sent: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    assert desk.current().itself.knowledge is not None  # it has looked up what was learned, and does not again for now
    engine = desk.current().db._engine
    sa.event.listen(engine, "before_cursor_execute", record)
    yield sent
    sa.event.remove(engine, "before_cursor_execute", record)


def visit(script: str = "submit.py", /, **params: str | list[str]) -> AppTest:
    """A new visitor, in Berlin, who opened this address."""
    at = AppTest.from_file(MAIN, default_timeout=60)
    at._bidi_component_manager = NO_COMPONENTS
    at.context = {"timezone": "Europe/Berlin"}
    if script != "submit.py":
        run(at).switch_page(script)
    at.query_params = dict(params)
    return run(at)


def run(at: AppTest) -> AppTest:
    """The page, run once more; no run may end in what Streamlit shows as an exception."""
    at.run()
    assert not at.exception, [element.message for element in at.exception]
    return at


def field(at: AppTest, label: str) -> Any:
    """The one input or button with this label."""
    (found,) = [node for node in nodes(at) if isinstance(node, Widget) and getattr(node, "label", "") == label]
    return found


def values(at: AppTest, *labels: str) -> list[Any]:
    return [field(at, label).value for label in labels]


def views_open(**params: str) -> AppTest:
    """The tickets page with the saved views open, as after a click on "Views"."""
    at = visit("browse.py", **params)
    at.session_state["saved_open"] = True
    return run(at)


def change(at: AppTest, label: str, value: Any) -> AppTest:
    """Fills one field and leaves it."""
    field(at, label).set_value(value)
    return run(at)


def click(at: AppTest, label: str) -> AppTest:
    field(at, label).click()
    return run(at)


def until(at: AppTest, condition: Callable[[], bool]) -> None:
    """Reruns the page, as its own timers do, until the condition holds."""
    for _ in range(2_000):
        if condition():
            return
        run(at)
    raise AssertionError(f"still not so: {texts(at)}")


def nodes(at: AppTest) -> Iterator[Node]:
    def walk(node: Node) -> Iterator[Node]:
        yield node
        if isinstance(node, Block):
            for child in node.children.values():
                yield from walk(child)

    return walk(at._tree)


def unescaped(markdown: str) -> str:
    """`markdown` without CommonMark's backslash escapes and without joiners, which nobody sees."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u2060", "")


def texts(at: AppTest) -> list[str]:
    """Every sentence on the page, in order and as a reader sees it; the values of inputs are not among them."""
    found = []
    for node in nodes(at):
        link = leading(node)
        text = link[0] if link else getattr(getattr(node, "proto", None), "body", "")
        if isinstance(text, str) and text:
            found.append(unescaped(text))
    return found


def shows(at: AppTest, words: str) -> bool:
    return any(words in text for text in texts(at))


def links(at: AppTest) -> list[tuple[str, str]]:
    """The links outside of tables, in order: their label as a reader sees it, and where they lead."""
    return [link for node in nodes(at) if (link := leading(node))]


def leading(node: Node) -> tuple[str, str] | None:
    """The label of a link and where it leads; None for everything else."""
    if node.type == "page_link":
        return unescaped(node.proto.label), "?".join(filter(None, (node.proto.page, node.proto.query_string)))
    if node.type == "html" and node.proto.body.startswith("<a "):
        link = ElementTree.fromstring(node.proto.body)
        return "".join(link.itertext()).removeprefix("→ "), link.attrib["href"]
    return None


def listed(at: AppTest, column: str = "title") -> list[Any]:
    """One column of the table, from top to bottom."""
    return at.dataframe[0].value[column].tolist()


def tables(at: AppTest) -> list[list[list[str]]]:
    """The HTML tables, row by row; the first row is the head."""
    found = []
    for body in (node.proto.body for node in at.get("html") if "<table" in node.proto.body):
        table = re.search("<table.*</table>", body, re.DOTALL)
        assert table
        found.append(
            [["".join(cell.itertext()) for cell in row] for row in ElementTree.fromstring(table[0]).iter("tr")]
        )
    return found


def charts(at: AppTest) -> dict[str, dict[str, Any]]:
    """The charts' specifications, by the text that a screen reader says."""
    return {chart.proto.alt: json.loads(chart.proto.spec) for chart in at.get("vega_lite_chart")}
