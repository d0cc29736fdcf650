"""Filing a ticket: stored once and as typed, suggested in the background, and never a lost character."""

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import (
    GOOD,
    MAIN,
    MODEL,
    Filing,
    Sql,
    change,
    click,
    field,
    links,
    run,
    shows,
    texts,
    until,
    values,
    visit,
)
from tests.unit.provider import Behaviour, Provider, fails, says
from ticketcore.database import Database
from ticketcore.errors import DatabaseUnavailable, Overloaded
from ticketcore.lookalikes import Lookalike
from ticketcore.ui import drafts, loaders

STORED = "select title, description, category, priority, status from tickets order by id"
SUGGESTED = "select suggested_category, suggested_priority, suggestion_source from tickets order by id"
OTHER = {"category": "account", "priority": "critical"}


def write(at: AppTest, title: str = "Charged twice", description: str = "June was charged twice.") -> AppTest:
    return change(change(at, "Title", title), "Description", description)


@pytest.fixture
def release(provider: Provider) -> Iterator[threading.Event]:
    """Set it, and the provider gives the answers that it holds back."""
    release = threading.Event()
    yield release
    release.set()


def held(release: threading.Event, behaviour: Behaviour) -> Behaviour:
    def wait(handler: Any) -> None:
        release.wait(60)
        behaviour(handler)

    return wait


def answers(**behaviours: Behaviour) -> Behaviour:
    """The behaviour whose name stands in the ticket that is asked about."""

    def answer(handler: Any) -> None:
        (behaviour,) = [what for word, what in behaviours.items() if word in handler.asked.message("user")]
        behaviour(handler)

    return answer


def is_thinking(at: AppTest) -> bool:
    return shows(at, "Thinking…")


def test_a_desk_without_tickets_offers_the_form_and_says_what_will_be_listed_beside_it() -> None:
    at = visit()
    assert values(at, "Title", "Description", "Category", "Priority") == ["", "", "general", "medium"]
    assert shows(at, "Nothing has been filed yet. The newest tickets will be listed here.")


def test_filing_stores_exactly_one_open_ticket_as_it_was_typed_without_the_blanks_around_it(sql: Sql) -> None:
    title, description = "Ärger – 『請求』 🎫 'quoted' \\ %s", 'First line\n\n  indented "second" \u202e line\ttab'
    at = write(visit(), f"  {title} ", f"\n{description}\n\n")
    change(change(at, "Category", "account"), "Priority", "critical")
    click(at, "Submit ticket")
    assert sql(STORED) == [(title, description, "account", "critical", "open")]
    assert sql("select source, actor, kind from ticket_events") == [("dashboard", None, "created")]


def test_after_filing_the_form_is_empty_and_the_newest_list_shows_the_ticket_with_a_link_to_it() -> None:
    at = click(write(visit(), "Charged twice (again)"), "Submit ticket")
    assert values(at, "Title", "Description", "Category", "Priority") == ["", "", "general", "medium"]
    assert shows(at, "Ticket #1 is filed.")
    assert links(at) == [("Open ticket #1", "ticket?id=1"), ("#1 Charged twice (again)", "ticket?id=1")]


def test_the_next_ticket_can_be_filed_from_the_empty_form(sql: Sql) -> None:
    at = click(write(visit(), "One"), "Submit ticket")
    click(write(at, "Two"), "Submit ticket")
    assert [row[0] for row in sql(STORED)] == ["One", "Two"]
    assert shows(at, "Ticket #2 is filed.")
    assert not shows(at, "Ticket #1 is filed.")


def test_the_newest_list_holds_a_handful_newest_first_and_what_others_file_arrives_in_it(file_ticket: Filing) -> None:
    at = visit()
    for number in range(1, 11):
        file_ticket(f"Ticket number {number}")
    assert [label for label, _ in links(run(at))] == [f"#{n} Ticket number {n}" for n in range(10, 2, -1)]


