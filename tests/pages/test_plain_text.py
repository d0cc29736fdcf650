"""Ticket content is somebody's text: whatever it holds, it reaches no page as markup."""

import re

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import Filing, Sql, change, click, nodes, run, shows, until, visit
from tests.unit.provider import Provider

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "**bold** _italic_ ~~gone~~ `code`",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "[link](javascript:alert(1)) ![image](https://evil.example/x.png)",
    "[[link]] <https://evil.example> https://evil.example www.evil.example a@evil.example",
    "$E = mc^2$ and $$x$$",
    ":smile: :red[red] :material/bug: :streamlit: :small[x] :blue-badge[y]",
    "a | b",
    "&lt;b&gt; &amp;amp; &#x3c;",
    "back\\slash \\* \\<",
    "```",
    "---",
    "[^1]: note",
]

SHOWN_AS_IT_IS = {"value", "default", "placeholder", "query_string", "id", "form_id", "columns", "spec"}
"""Parts of elements that read neither Markdown nor HTML."""


def strings(message: Message) -> list[str]:
    """Every text in an element that reads Markdown or HTML."""
    found = []
    for descriptor, value in message.ListFields():
        if descriptor.name in SHOWN_AS_IT_IS:
            continue
        parts = [value] if isinstance(value, str | Message) else list(value) if hasattr(value, "__iter__") else []
        for part in parts:
            found += [part] if isinstance(part, str) else strings(part) if isinstance(part, Message) else []
    return found


PUNCTUATION = r"[!-/:-@\[-`{-~]"


def marked(text: str) -> str:
    return f"QQ{text}QQ"


def assert_plain(at: AppTest) -> None:
    """Wherever the text between the marks stands, it is escaped for Markdown, or for HTML in an element of HTML."""
    found = [
        (node.type, inside)
        for node in nodes(at)
        if isinstance(getattr(node, "proto", None), Message)
        for text in strings(node.proto)
        for inside in re.findall(r"QQ(.*?)QQ", text, re.DOTALL)
    ]
    assert found
    for kind, inside in found:
        unescaped = re.findall("[<>]" if kind == "html" else PUNCTUATION, re.sub(rf"\\{PUNCTUATION}", "", inside))
        assert not unescaped, (kind, inside)


def test_a_filed_text_is_plain_on_the_form_s_page(sql: Sql) -> None:
    at = visit()
    for hostile in HOSTILE:
        change(change(at, "Title", marked(hostile)), "Description", marked(hostile))
        click(at, "Submit ticket")
        assert_plain(at)
    assert sql("select title, description from tickets order by id") == [
        (marked(text), marked(text)) for text in HOSTILE
    ]


def test_a_ticket_s_texts_are_plain_on_its_own_page_and_beside_the_list(file_ticket: Filing) -> None:
    alone, beside = visit("ticket.py"), visit("browse.py")
    for hostile in HOSTILE:
        number = file_ticket(
            marked(hostile), marked(f"{hostile}\n\n{hostile}"),
            suggested_category="billing", suggested_priority="low", suggestion_source=marked(hostile),
        )  # fmt: skip
        alone.query_params = {"id": str(number)}
        assert_plain(run(alone))
        beside.session_state["browse_ticket"] = number
        assert_plain(run(beside))


def test_what_is_searched_is_plain_in_what_the_figures_are_about(file_ticket: Filing) -> None:
    file_ticket()
    at = visit("stats.py")
    for hostile in HOSTILE:
        assert_plain(change(at, "Search", marked(hostile)))


def test_what_a_link_names_is_plain_in_the_message_about_it(file_ticket: Filing) -> None:
    file_ticket()
    for hostile in HOSTILE:
        assert_plain(visit("browse.py", category=marked(hostile)))


def test_a_name_in_the_history_is_plain(file_ticket: Filing, sql: Sql) -> None:
    at = visit("ticket.py", id=str(file_ticket()))
    for hostile in HOSTILE:
        sql("update ticket_events set actor = %s, source = 'api'", marked(hostile))
        assert_plain(run(at))


def test_the_model_s_name_is_plain_beside_the_fields(monkeypatch: pytest.MonkeyPatch, provider: Provider) -> None:
    monkeypatch.setenv("OPENAI_MODEL", marked(":smile: <b>*x*</b>"))
    at = change(visit(), "Description", "June was charged twice.")
    until(at, lambda: shows(at, "Suggested by"))
    assert_plain(at)
