"""A filter says the same in SQL, in the address and in words; what it cannot mean is refused, never ignored."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import CATEGORIES, PRIORITIES, STATUSES
from ticketcore.errors import InvalidInput
from ticketcore.filters import TicketFilter
from ticketcore.validation import parse

FACETS = {"category": CATEGORIES, "priority": PRIORITIES, "status": STATUSES}
UTC_ZONE = ZoneInfo("UTC")


def from_params(pairs: list[tuple[str, str]]) -> TicketFilter:
    """The filter that an address with these parameters stands for."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in FACETS:
            values.setdefault(name, []).append(value)
        else:
            values[name] = value
    return parse(TicketFilter, values)


def faults(**values: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse(TicketFilter, values)
    return caught.value.errors


moments = st.datetimes(
    datetime(1950, 1, 1),  # noqa: DTZ001 - the zone is drawn
    datetime(2100, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.sampled_from([UTC, ZoneInfo("Asia/Kathmandu")]),
)


@st.composite
def filters(draw: st.DrawFn) -> TicketFilter:
    values: dict[str, Any] = {name: draw(st.lists(st.sampled_from(words))) for name, words in FACETS.items()}
    values["search"] = draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=50))
    ends = sorted(draw(st.lists(moments, max_size=2, unique=True)))
    names = (
        ["created_from", "created_to"] if len(ends) == 2 else [draw(st.sampled_from(["created_from", "created_to"]))]
    )
    return parse(TicketFilter, {**values, **dict(zip(names, ends, strict=False))})


@given(filters())
def test_an_address_made_from_a_filter_stands_for_the_same_filter(matching: TicketFilter) -> None:
    address = urlencode(matching.params())
    assert from_params(parse_qsl(address, keep_blank_values=True)) == matching


@given(filters())
def test_every_filter_can_be_put_into_words(matching: TicketFilter) -> None:
    words = matching.describe(ZoneInfo("Europe/Berlin"))
    for name in FACETS:
        assert all(value.value.replace("_", " ") in words for value in getattr(matching, name))
    assert (matching.search or "") in words


def test_a_filter_that_says_nothing_means_all_tickets() -> None:
    everything = parse(TicketFilter, {})
    assert everything.params() == []
    assert everything.describe(UTC_ZONE) == "all tickets"
    assert everything.where() == []
    assert not everything.has_facets


def test_blanks_mean_no_condition() -> None:
    blanks = {"category": [""], "priority": ["", ""], "status": [], "search": "", "created_from": "", "created_to": ""}
    assert parse(TicketFilter, blanks) == parse(TicketFilter, {})
    assert parse(TicketFilter, {"category": ["", "billing"]}) == parse(TicketFilter, {"category": ["billing"]})


def test_a_value_named_twice_counts_once_and_the_order_stays() -> None:
    matching = parse(TicketFilter, {"priority": ["high", "low", "high", "low"]})
    assert matching.params() == [("priority", "high"), ("priority", "low")]
    assert matching == parse(TicketFilter, {"priority": ["high", "low"]})


@pytest.mark.parametrize("name", FACETS)
@pytest.mark.parametrize("value", ["red", "OPEN", " open", "billing,account", "\x00", None, 3], ids=repr)
def test_an_unknown_value_is_refused_with_the_values_there_are(name: str, value: object) -> None:
    errors = faults(**{name: [FACETS[name][0], value]})
    assert {field.partition(".")[0] for field in errors} == {name}
    assert all(word in " ".join(errors.values()) for word in FACETS[name])


def test_an_unknown_condition_is_refused_by_its_name() -> None:
    assert set(faults(colour="red", assignee="me")) == {"colour", "assignee"}


@pytest.mark.parametrize("gap", [timedelta(0), timedelta(microseconds=1), timedelta(days=400)], ids=str)
def test_a_range_must_run_forward(gap: timedelta) -> None:
    end = datetime(2026, 3, 1, tzinfo=UTC)
    errors = faults(created_from=end + gap, created_to=end)
    assert "must be after created_from" in "; ".join(errors.values())
    assert parse(TicketFilter, {"created_from": end - timedelta(microseconds=1), "created_to": end})


def test_a_range_is_compared_across_time_zones() -> None:
    east = timezone(timedelta(hours=5, minutes=45))
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    matching = parse(TicketFilter, {"created_from": datetime(2026, 3, 1, 17, tzinfo=east), "created_to": noon})
    assert matching.params()[0] == ("created_from", "2026-03-01T11:15:00Z")
    assert set(faults(created_from=noon, created_to=datetime(2026, 3, 1, 17, 45, tzinfo=east)))


@pytest.mark.parametrize("name", ["created_from", "created_to"])
@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 - what is refused is just that
        "2026-01-01T00:00:00",
        "2026-01-01",
        "yesterday",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "nan",
        "1e400",
        [],
    ],
    ids=repr,
)
def test_a_time_without_its_zone_or_out_of_all_bounds_is_refused_by_its_name(name: str, value: object) -> None:
    assert set(faults(**{name: value})) == {name}


def test_a_search_has_at_most_1000_characters() -> None:
    assert parse(TicketFilter, {"search": "😀" * 1_000}).search == "😀" * 1_000
    errors = faults(search="a" * 1_001)
    assert set(errors) == {"search"}
    assert "1,000" in errors["search"]


@pytest.mark.parametrize(("text", "said"), [("a\x00", "NUL"), ("\ud800", "surrogate")], ids=ascii)
def test_a_search_that_no_ticket_can_contain_is_refused_by_its_name(text: str, said: str) -> None:
    errors = faults(search=text)
    assert set(errors) == {"search"}
    assert said in errors["search"]


def test_spaces_in_a_search_are_searched_for() -> None:
    assert parse(TicketFilter, {"search": " in "}).search == " in "


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"status": ["open"], "priority": ["critical"], "category": ["billing"], "search": "refund"},
            "open critical billing tickets containing “refund”",
        ),
        ({"status": ["in_progress", "open"]}, "in progress or open tickets"),
        ({"priority": ["low", "medium", "high"]}, "low, medium or high tickets"),
        ({"search": "a”b"}, "all tickets containing “a”b”"),
        ({"created_from": "2026-01-31T23:00:00Z"}, "all tickets created from 2026-02-01"),
        ({"created_to": "2026-01-31T12:30:00Z"}, "all tickets created until before 2026-01-31 13:30"),
        (
            {"created_from": "2026-06-30T22:00:00Z", "created_to": "2026-07-31T22:00:00Z", "category": ["account"]},
            "account tickets created from 2026-07-01 until before 2026-08-01",
        ),
    ],
)
def test_a_filter_reads_like_a_sentence_with_times_of_the_desk(values: dict[str, Any], words: str) -> None:
    assert parse(TicketFilter, values).describe(ZoneInfo("Europe/Berlin")) == words