@pytest.mark.parametrize(
    ("title", "description", "named"),
    [
        ("", "A description", ["Title must not be blank"]),
        (" \t\u2003 ", "A description", ["Title must not be blank"]),
        ("A title", "", ["Description must not be blank"]),
        ("A title", "\n\n \u00a0", ["Description must not be blank"]),
        ("", "", ["Title must not be blank", "Description must not be blank"]),
        ("NUL\x00", "A description", ["Title must not contain NUL"]),
        ("A title", "a\x00b", ["Description must not contain NUL"]),
        ("two\u2028lines", "A description", ["Title must be a single line"]),
    ],
)
def test_what_cannot_be_filed_names_each_bad_field_stores_nothing_and_keeps_every_character(
    sql: Sql, title: str, description: str, named: list[str]
) -> None:
    at = change(write(visit(), title, description), "Priority", "high")
    click(at, "Submit ticket")
    messages = [error.value for error in at.error]
    assert len(messages) == len(named)
    assert all(words in message for words, message in zip(named, messages, strict=True))
    assert sql(STORED) == sql("select id from ticket_events") == []
    assert values(at, "Title", "Description", "Priority") == [title, description, "high"]


def test_a_mended_form_is_filed_and_the_message_is_gone(sql: Sql) -> None:
    at = click(write(visit(), "  "), "Submit ticket")
    assert at.error
    click(change(at, "Title", "Charged twice"), "Submit ticket")
    assert not at.error
    assert sql("select title from tickets") == [("Charged twice",)]


def test_a_text_that_is_too_long_is_kept_and_its_length_is_said(sql: Sql) -> None:
    at = write(visit(), "x" * 201, "y" * 20_001)
    said = [element.value for element in at.warning]
    assert said == [
        "Title has 201 characters; 200 are the most.",
        "Description has 20,001 characters; 20,000 are the most.",
    ]
    click(at, "Submit ticket")
    assert values(at, "Title", "Description") == ["x" * 201, "y" * 20_001]
    assert sql("select count(*) from tickets") == [(0,)]


def test_the_longest_texts_are_stored_whole(sql: Sql) -> None:
    at = visit()
    click(write(at, "🎫" * 200, "é\n" * 9_999 + "ab"), "Submit ticket")
    assert sql("select title, description from tickets") == [("🎫" * 200, "é\n" * 9_999 + "ab")]


def test_where_nobody_has_a_suggestion_it_is_the_default_and_says_so(sql: Sql) -> None:
    at = write(visit(), "Lorem", "Ipsum dolor sit amet.")
    until(at, lambda: not is_thinking(at))
    assert texts(at).count(":material/block: Default: no suggestion available") == 2
    assert values(at, "Category", "Priority") == ["general", "medium"]
    click(at, "Submit ticket")
    assert sql(SUGGESTED) == [("general", "medium", "default")]


def test_without_a_key_rules_suggest_and_the_form_says_how_sure_they_are_and_why(sql: Sql) -> None:
    at = write(visit(), "Charged twice", "June was charged twice. There is no rush.")
    until(at, lambda: not is_thinking(at))
    assert values(at, "Category", "Priority") == ["billing", "low"]
    assert texts(at).count(":material/help: Suggested by rules · uncertain (55\u00a0%)") == 1
    assert texts(at).count(":material/help: Suggested by rules · uncertain (35\u00a0%)") == 1
    assert shows(at, "Why: “charged”, “twice” → Billing · “no rush” → Low")
    click(at, "Submit ticket")
    assert sql(SUGGESTED) == [("billing", "low", "rules")]


def test_the_meaning_of_each_value_is_there_as_help_in_the_desks_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DESK_CATEGORIES_HELP", "billing=*all* that costs")
    at = visit()
    assert "**Billing** \\*all\\* that costs" in field(at, "Category").help
    assert "**Low** a question\\, a wish or a flaw in looks" in field(at, "Priority").help


def test_the_model_s_suggestion_fills_both_fields_names_the_model_and_is_stored_beside_the_ticket(
    provider: Provider, sql: Sql
) -> None:
    at = write(visit())
    until(at, lambda: not is_thinking(at))
    assert values(at, "Category", "Priority") == ["billing", "high"]
    assert texts(at).count(f":material/help: Suggested by {MODEL} · not measured yet") == 2
    change(at, "Priority", "low")
    click(at, "Submit ticket")
    assert sql(STORED) == [("Charged twice", "June was charged twice.", "billing", "low", "open")]
    assert sql(SUGGESTED) == [("billing", "high", MODEL)]


def test_a_suggestion_for_an_older_text_is_not_stored_with_the_text_that_replaced_it(
    provider: Provider, sql: Sql
) -> None:
    at = write(visit())
    until(at, lambda: not is_thinking(at))
    field(at, "Description").set_value("The whole server is down.")
    click(at, "Submit ticket")
    assert sql("select description from tickets") == [("The whole server is down.",)]
    assert sql(SUGGESTED) == [(None, None, None)]


