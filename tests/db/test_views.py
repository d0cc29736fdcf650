"""Saved views: one's own and the desk's, each name once for each owner."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ticketcore import views
from ticketcore.database import Database
from ticketcore.errors import InvalidInput

ONE, OTHER = {"status": ["open"], "search": "“ä 🎫”"}, {"status": []}


def names(db: Database, owner: str | None) -> list[tuple[str, str | None]]:
    return [(view.name, view.owner) for view in views.known_to(db, owner)]


def test_a_view_is_shown_to_its_owner_and_a_shared_one_to_everybody(db: Database) -> None:
    views.save(db, "  Mine ", ONE, owner="Ann")
    views.save(db, "Theirs", OTHER, owner="Ben")
    views.save(db, "Everybody's", OTHER, owner=None)
    assert names(db, "Ann") == [("Everybody's", None), ("Mine", "Ann")]
    assert names(db, "Ben") == [("Everybody's", None), ("Theirs", "Ben")]
    assert names(db, None) == names(db, "Cy") == [("Everybody's", None)]
    assert views.known_to(db, "Ann")[1].conditions == ONE


@pytest.mark.parametrize("owner", ["Ann", None])
def test_the_same_name_again_replaces_the_view_of_the_same_owner_alone(db: Database, owner: str | None) -> None:
    views.save(db, "Mine", ONE, owner="Somebody")
    for conditions in (ONE, OTHER):
        views.save(db, "Mine", conditions, owner=owner)
    assert [(view.owner, view.conditions) for view in views.known_to(db, owner)] == [(owner, OTHER)]


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "two\nlines", "nul\x00"])
def test_what_is_no_name_is_refused_and_nothing_is_saved(db: Database, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        views.save(db, name, ONE, owner=None)
    assert set(caught.value.errors) == {"name"}
    assert names(db, None) == []


def test_a_view_is_forgotten_and_again_is_no_error(db: Database) -> None:
    views.save(db, "Mine", ONE, owner="Ann")
    (view,) = views.known_to(db, "Ann")
    for _ in range(2):
        views.forget(db, view.id, owner="Ann")
        assert names(db, "Ann") == []


def test_the_database_itself_refuses_a_second_view_of_a_name(db: Database, sql: sa.Connection) -> None:
    insert = "insert into saved_views (name, conditions) values ('A', '{}')"
    sql.exec_driver_sql(insert)
    with pytest.raises(IntegrityError):
        sql.exec_driver_sql(insert)
