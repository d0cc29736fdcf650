"""Saved views: filters with a name, private to a person or shared with the whole desk.

Where nobody signs in, "private" means: shown to whoever gives that name. It hides nothing then.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import insert

from ticketcore.database import Database
from ticketcore.models import Source
from ticketcore.schema import saved_views
from ticketcore.validation import Title, parse


@dataclass(frozen=True)
class View:
    """A saved view; `conditions` are what the page that saved it needs to show it again."""

    id: int
    name: str
    owner: str | None
    """Whose it is; None if it is the whole desk's."""
    conditions: dict[str, Any]


class _Named(BaseModel):
    name: Title


def save(db: Database, name: str, conditions: dict[str, Any], *, owner: str | None) -> None:
    """Stores the view; one of the same name and owner is replaced.

    Raises:
        InvalidInput: the name is blank, too long or not one line.
    """
    values = {"name": parse(_Named, {"name": name}).name, "owner": owner, "conditions": conditions}
    added = insert(saved_views).values(values)
    replaced = added.on_conflict_do_update(
        index_elements=["owner", "name"], set_={"conditions": added.excluded.conditions}
    )
    with db.write(Source.DASHBOARD, owner) as connection:
        connection.execute(replaced)


def known_to(db: Database, owner: str | None, *, limit: int = 100) -> list[View]:
    """The views of this person and those of the whole desk, by name, at most `limit`."""
    rows = sa.select(saved_views).where(_is_shown(owner)).order_by(saved_views.c.name, saved_views.c.id).limit(limit)
    with db.read() as connection:
        return [View(**row) for row in connection.execute(rows).mappings()]


def forget(db: Database, view_id: int, *, owner: str | None) -> None:
    """Removes the view, if it is still there, and this person's or the whole desk's."""
    with db.write(Source.DASHBOARD, owner) as connection:
        connection.execute(sa.delete(saved_views).where(saved_views.c.id == view_id, _is_shown(owner)))


def _is_shown(owner: str | None) -> sa.ColumnElement[bool]:
    return saved_views.c.owner.is_(None) | (saved_views.c.owner == owner)
