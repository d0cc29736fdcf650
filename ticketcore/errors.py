"""The errors that a user of the desk can meet.

    TicketDeskError
    ├── InvalidInput          422  names every bad field
    ├── NotFound              404  no ticket has that id
    ├── Conflict              409  someone else was faster
    ├── NotSignedIn           401  nobody knows who asks
    ├── Forbidden             403  who asks may not do this
    ├── TooMany               429  who asks asks too often
    ├── DatabaseUnavailable   503  the database is away
    │   └── Overloaded        503  it has too much to do
    └── StartUpError           –   the desk cannot start; one line that says why

Each class carries the HTTP status that the API answers with. Their messages are written for
the person who reads them: no driver text, no stack trace, no secret.
"""

from collections.abc import Mapping


class TicketDeskError(Exception):
    """Any failure that the desk explains to its user."""

    status = 500
    title = "The desk could not do this"


class InvalidInput(TicketDeskError):
    """What was sent breaks a rule; `errors` maps each bad field to what is wrong with it."""

    status = 422
    title = "Some fields are not valid"

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors.items()))


class NotFound(TicketDeskError):
    """There is no ticket with this id."""

    status = 404
    title = "There is no such ticket"

    def __init__(self, ticket_id: int) -> None:
        super().__init__(f"There is no ticket #{ticket_id}.")


class Conflict(TicketDeskError):
    """The ticket is no longer what the caller read, or the request key stands for another ticket."""

    status = 409
    title = "This conflicts with what is there already"

    def __init__(self, message: str, current: object = None) -> None:
        self.current = current
        """The ticket as it is now."""
        super().__init__(message)


class NotSignedIn(TicketDeskError):
    """Who asks did not say who they are, or what they said does not hold (any more)."""

    status = 401
    title = "Sign in first"

    def __init__(self, message: str = "This desk wants to know who asks: send a valid token.") -> None:
        super().__init__(message)


class Forbidden(TicketDeskError):
    """Who asks may not do this."""

    status = 403
    title = "This is not allowed"


class TooMany(TicketDeskError):
    """Who asks has asked too often; `seconds` from now it will be answered again."""

    status = 429
    title = "Too many requests"

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"This was asked for too often. Try again in {seconds} s.")


class DatabaseUnavailable(TicketDeskError):
    """The database cannot be reached, or could not answer in time."""

    status = 503
    title = "The database cannot be reached"

    def __init__(self, message: str = "The database cannot be reached right now. Try again in a moment.") -> None:
        super().__init__(message)


class Overloaded(DatabaseUnavailable):
    """The database is there and has too much to do: to ask again, here or elsewhere, would only add to it."""

    title = "The database has too much to do"

    def __init__(self, message: str = "The desk is very busy. Try again in a moment.") -> None:
        super().__init__(message)


class StartUpError(TicketDeskError):
    """The desk cannot start."""

    title = "The desk cannot start"
