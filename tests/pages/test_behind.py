"""What stands behind a figure, on the tickets page: conditions of the address that have no field in the bar."""

from urllib.parse import urlencode

import pytest

from tests.pages.conftest import Filing, Sql, change, click, field, listed, run, shows, views_open, visit

ALL = ["Open", "Open, about a refund", "Resolved late", "Resolved in time"]


@pytest.fixture
def four(file_ticket: Filing, sql: Sql) -> None:
    file_ticket("Resolved in time", priority="high", created_at="2026-05-04T08:30:00Z")
    file_ticket("Resolved late", priority="high", created_at="2026-05-04T09:30:00Z")
    file_ticket("Open, about a refund", priority="low", created_at="2026-05-05T09:30:00Z")
    file_ticket("Open", priority="low", created_at="2026-05-06T09:30:00Z")
    sql("set session_replication_role = replica")
    for number, moment in ((1, "2026-05-04T20:00Z"), (2, "2026-05-08T20:00Z")):
        sql(f"update tickets set status = 'resolved', resolved_at = '{moment}' where id = {number}")
    sql("set session_replication_role = origin")


def behind(**conditions: object) -> str:
    return urlencode(conditions, doseq=True)


@pytest.mark.parametrize(
    ("conditions", "titles", "words"),
    [
        ({"resolved_from": "2026-05-08T00:00:00Z"}, ["Resolved late"], "resolved from 2026-05-08"),
        ({"unsettled_at": "2026-05-05T00:00:00Z"}, ["Resolved late"], "neither resolved nor closed at 2026-05-05"),
        ({"responded": "false"}, ALL, "never responded"),
        (
            {"target_hours": "high=24", "due_to": "2026-06-01T00:00:00Z", "target_met": "false"},
            ["Resolved late"],
            "not resolved within the target",
        ),
        ({"weekday": ["1", "2"], "hour": "21", "timezone": "Pacific/Auckland"}, ALL[1:3],
         "Monday or Tuesday"),
    ],
)  # fmt: skip
def test_a_link_lists_what_it_names_and_says_so(
    four: None, conditions: dict[str, object], titles: list[str], words: str
) -> None:
    at = visit("browse.py", behind=behind(**conditions))
    assert listed(at) == titles
    assert shows(at, "Only those")
    assert shows(at, words)


def test_the_bar_narrows_it_further_and_one_click_removes_it(four: None) -> None:
    at = visit("browse.py", behind=behind(weekday=2, timezone="Pacific/Auckland"))
    assert listed(at) == ["Open, about a refund"]
    assert listed(click(at, "Remove")) == ALL
    assert "behind" not in at.query_params
    at = change(visit("browse.py", behind=behind(resolved_to="2026-05-09T00:00:00Z")), "Search", "late")
    assert listed(at) == ["Resolved late"]
    assert len(listed(click(at, "Clear filter"))) == 4


@pytest.mark.parametrize(
    ("conditions", "complaint"),
    [
        ({"resolved_from": "yesterday"}, "Resolved from"),
        ({"due_from": "2026-05-08T00:00:00Z"}, "Due from goes with target_hours"),
        ({"weekday": "8"}, "Weekday"),
        ({"target_hours": "high"}, "Target hours must name priorities"),
        ({"timezone": "CET"}, "Timezone must be UTC or an IANA time zone"),
        ({"nonsense": "1"}, "Nonsense is not a field"),
    ],
)
def test_what_does_not_fit_is_said_and_can_be_removed(four: None, conditions: dict[str, str], complaint: str) -> None:
    at = visit("browse.py", behind=behind(**conditions))
    assert any(complaint in warning.value.replace("\\", "") for warning in at.warning), at.warning
    assert len(listed(click(at, "Remove"))) == 4


def test_a_saved_view_keeps_it(four: None) -> None:
    at = views_open(behind=behind(resolved_from="2026-05-08T00:00:00Z"))
    click(change(at, "Save this view as", "Late"), "Save view")
    there = click(views_open(search="refund"), "Late")
    assert listed(there) == ["Resolved late"]
    assert field(there, "Search").value == ""
    assert listed(run(there)) == ["Resolved late"]
