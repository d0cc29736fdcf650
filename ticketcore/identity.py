"""Who somebody is, by the claims of their ID token (OpenID Connect Core 1.0, section 2), and for how long."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from ticketcore.access import Person, lowered, role_of
from ticketcore.errors import InvalidInput
from ticketcore.models import TicketChanges
from ticketcore.settings import Settings
from ticketcore.validation import parse

Claims = Mapping[str, Any]


def identified(
    claims: Claims, settings: Settings, *, now: datetime, is_signed_out: Callable[[str, datetime], bool]
) -> Person | None:
    """The person, who may have no role; None for nobody, and for a session that is over.

    `is_signed_out` says it of a subject and when its session began.
    """
    began, known_as = session(claims)
    if not claims.get("is_logged_in") or began is None:
        return None
    if now - began > timedelta(hours=settings.session_hours) or is_signed_out(known_as, began):
        return None
    # An address that the provider did not check says nothing: anybody could have written it there.
    is_own = claims.get("email_verified") is True or (settings.trusts_addresses and "email_verified" not in claims)
    address = lowered(email) if is_own and isinstance(email := claims.get("email"), str) else ""
    told = claims.get("groups")
    groups = [told] if isinstance(told, str) else told if isinstance(told, list | tuple) else ()
    # What the provider promises to be nobody else's, in a form that is no address.
    name = valid_name(address or (f"subject {known_as.replace('@', ' at ')}" if known_as else ""))
    role = role_of(settings.roles, address, [group for group in groups if isinstance(group, str)])
    return Person(name, role if name else None)


def session(claims: Claims) -> tuple[datetime | None, str]:
    """When the session began by the provider's clock, None if it does not say, and whose it is: the `sub`."""
    subject = str(claims.get("sub") or "")
    try:
        return datetime.fromtimestamp(float(claims["iat"]), UTC), subject
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None, subject


@lru_cache(maxsize=1_024)  # asked for several times in every run of a page
def valid_name(text: str) -> str | None:
    """A name that the history can tell; None for a text that is none."""
    try:
        return parse(TicketChanges, {"assignee": text}).assignee
    except InvalidInput:
        return None
