"""Tokens: by what programs are known to the API.

A token is `desk_<number>_<secret>`. The secret has 256 random bits, is shown once and stored as its SHA-256, which
needs no salt for a secret that nobody could guess.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from pydantic import BaseModel, Field

from ticketcore.access import Person, Role
from ticketcore.database import Database
from ticketcore.models import Source
from ticketcore.schema import api_tokens
from ticketcore.validation import Title, parse

MOST_DAYS = 366
"""How long a token lives at most, in days."""

USED = timedelta(minutes=1)
"""How exactly the last use is known: it is not written more often."""

_FORM = re.compile(r"desk_([1-9][0-9]{0,17})_([A-Za-z0-9_-]{43})", re.ASCII)
_t = api_tokens.c


@dataclass(frozen=True)
class Token:
    """What is known of a token; times are UTC, None for what did not happen."""

    id: int
    name: str
    role: Role
    created_at: datetime
    created_by: str | None
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Whether it opens the API at this time."""
        return self.revoked_at is None and now < self.expires_at


_known = [_t[name] for name in Token.__dataclass_fields__]


class _Wanted(BaseModel):
    name: Title
    days: int = Field(ge=1, le=MOST_DAYS)


def make(db: Database, name: str, role: Role, *, days: int, by: str | None) -> str:
    """A new token, which is never shown again.

    Raises:
        Forbidden: a lead makes tokens.
        InvalidInput: the name is blank, too long or not one line, or the days are not 1 to 366.
    """
    db.demand(Role.LEAD)
    wanted = parse(_Wanted, {"name": name, "days": days})
    secret = secrets.token_urlsafe(32)
    values = {
        "name": wanted.name, "role": role.value, "digest": _digest(secret), "created_by": by,
        "expires_at": sa.func.clock_timestamp() + timedelta(days=wanted.days),
    }  # fmt: skip
    with db.write(Source.DASHBOARD, by) as connection:
        number = connection.scalar(sa.insert(api_tokens).values(values).returning(_t.id))
    return f"desk_{number}_{secret}"


def revoke(db: Database, number: int) -> None:
    """Ends a token, from the next call on; one that is revoked stays so.

    Raises:
        Forbidden: a lead revokes tokens.
    """
    db.demand(Role.LEAD)
    ended = sa.update(api_tokens).where(_t.id == number, _t.revoked_at.is_(None))
    with db.write(Source.DASHBOARD) as connection:
        connection.execute(ended.values(revoked_at=sa.func.clock_timestamp()))


def known(db: Database, *, limit: int = 500) -> list[Token]:
    """The tokens, newest first, with the revoked and the expired ones.

    Raises:
        Forbidden: a lead sees tokens.
    """
    db.demand(Role.LEAD)
    with db.read() as connection:
        rows = connection.execute(sa.select(*_known).order_by(_t.id.desc()).limit(limit)).mappings()
        return [Token(**{**row, "role": Role(row["role"])}) for row in rows]


def person(db: Database, token: str, *, now: datetime) -> Person | None:
    """Whom the token stands for, or None if it is none, expired or revoked. Notes that it was used."""
    form = _FORM.fullmatch(token)
    if form is None:
        return None
    number, secret = int(form[1]), form[2]
    with db.read() as connection:
        row = connection.execute(sa.select(*_known, _t.digest).where(_t.id == number)).mappings().one_or_none()
    # In constant time, and also where there is no such token.
    is_it = hmac.compare_digest(_digest(secret), row["digest"] if row else _digest(""))
    if row is None or not is_it:
        return None
    found = Token(**{name: row[name] for name in Token.__dataclass_fields__ if name != "role"}, role=Role(row["role"]))
    if not found.is_valid(now):
        return None
    if found.last_used_at is None or now - found.last_used_at > USED:
        with db.write(Source.API) as connection:
            connection.execute(sa.update(api_tokens).where(_t.id == number).values(last_used_at=now))
    return Person(found.name, found.role, number)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
