"""Who has which role: by address, domain, group or because everybody has it; the highest counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketcore.access import Role, demand, role_of, rules
from ticketcore.errors import Forbidden, StartUpError
from ticketcore.settings import read

ORDER = ["viewer", "agent", "lead"]
WHO = ["*", "@example.org", "ann@example.org", "ben@else.org", "group:support", "group:Audit"]
SIGN_IN = {
    "OIDC_ISSUER": "https://id.example.org", "OIDC_CLIENT_ID": "desk", "OIDC_CLIENT_SECRET": "hunter2",
    "OIDC_REDIRECT_URL": "https://desk.example.org/oauth2callback", "COOKIE_SECRET": "x" * 32,
    "DESK_ROLES": "@example.org=agent",
}  # fmt: skip


def fits(who: str, address: str, groups: list[str]) -> bool:
    """By the README's words, in plain Python."""
    if who == "*":
        return True
    if who.startswith("group:"):
        return who[len("group:") :] in groups
    return address.lower() == who or (who[0] == "@" and "@" in address and "@" + address.lower().split("@")[-1] == who)


@given(
    given=st.lists(st.tuples(st.sampled_from(WHO), st.sampled_from(ORDER)), max_size=5),
    address=st.sampled_from(
        ["", "ann@example.org", "ANN@Example.ORG", "eve@example.org.evil.net", "x@sub.example.org", "ben@else.org",
         "ann@example.org@else.org"]
    ),
    groups=st.lists(st.sampled_from(["support", "Audit", "audit", "*", "lead"]), max_size=3),
)  # fmt: skip
def test_the_highest_role_of_all_rules_that_fit_counts(
    given: list[tuple[str, str]], address: str, groups: list[str]
) -> None:
    expected = [ORDER.index(role) for who, role in given if fits(who, address, groups)]
    found = role_of(rules(given), address, groups)
    assert found == (ORDER[max(expected)] if expected else None)


@pytest.mark.parametrize(("who", "address"), [("@strasse.de", "eve@straße.de"), ("gross@x.org", "groß@x.org")])
def test_no_letter_is_taken_for_another(who: str, address: str) -> None:
    assert role_of(rules([(who, "lead")]), address) is None


@pytest.mark.parametrize("needed", list(Role))
@pytest.mark.parametrize("role", [None, *Role])
def test_a_role_may_do_what_those_before_it_may(needed: Role, role: Role | None) -> None:
    if role is not None and ORDER.index(role) >= ORDER.index(needed):
        demand(needed, role)
    else:
        with pytest.raises(Forbidden):
            demand(needed, role)


@pytest.mark.parametrize(
    "text",
    [
        "@example.org",
        "ann=agent",
        "@example.org=boss",
        "=lead",
        "group:=lead",
        "@=lead,",
        "*@example.org=lead",
        "ann@x.org;ben@x.org=lead",
        "ann@example.org@else.org=lead",
    ],
)
def test_rules_that_say_nothing_stop_the_start(text: str) -> None:
    with pytest.raises(StartUpError, match="DESK_ROLES"):
        read({**SIGN_IN, "DESK_ROLES": text})


def test_sign_in_has_all_its_parts() -> None:
    assert read(SIGN_IN).has_sign_in
    assert not read({}).has_sign_in


@pytest.mark.parametrize("missing", list(SIGN_IN))
def test_a_part_of_sign_in_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(StartUpError, match=missing):
        read({name: value for name, value in SIGN_IN.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COOKIE_SECRET", "short-and-known"),
        ("OIDC_REDIRECT_URL", "https://desk.example.org/"),
        ("OIDC_ISSUER", "not an address"),
        ("DESK_OPEN", "1"),
        ("OIDC_SESSION_HOURS", "0"),
    ],
)
def test_a_sign_in_that_would_not_hold_stops_the_start_and_no_secret_is_told(name: str, value: str) -> None:
    with pytest.raises(StartUpError) as caught:
        read({**SIGN_IN, name: value})
    assert name in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("hunter2", "x" * 32, "short-and-known"))