def test_the_model_reads_the_title_too(provider: Provider) -> None:
    at = write(visit(), "Invoice of June", "Charged twice.")
    until(at, lambda: not is_thinking(at))
    assert "Invoice of June" in provider.requests[-1].message("user")
    assert "Charged twice." in provider.requests[-1].message("user")


def test_a_title_alone_asks_nobody(provider: Provider) -> None:
    at = change(visit(), "Title", "Charged twice")
    assert not is_thinking(at)
    assert not provider.requests


def test_while_the_model_thinks_the_form_says_so_and_takes_what_is_typed(
    provider: Provider, release: threading.Event
) -> None:
    provider.behaves(held(release, says(GOOD)))
    at = change(visit(), "Description", "June was charged twice.")
    assert texts(at).count(":material/hourglass_top: Thinking…") == 2
    assert not any(field(at, label).disabled for label in ("Title", "Description", "Category", "Priority"))
    release.set()
    until(at, lambda: not is_thinking(at))
    change(at, "Title", "Typed")
    until(at, lambda: not is_thinking(at))
    assert values(at, "Title", "Description", "Category") == ["Typed", "June was charged twice.", "billing"]


def test_a_field_that_the_agent_touched_while_the_model_was_thinking_stays(
    provider: Provider, release: threading.Event
) -> None:
    provider.behaves(held(release, says(GOOD)))
    at = write(visit())
    change(at, "Category", "technical")
    release.set()
    until(at, lambda: not is_thinking(at))
    assert values(at, "Category", "Priority") == ["technical", "high"]
    assert shows(at, "Chosen by you")
    assert shows(at, f"Suggested by {MODEL}")


def test_a_field_that_the_agent_touched_stays_when_a_changed_text_is_answered(provider: Provider) -> None:
    at = write(visit())
    until(at, lambda: not is_thinking(at))
    change(at, "Priority", "low")
    provider.behaves(says(OTHER))
    change(at, "Description", "I cannot sign in.")
    until(at, lambda: not is_thinking(at))
    assert values(at, "Category", "Priority") == ["account", "low"]


def test_a_changed_description_is_asked_again_and_the_late_answer_to_the_old_one_is_dropped(
    provider: Provider, release: threading.Event
) -> None:
    provider.behaves(answers(first=held(release, says(GOOD)), second=says(OTHER)))
    at = change(visit(), "Description", "The first text.")
    until(at, lambda: bool(provider.requests))
    change(at, "Description", "The second text.")
    until(at, lambda: not is_thinking(at))
    assert values(at, "Category", "Priority") == ["account", "critical"]
    release.set()
    for _ in range(20):
        run(at)
    assert values(at, "Category", "Priority") == ["account", "critical"]
    assert [("first" in asked.message("user"), "second" in asked.message("user")) for asked in provider.requests] == [
        (True, False),
        (False, True),
    ]


def test_an_answer_that_came_after_the_last_look_is_dropped_with_the_text_that_it_is_about(
    provider: Provider, release: threading.Event
) -> None:
    provider.behaves(answers(first=held(release, says(GOOD)), second=says(OTHER)))
    at = change(visit(), "Description", "The first text.")
    until(at, lambda: bool(provider.requests))
    release.set()
    at.session_state["submit_draft"].answer.result(60)
    change(at, "Description", "The second text.")
    until(at, lambda: not is_thinking(at))
    assert values(at, "Category", "Priority") == ["account", "critical"]


def test_an_emptied_description_withdraws_the_question(provider: Provider, release: threading.Event) -> None:
    provider.behaves(held(release, says(GOOD)))
    at = change(visit(), "Description", "June was charged twice.")
    change(at, "Description", "")
    assert not is_thinking(at)
    release.set()
    for _ in range(20):
        run(at)
    assert values(at, "Category", "Priority") == ["general", "medium"]


