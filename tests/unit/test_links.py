"""Ways to the tickets behind a figure: read back by the standard library."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from ticketcore.filters import TicketFilter
from ticketcore.ui.links import address
from ticketcore.validation import parse

BERLIN = ZoneInfo("Europe/Berlin")
AWKWARD = "50 % + x=y & „Bö“?#/;\u202e💥"


def test_an_address_has_every_condition_once_and_exactly() -> None:
    behind = {"resolved_to": "2026-06-02T00:00:00Z", "suggestion_source": AWKWARD, "category_kept": "true"}
    values = {
        "status": ["in_progress", "open"],
        "assignee": [AWKWARD, "Ann"],
        "search": AWKWARD,
        **behind,
        "suggestion_source": [AWKWARD],
    }
    matching = parse(TicketFilter, values).model_copy(
        update={
            "created_from": datetime(2026, 5, 1, 22, tzinfo=UTC),  # midnight in Berlin
            "created_to": datetime(2026, 5, 31, 22, tzinfo=UTC),
        }
    )
    path, query = urlsplit(address(matching, BERLIN)).path, urlsplit(address(matching, BERLIN)).query
    pairs = parse_qsl(query, strict_parsing=True)
    assert path == "tickets"
    assert pairs[:-1] == [
        ("status", "In progress"), ("status", "Open"), ("assignee", AWKWARD), ("assignee", "Ann"), ("search", AWKWARD),
        ("from", "2026-05-02"), ("to", "2026-05-31"),
    ]  # fmt: skip
    name, value = pairs[-1]
    assert (name, dict(parse_qsl(value, strict_parsing=True))) == ("behind", behind)


def test_the_address_of_all_tickets_asks_for_nothing() -> None:
    assert address(TicketFilter(), BERLIN) == "tickets?"


def test_no_condition_that_a_filter_can_have_is_left_out_of_its_address() -> None:
    values = {
        "category": ("billing",), "priority": ("low",), "status": ("open",), "assignee": ("Ann",), "search": "refund",
        "created_from": datetime(2026, 5, 1, 22, tzinfo=UTC), "created_to": datetime(2026, 5, 31, 22, tzinfo=UTC),
        "resolved_from": datetime(2026, 5, 1, tzinfo=UTC), "resolved_to": datetime(2026, 6, 1, tzinfo=UTC),
        "unsettled_at": datetime(2026, 6, 1, tzinfo=UTC), "responded": True,
        "due_from": datetime(2026, 5, 1, tzinfo=UTC), "due_to": datetime(2026, 6, 1, tzinfo=UTC),
        "target_met": True, "target_hours": "low=4", "weekday": (1,), "hour": (9,), "timezone": "Europe/Berlin",
        "suggestion_source": ("rules",), "suggested_category": ("billing",), "category_kept": True,
        "priority_kept": False,
    }  # fmt: skip
    assert values.keys() == TicketFilter.model_fields.keys()
    matching = parse(TicketFilter, values)
    pairs = parse_qsl(urlsplit(address(matching, BERLIN)).query, strict_parsing=True)
    named = {name for name, _ in pairs} | {name for name, _ in parse_qsl(pairs[-1][1], strict_parsing=True)}
    assert named == {*values.keys() - {"created_from", "created_to"}, "from", "to", "behind"}


def test_conditions_beside_a_filter_are_those_of_a_filter_that_has_them() -> None:
    matching = parse(TicketFilter, {"category": ["billing"], "responded": "true", "search": AWKWARD})
    for conditions in (
        {"category_kept": True, "suggestion_source": (AWKWARD,)},
        {"created_from": datetime(2026, 5, 1, 22, tzinfo=UTC), "created_to": datetime(2026, 5, 2, 22, tzinfo=UTC)},
        {"responded": None, "search": None, "weekday": (1,), "hour": (0, 23), "timezone": "Europe/Berlin"},
    ):
        assert address(matching, BERLIN, **conditions) == address(matching.model_copy(update=conditions), BERLIN)
