"""Signed addresses: what a page lets a browser fetch by itself, for some minutes and with the rights of one person.

The signature covers the whole query, so nobody can ask for anything else with it.
"""

import contextlib
from collections.abc import Iterable
from urllib.parse import urlencode

from itsdangerous import BadData, URLSafeTimedSerializer

from ticketcore.access import Person, Role
from ticketcore.errors import NotSignedIn
from ticketcore.settings import Settings

LIFE = 5 * 60
"""Seconds that a signed address lives."""

KEY = "seal"
"""The parameter of an address that holds its signature."""

Query = Iterable[tuple[str, str]]


def sealed(settings: Settings, query: Query, person: Person) -> str:
    """The query with its signature, if this desk has sign-in; otherwise nobody needs one."""
    pairs = list(query)
    if settings.has_sign_in:
        pairs.append((KEY, _serializer(settings).dumps([person.name, person.role, _canonical(pairs)])))
    return urlencode(pairs)


def opened(settings: Settings, query: Query) -> Person:
    """Whose rights a signed query has.

    Raises:
        NotSignedIn: the signature is forged or too old, or the query is another one.
    """
    pairs = list(query)
    seal = next((value for name, value in pairs if name == KEY), "")
    name: str | None = None
    role, signed = "", ""
    if settings.has_sign_in:
        with contextlib.suppress(BadData):
            name, role, signed = _serializer(settings).loads(seal, max_age=LIFE)
    if signed != _canonical(pairs) or not role:
        raise NotSignedIn("This link is not valid, or not any more. Go back to the desk for a new one.")
    return Person(name, Role(role))


def _canonical(pairs: Query) -> str:
    return urlencode([pair for pair in pairs if pair[0] != KEY])


def _serializer(settings: Settings) -> URLSafeTimedSerializer:
    secret = settings.cookie_secret.get_secret_value() if settings.cookie_secret else ""
    return URLSafeTimedSerializer(secret, salt="desk-download")