def test_submitting_does_not_wait_for_the_model_and_the_next_form_does_not_get_its_answer(
    provider: Provider, release: threading.Event, sql: Sql
) -> None:
    provider.behaves(held(release, says(GOOD)))
    at = write(visit())
    assert is_thinking(at)
    click(at, "Submit ticket")
    assert not release.is_set()
    assert sql(STORED) == [("Charged twice", "June was charged twice.", "general", "medium", "open")]
    assert sql(SUGGESTED) == [(None, None, None)]
    release.set()
    for _ in range(20):
        run(at)
    assert values(at, "Category", "Priority") == ["general", "medium"]
    assert not shows(at, MODEL)


def test_a_model_that_fails_leaves_the_desks_own_suggestion_and_says_why(provider: Provider, sql: Sql) -> None:
    provider.behaves(fails(401))
    at = write(visit())
    until(at, lambda: not is_thinking(at))
    assert values(at, "Category", "Priority") == ["billing", "medium"]
    assert shows(at, "Default: no suggestion available")
    assert shows(at, "The language model did not answer: the model's key was not accepted")
    click(at, "Submit ticket")
    assert sql(SUGGESTED) == [("billing", "medium", "rules + default")]


def test_the_same_draft_submitted_twice_makes_one_ticket(sql: Sql) -> None:
    draft = str(uuid.uuid4())
    first, again = (write(visit(draft=draft)) for _ in range(2))
    assert shows(click(first, "Submit ticket"), "Ticket #1 is filed.")
    assert shows(click(again, "Submit ticket"), "Ticket #1 is filed.")
    assert len(sql(STORED)) == 1


def test_a_late_click_on_a_draft_that_was_filed_leaves_the_next_one_and_what_was_said_of_it() -> None:
    at = visit()
    before = dict(at.query_params)
    click(write(at), "Submit ticket")
    after = dict(at.query_params)
    assert after != before
    at.query_params["draft"] = before["draft"]  # the address as the browser knew it when it was clicked again
    at.run()
    assert shows(at, "Ticket #1 is filed.")
    assert dict(at.query_params) == after


def test_a_draft_that_somebody_else_has_filed_with_another_text_is_kept_and_can_be_filed(sql: Sql) -> None:
    draft = str(uuid.uuid4())
    click(write(visit(draft=draft), "Theirs"), "Submit ticket")
    at = write(visit(draft=draft), "Mine", "My own description.")
    change(change(at, "Category", "account"), "Priority", "low")
    click(at, "Submit ticket")
    assert len(sql(STORED)) == 1
    assert shows(at, "ticket #1")
    assert values(at, "Title", "Description", "Category", "Priority") == [
        "Mine", "My own description.", "account", "low",
    ]  # fmt: skip
    click(at, "Submit ticket")
    assert sql(STORED)[1:] == [("Mine", "My own description.", "account", "low", "open")]
    ((number,),) = sql("select id from tickets where title = 'Mine'")
    assert shows(at, f"Ticket #{number} is filed.")


def named(name: str, **params: str) -> AppTest:
    """A visitor with a name, who opened this address of the form."""
    at = AppTest.from_file(MAIN, default_timeout=60)
    at.session_state["me_name"] = name
    at.query_params = dict(params)
    return run(at)


FORM = ("Title", "Description", "Category", "Priority")


def test_a_window_that_is_loaded_anew_goes_on_with_the_ticket_until_it_is_filed(provider: Provider, sql: Sql) -> None:
    draft = str(uuid.uuid4())
    at = write(visit(draft=draft))
    until(at, lambda: not is_thinking(at))
    change(at, "Priority", "critical")
    anew = visit(draft=draft)
    until(anew, lambda: not is_thinking(anew))
    assert values(anew, *FORM) == ["Charged twice", "June was charged twice.", "billing", "critical"]
    assert shows(anew, "Chosen by you")
    assert shows(anew, f"Suggested by {MODEL}")
    click(change(anew, "Title", "Charged thrice"), "Submit ticket")
    assert sql(STORED) == [("Charged thrice", "June was charged twice.", "billing", "critical", "open")]
    assert values(visit(draft=draft), *FORM) == ["", "", "general", "medium"]


def test_a_window_that_is_loaded_anew_while_the_desk_thinks_gets_a_suggestion(
    provider: Provider, release: threading.Event
) -> None:
    provider.behaves(held(release, says(GOOD)))
    draft = str(uuid.uuid4())
    assert is_thinking(write(visit(draft=draft)))
    anew = visit(draft=draft)
    assert is_thinking(anew)
    release.set()
    until(anew, lambda: not is_thinking(anew))
    assert values(anew, *FORM) == ["Charged twice", "June was charged twice.", "billing", "high"]


