"""Who sees what: each role on each page, and what every action of a page does for each of them."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.runtime.secrets import secrets_singleton
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import MAIN, NO_COMPONENTS, Filing, Sql, run
from tests.unit.provider import Provider
from tests.unit.test_access import SIGN_IN
from ticketcore import bulk, desk, questions, tickets, tokens, views
from ticketcore.access import Person, Role
from ticketcore.errors import Forbidden
from ticketcore.filters import TicketFilter
from ticketcore.models import NewNote, NewTicket, Source, TicketChanges

ROLES = "@example.org=viewer,group:staff=agent,lea@example.org=lead"
PEOPLE: dict[str, dict[str, Any]] = {
    "nobody": {"is_logged_in": False},
    "stranger": {"email": "eve@else.org", "email_verified": True},
    "unverified": {"email": "lea@example.org", "email_verified": False},
    "unknown": {"email": "lea@example.org"},
    "expired": {"email": "lea@example.org", "email_verified": True, "iat": time.time() - 13 * 3600},
    "without a time": {"email": "lea@example.org", "email_verified": True, "iat": None},
    "viewer": {"email": "vic@example.org", "email_verified": True},
    "agent": {"email": "ann@else.org", "email_verified": True, "groups": ["staff", "all"]},
    "lead": {"email": "Lea@Example.org", "email_verified": True},
}
IN = ("viewer", "agent", "lead")
PAGES = ("submit.py", "browse.py", "stats.py", "ticket.py")


@pytest.fixture(autouse=True)
def with_sign_in(fresh_desk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SIGN_IN, "DESK_ROLES": ROLES}.items():
        monkeypatch.setenv(name, value)
    # Streamlit itself wants to know that there is a provider before it offers the way to it.
    auth = {"redirect_uri": SIGN_IN["OIDC_REDIRECT_URL"], "cookie_secret": "x" * 32, "client_id": "desk",
            "client_secret": "s", "server_metadata_url": "https://id.example.org/x"}  # fmt: skip
    secrets_singleton.merge_programmatic_secrets({"auth": auth})


def visit(who: str, page: str = "submit.py", **params: str) -> AppTest:
    at = AppTest.from_file(MAIN, default_timeout=60)
    at._bidi_component_manager = NO_COMPONENTS
    at.context = {"timezone": "Europe/Berlin"}
    at.user = {"is_logged_in": True, "iat": time.time(), **PEOPLE[who]}
    if page != "submit.py" and who in IN:
        run(at).switch_page(page)
    at.query_params = dict(params)
    return run(at)


def words(at: AppTest) -> str:
    found = (
        at.markdown,
        at.caption,
        at.info,
        at.error,
        at.subheader,
        at.button,
        at.selectbox,
        at.text_input,
        at.toggle,
    )
    return "\n".join(f"{getattr(one, 'label', '')} {one.value}" for kind in found for one in kind)


def click(at: AppTest, label: str) -> None:
    next(button for button in at.button if button.label == label).click()
    run(at)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("who", [who for who in PEOPLE if who not in IN])
def test_who_does_not_belong_sees_no_data_and_is_told_kindly(
    who: str, page: str, file_ticket: Filing, statements: list[str]
) -> None:
    file_ticket("A secret title")
    statements.clear()
    at = visit(who, page, id="1")
    shown = words(at)
    assert "secret" not in shown
    assert all("sign_outs" in statement for statement in statements), "no ticket is even looked for"
    (button,) = at.button
    if who in ("nobody", "expired", "without a time"):
        assert button.label.startswith("Sign in")
        assert ("has ended" in shown) == (who != "nobody")
    else:
        assert button.label == "Sign out"
        assert "no role" in shown


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("who", IN)
def test_who_belongs_sees_what_their_role_may_do_and_is_offered_nothing_else(
    who: str, page: str, file_ticket: Filing
) -> None:
    number = file_ticket("A title to see")
    at = visit(who, page, id=str(number))
    shown = words(at)
    is_agent, is_lead = who in ("agent", "lead"), who == "lead"
    if page == "submit.py":
        assert ("Submit ticket" in shown) == is_agent
    if page == "browse.py":
        assert ("Change several" in shown) == is_lead
        at.session_state["saved_open"] = True
        assert ("Save view" in words(run(at))) == is_agent
        assert "Export" in shown
    if page == "ticket.py":
        assert "A title to see" in " ".join(one.value for one in at.get("html")) + shown
        for offer in ("Edit", "Add note", "Close as duplicate"):
            assert (offer in shown) == is_agent
        assert all(box.disabled == (not is_agent) for box in at.selectbox)


@pytest.mark.parametrize("who", IN)
def test_tokens_are_for_leads_alone(who: str, sql: Sql) -> None:
    at = AppTest.from_file(MAIN, default_timeout=60)
    at._bidi_component_manager = NO_COMPONENTS
    at.user = {"is_logged_in": True, "iat": time.time(), **PEOPLE[who]}
    run(at)
    if who != "lead":
        with pytest.raises(ValueError, match=r"access\.py"):
            at.switch_page("access.py")
        return
    run(at.switch_page("access.py"))
    at.text_input(key="access_name").set_value("Mail gate")
    at.selectbox(key="access_role").set_value(Role.AGENT)
    click(at, "Make token")
    (made,) = [code.value for code in at.code]
    assert re.fullmatch(r"desk_\d+_[\w-]{43}", made)
    assert sql("select name, role, created_by from api_tokens") == [("Mail gate", "agent", "lea@example.org")]
    run(at)
    assert not at.code, "it is shown once"
    click(at, "Revoke")
    assert sql("select count(*) from api_tokens where revoked_at is not null") == [(1,)]
    sql("truncate api_tokens restart identity")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": "4711", "groups": ["staff"], "preferred_username": "lea@example.org"}, "subject 4711"),
        ({"sub": "lea@example.org", "groups": ["staff"]}, "subject lea at example.org"),
        ({"sub": "1", "groups": "staff"}, "subject 1"),
        ({"sub": "1", "groups": 5}, None),
        ({"sub": "1", "groups": {"staff": False}}, None),
        ({"sub": "1", "groups": [["staff"], None]}, None),
        ({"sub": "1", "email": ["lea@example.org"], "email_verified": True}, None),
        ({"sub": "x" * 300, "groups": ["staff"]}, None),
        ({"groups": ["staff"]}, None),
        ({"sub": "1", "groups": ["staff"], "iat": "yesterday"}, None),
        ({"sub": "1", "groups": ["staff"], "iat": float("inf")}, None),
    ],
)
def test_nobody_is_known_by_what_they_say_of_themselves(
    claims: dict[str, Any], name: str | None, sql: Sql, file_ticket: Filing
) -> None:
    number = file_ticket()
    at = AppTest.from_file(MAIN, default_timeout=60)
    at._bidi_component_manager = NO_COMPONENTS
    at.user = {"is_logged_in": True, "iat": time.time(), **claims}
    run(at)
    if name is None:
        assert [button.label for button in at.button] in (["Sign out"], ["Sign in again"])
        return
    run(at.switch_page("ticket.py"))
    at.query_params = {"id": str(number)}
    run(at)
    at.selectbox[0].set_value("in_progress")
    run(at)
    assert sql("select actor from ticket_events where kind = 'changed'") == [(name,)]


def test_the_history_tells_who_signed_in(sql: Sql, file_ticket: Filing) -> None:
    number = file_ticket()
    at = visit("agent", "ticket.py", id=str(number))
    at.selectbox[0].set_value("in_progress")
    run(at)
    assert sql("select actor from ticket_events where kind = 'changed'") == [("ann@else.org",)]


# What ticketcore itself lets each role do, whatever a page forgets to ask.

NEW = NewTicket(title="A", description="B")
CLOSE = TicketChanges(status="closed")
ACTIONS: dict[str, tuple[str, Callable[[desk.Seat], object]]] = {
    "read": ("viewer", lambda seat: tickets.get(seat.db, 1)),
    "history": ("viewer", lambda seat: tickets.history(seat.db, 1)),
    "snapshot": ("viewer", lambda seat: seat.db.snapshot()),
    "export": ("viewer", lambda seat: seat.exports),
    "copy": ("viewer", lambda seat: seat.db.apart().close()),
    "file": ("agent", lambda seat: tickets.create(seat.db, NEW, source=Source.DASHBOARD)),
    "file over the API": ("agent", lambda seat: seat.filing.file(NEW).result(20)),
    "change": ("agent", lambda seat: tickets.update(seat.db, 1, CLOSE, source=Source.DASHBOARD)),
    "note": ("agent", lambda seat: tickets.note(seat.db, 1, NewNote(text="A"), source=Source.DASHBOARD)),
    "suggest": ("agent", lambda seat: seat.suggestions.ask("A").result(20)),
    "save a view": ("agent", lambda seat: views.save(seat.db, "A", {}, owner=None)),
    "forget a view": ("agent", lambda seat: views.forget(seat.db, 1, owner=None)),
    "change many": ("lead", lambda seat: bulk.update(seat.db, [1], CLOSE, source=Source.DASHBOARD)),
    "preview": ("lead", lambda seat: bulk.preview(seat.db, TicketFilter(), CLOSE)),
    "undo": ("lead", lambda seat: bulk.undo(seat.db, [], source=Source.DASHBOARD)),
    "make a token": ("lead", lambda seat: tokens.make(seat.db, "A", Role.LEAD, days=1, by=None)),
    "revoke a token": ("lead", lambda seat: tokens.revoke(seat.db, 1)),
    "see tokens": ("lead", lambda seat: tokens.known(seat.db)),
    "see what models were sent": ("lead", lambda seat: (seat.questions(), questions.latest(seat.db))),
}


@pytest.mark.parametrize("action", list(ACTIONS))
@pytest.mark.parametrize("role", [None, *Role])
def test_what_a_role_may_not_do_is_forbidden_where_it_is_done(
    action: str, role: Role | None, file_ticket: Filing, sql: Sql
) -> None:
    file_ticket()
    needed, act = ACTIONS[action]
    seat = desk.current().seat(Person("Ann", role))
    order = ["viewer", "agent", "lead"]
    if role is not None and order.index(role) >= order.index(needed):
        act(seat)
    else:
        with pytest.raises(Forbidden):
            act(seat)
    sql("truncate api_tokens restart identity")


def test_a_page_that_forgets_to_ask_for_a_seat_gets_nothing(file_ticket: Filing) -> None:
    file_ticket()
    forgetful = desk.current()
    assert forgetful.db.is_ready()
    for act in (
        lambda: tickets.get(forgetful.db, 1),
        lambda: tickets.create(forgetful.db, NEW, source=Source.DASHBOARD),
        lambda: tokens.known(forgetful.db),
        forgetful.db.snapshot,
    ):
        with pytest.raises(Forbidden):
            act()
    assert {name for name in vars(type(forgetful)) if not name.startswith("_")} == {
        "db",
        "itself",
        "seat",
        "close",
        "person",
        "sign_out",
    }


def test_nobody_forgets_the_private_view_of_somebody_else(sql: Sql) -> None:
    seat = desk.current().seat(Person("Ann", Role.LEAD))
    views.save(seat.db, "Ben's", {}, owner="Ben")
    ((number,),) = sql("select id from saved_views")
    views.forget(seat.db, number, owner="Ann")
    assert sql("select count(*) from saved_views") == [(1,)]


def test_a_lead_looks_up_what_the_model_was_sent_for_an_agent(provider: Provider, sql: Sql) -> None:
    at = visit("agent")
    at.text_area[0].set_value("I am jane@example.com and my card is 4111 1111 1111 1111")
    run(at)
    at = AppTest.from_file(MAIN, default_timeout=60)
    at._bidi_component_manager = NO_COMPONENTS
    at.user = {"is_logged_in": True, "iat": time.time(), **PEOPLE["lead"]}
    run(run(at).switch_page("access.py"))
    deadline = time.monotonic() + 20
    while not at.dataframe:  # the question may be on its way still
        assert time.monotonic() < deadline
        run(at)
    (shown,) = [table.value for table in at.dataframe]
    (row,) = shown.itertuples()
    assert row.Sent == '{"description": "I am [e-mail] and my card is [card]"}'
    assert row._2 == "ann@else.org"  # "Asked by"
    sql("truncate model_questions restart identity")
