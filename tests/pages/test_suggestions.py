"""The page on suggestions: who suggests, how good that is, and how a silent second opinion compares."""

from typing import Any

import pytest

from tests.pages.conftest import MODEL, Sql, change, click, shows, tables, until, visit
from tests.unit.provider import Provider
from tests.unit.test_triage import tickets
from ticketcore import desk, lessons
from ticketcore.triage.training import learn

PAGE = "suggestions.py"


def test_a_new_desk_says_that_rules_suggest_and_when_it_will_learn() -> None:
    at = visit(PAGE)
    assert shows(at, "No language model is configured: the desk suggests by itself.")
    assert shows(at, "it first does when it has 50 tickets")
    assert shows(at, "With SUGGESTION_SHADOW=1")
    assert tables(at) == []


def test_a_desk_with_a_language_model_names_it(provider: Provider) -> None:
    assert shows(visit(PAGE), f"First the language model **{MODEL}**; where it does not answer, the desk.")


def test_what_came_out_in_the_examination_is_shown_and_what_agents_made_of_suggestions(sql: Sql) -> None:
    learned = learn(tickets(400))
    record = {"a-model": {"category": {"billing": (3, 4), "account": (5, 6)}, "priority": {}}}
    exam = learned.exam.model_copy(update={"record": record})
    lessons.store(desk.current().itself.db, type(learned)(exam, learned.final, learned.examined))
    desk.stop()
    at = visit(PAGE)
    lesson = exam.lessons["category"]
    figures, sources = tables(at)
    right = f"{100 * lesson.model_right / 80:.0f} % ({lesson.model_right} of 80)"
    assert figures[1:3] == [["Who answers", "Desk model", "Rules"], ["Desk model", right, "–"]]
    assert figures[4][:2] == [
        "Always the default",
        f"{100 * lesson.default_right / 80:.0f} % ({lesson.default_right} of 80)",
    ]
    assert sources[1] == ["a-model", "80 % (8 of 10)", "–"]
    assert shows(at, "The desk learned from its newest 400 tickets")


def test_a_silent_second_opinion_is_compared_with_the_one_that_was_shown(
    sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUGGESTION_SHADOW", "1")
    assert shows(visit(PAGE), "A second member of the chain is asked as well; nothing was filed since.")
    columns = (
        "category, priority, suggested_category, suggested_priority, suggestion_source,"
        " shadow_category, shadow_priority, shadow_source"
    )
    for row in (
        "'billing', 'low', 'billing', 'low', 'a-model', 'general', 'low', 'rules'",
        "'account', 'low', 'billing', 'low', 'a-model', 'account', 'high', 'rules'",
        "'account', 'low', 'general', 'low', 'a-model', 'account', 'low', 'rules'",
    ):
        sql(f"insert into tickets (title, description, {columns}) values ('T', 'D', {row}) returning id")
    (compared,) = tables(visit(PAGE))
    assert compared[1:] == [
        ["a-model", "rules", "Category", "33 % (1 of 3)", "67 % (2 of 3)", "3", "33 % (1 of 3)", "67 % (2 of 3)"],
        ["a-model", "rules", "Priority", "100 % (3 of 3)", "67 % (2 of 3)", "1", "100 % (1 of 1)", "0 % (0 of 1)"],
    ]


def test_filing_from_the_form_keeps_the_second_opinion_beside_the_ticket(
    sql: Sql, monkeypatch: pytest.MonkeyPatch, provider: Any
) -> None:
    monkeypatch.setenv("SUGGESTION_SHADOW", "1")
    at = change(change(visit(), "Title", "Password"), "Description", "My password is forgotten. No rush.")
    until(at, lambda: shows(at, f"Suggested by {MODEL}"))
    assert not shows(at, "rules")
    click(at, "Submit ticket")
    stored = "select suggestion_source, shadow_source, shadow_category, shadow_priority from tickets"
    assert sql(stored) == [(MODEL, "rules", "account", "low")]
