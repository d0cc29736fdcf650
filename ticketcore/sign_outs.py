"""Sessions that were signed out of: they and earlier ones of that person are over, in every process.

Named by when they began by the OpenID provider's clock, which need not go as the desk's does.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from ticketcore.database import Database
from ticketcore.models import Source
from ticketcore.schema import sign_outs

KEPT = timedelta(days=31)
"""No session lives longer."""

_s = sign_outs.c


def note(db: Database, subject: str, began: datetime) -> None:
    """Somebody, by what the OpenID provider knows them by, signs out of the session that began then.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    added = insert(sign_outs).values(subject=subject, began_at=began)
    latest = sa.func.greatest(_s.began_at, added.excluded.began_at)
    with db.write(Source.DASHBOARD) as connection:
        connection.execute(sa.delete(sign_outs).where(_s.began_at < sa.func.clock_timestamp() - KEPT))
        connection.execute(added.on_conflict_do_update(index_elements=["subject"], set_={"began_at": latest}))


def known(db: Database) -> dict[str, datetime]:
    """When the latest session began that each of them signed out of; UTC.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    with db.read() as connection:
        return {row.subject: row.began_at for row in connection.execute(sa.select(sign_outs))}