def test_what_was_written_last_is_kept_even_if_the_page_was_not_drawn_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = str(uuid.uuid4())
    at = write(visit(draft=draft))
    with monkeypatch.context() as broken:
        broken.setattr(loaders, "lookalikes", lambda *_: st.stop())
        at.text_input(f"submit_title_{draft}").set_value("Charged thrice")
        at.run()
    assert values(visit(draft=draft), "Title", "Description") == ["Charged thrice", "June was charged twice."]


def test_of_two_windows_with_one_ticket_the_one_that_was_written_in_last_is_kept() -> None:
    draft = str(uuid.uuid4())
    older = write(visit(draft=draft))
    newer = change(visit(draft=draft), "Title", "Charged thrice")
    run(older)
    assert values(visit(draft=draft), "Title") == ["Charged thrice"]
    change(newer, "Title", "")
    change(newer, "Description", "")
    run(older)
    assert values(visit(draft=draft), "Title", "Description") == ["", ""]


def test_what_the_browser_knows_goes_before_what_was_kept() -> None:
    draft = str(uuid.uuid4())
    write(visit(draft=draft))
    at = AppTest.from_file(MAIN, default_timeout=60)
    at.query_params["draft"] = draft
    at.session_state[f"submit_title_{draft}"] = "Charged thrice"
    assert values(run(at), "Title", "Description") == ["Charged thrice", "June was charged twice."]


def test_a_form_that_was_emptied_is_empty_when_it_is_loaded_anew() -> None:
    draft = str(uuid.uuid4())
    at = change(write(visit(draft=draft)), "Title", "")
    assert values(visit(draft=draft), "Title", "Description") == ["", "June was charged twice."]
    change(at, "Description", "")
    assert values(visit(draft=draft), "Title", "Description") == ["", ""]


def test_what_one_writes_is_shown_to_nobody_else() -> None:
    draft = str(uuid.uuid4())
    write(named("Ann", draft=draft))
    assert values(visit(draft=draft), "Title", "Description") == ["", ""]
    assert values(named("Ben", draft=draft), "Title", "Description") == ["", ""]
    assert values(named("Ann", draft=draft), "Title", "Description") == ["Charged twice", "June was charged twice."]


def goes_on(at: AppTest) -> list[tuple[str, str]]:
    """What the form offers to go on with, and where that leads."""
    return [link for link in links(at) if link[0].startswith("Go on with")]


def test_an_empty_form_leads_to_the_ticket_that_one_left_half_written() -> None:
    first, other = (str(uuid.uuid4()) for _ in range(2))
    write(visit())
    write(named("Ann", draft=first), title="  Charged  *twice* ")
    write(named("Ben", draft=other), title=" ", description="word " * 50)
    assert [label for label, _ in goes_on(named("Ann"))] == ["Go on with “Charged *twice*”"]
    assert [label for label, _ in goes_on(named("Ben"))] == [f"Go on with “{'word ' * 16}…”"]
    assert goes_on(named("Zoë")) == []
    assert goes_on(visit()) == [], "nobody knows whose it is"
    at = named("Ann")
    ((_, address),) = goes_on(at)
    at.query_params["draft"] = address.rpartition("draft=")[2]
    assert goes_on(run(at)) == [], "it is the one"
    assert values(at, "Description") == ["June was charged twice."]
    click(at, "Submit ticket")
    assert goes_on(named("Ann")) == []


@pytest.mark.parametrize("renamed", ["Ann", "Ben"])
def test_what_was_filed_is_not_offered_any_more_whatever_happened_before(sql: Sql, renamed: str) -> None:
    draft = str(uuid.uuid4())
    click(write(visit(draft=draft), "Theirs"), "Submit ticket")
    at = write(named("Ann", draft=draft), "Mine")
    click(at, "Submit ticket")
    assert shows(at, "Submit again to file this one as another ticket.")
    assert goes_on(named("Ann")) == [("Go on with “Mine”", f"draft={at.session_state['submit_draft'].name}")]
    at.session_state["me_name"] = renamed
    click(run(at), "Submit ticket")
    assert [title for title, *_ in sql(STORED)] == ["Theirs", "Mine"]
    assert goes_on(at) == goes_on(named("Ann")) == goes_on(named(renamed)) == []


def test_what_a_browser_still_says_of_a_form_that_was_filed_brings_nothing_back(sql: Sql) -> None:
    draft = str(uuid.uuid4())
    write(named("Ann", draft=draft))
    at = named("Ann", draft=draft)  # loaded anew
    over = at.session_state["submit_draft"]
    click(at, "Submit ticket")
    over.keep()
    for part in ("category", "priority"):
        over.touch(part)
    assert goes_on(named("Ann")) == []
    assert values(named("Ann", draft=draft), *FORM) == ["", "", "general", "medium"]


def test_what_was_written_before_one_said_who_one_is_is_found_by_that_name() -> None:
    draft = str(uuid.uuid4())
    at = write(visit(draft=draft))
    assert values(named("Ann", draft=draft), "Title") == ["Charged twice"]
    at.session_state["me_name"] = "Ann"
    change(run(at), "Title", "Charged thrice")
    assert values(visit(draft=draft), "Title") == [""], "it is Ann's now"
    assert goes_on(named("Ann")) == [("Go on with “Charged thrice”", f"draft={draft}")]
    at.session_state["me_name"] = ""  # as where a session has ended
    at.text_input(f"submit_title_{draft}").set_value("Charged again")
    at.run()
    assert values(named("Ann", draft=draft), "Title") == ["Charged again"]


def test_of_half_written_tickets_those_are_kept_that_were_written_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "KEPT", 2)
    names = [str(uuid.uuid4()) for _ in range(3)]
    first, *_ = [write(visit(draft=name), title=name) for name in names[:2]]
    change(first, "Description", "Written on.")
    write(visit(draft=names[2]), title=names[2])
    assert [values(visit(draft=name), "Title") for name in names] == [[names[0]], [""], [names[2]]]
    change(first, "Description", "x" * (drafts.LARGEST + 1))
    assert values(visit(draft=names[0]), "Description") == ["Written on."], "what is far too long is not kept"


@pytest.mark.parametrize("draft", ["nonsense", "", "0", "💥", "None"])
def test_an_address_with_a_nonsensical_draft_opens_an_empty_form_that_works(sql: Sql, draft: str) -> None:
    click(write(visit(draft=draft)), "Submit ticket")
    assert len(sql(STORED)) == 1


@pytest.mark.parametrize("spelling", [str.upper, lambda name: "{" + name + "}", lambda name: name.replace("-", "")])
def test_a_draft_is_the_same_however_its_name_is_spelt_in_the_address(
    provider: Provider, sql: Sql, spelling: Callable[[str], str]
) -> None:
    at = write(visit(draft=spelling("6f1c1d5e-0c0a-4f6a-9d0b-1f2e3d4c5b6a")), title=" ")
    until(at, lambda: not is_thinking(at) and bool(provider.requests))
    assert values(at, "Category", "Priority") == ["billing", "high"]
    click(at, "Submit ticket")
    assert [error.value for error in at.error] == ["Title must not be blank"]
    assert sql(STORED) == []


def test_tickets_that_may_tell_of_the_same_are_shown_before_another_is_filed(file_ticket: Filing) -> None:
    file_ticket("Charged *twice* in June", status="in_progress")
    file_ticket("Something else")
    at = change(visit(), "Title", "charged twice in june")
    assert shows(at, "Has this been filed already?")
    assert ("#1 Charged *twice* in June · In progress", "ticket?id=1") in links(at)
    assert not shows(change(at, "Title", "Quite another matter"), "Has this been filed already?")


def test_a_search_for_such_tickets_is_made_once_for_a_title_even_if_it_was_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    fault: DatabaseUnavailable = Overloaded()

    def give_up(_db: Database, words: str, **_more: object) -> list[Lookalike]:
        asked.append(words)
        raise fault

    monkeypatch.setattr(loaders, "find", give_up)
    at = write(visit(), "The printer smells", "Of burnt toast.\nStill.")
    at.run()
    assert asked == ["", "The printer smells"]
    write(at, " ", "Of burnt toast.\nSince noon.")
    assert asked[2:] == ["Of burnt toast."]
    fault = DatabaseUnavailable()
    change(at, "Title", "Smoke")
    until(at, lambda: not is_thinking(at))  # after which the page runs once more by itself
    asked.clear()
    at.run()
    assert asked == ["Smoke"], "who was away may be back"
