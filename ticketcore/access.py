"""Who may do what: roles, how people come by theirs, and what is said to those who have none.

What a role may do is asked where it is done, by `Database` and by `desk.Seat`; pages and routes only hide what would
be refused. Whoever has no role may do nothing.
"""

import enum
import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ticketcore.errors import Forbidden


class Role(enum.StrEnum):
    """What somebody may do; each role may do what those before it may."""

    VIEWER = "viewer"
    """Read and export."""
    AGENT = "agent"
    """File and change tickets, ask for suggestions, save views."""
    LEAD = "lead"
    """Change many tickets at once, import files, make and revoke tokens."""

    def includes(self, needed: "Role") -> bool:
        """Whether this role may do what the other may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


def demand(needed: Role, role: Role | None) -> None:
    """Does nothing for a role that includes the needed one.

    Raises:
        Forbidden: it does not, or there is none.
    """
    if role is None:
        raise Forbidden("Whoever has no role at this desk may not do this.")
    if not role.includes(needed):
        raise Forbidden(f"This takes the role “{needed}”; yours is “{role}”.")


_WHO = re.compile(r"\*|group:.+|[^\s@*;,]*@[^\s@*;,]+")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class Person:
    """Who asks: the name that the history tells, and the role; None for whoever has no business here."""

    name: str | None
    role: Role | None
    token: int | None = None
    """The number of the token by which they are known, if it is one."""


@dataclass(frozen=True)
class Rule:
    """Who has a role: an address, everybody of a domain (`@example.org`), a group (`group:support`) or all (`*`)."""

    who: str
    role: Role

    def admits(self, address: str, groups: Iterable[str]) -> bool:
        """Whether it is about somebody with this address, empty if none is known, and these groups."""
        if self.who == "*":
            return True
        if self.who.startswith("group:"):
            return self.who.removeprefix("group:") in groups
        known = lowered(address)
        return known.endswith(self.who) if self.who.startswith("@") else known == self.who


def rules(pairs: Iterable[tuple[str, str]]) -> tuple[Rule, ...]:
    """Rules from who and role, as in `("@example.org", "agent")`.

    Raises:
        ValueError: a role does not exist, or it is not clear who is meant.
    """
    found = []
    for who, role in pairs:
        if role not in list(Role):
            raise ValueError(f"must give one of the roles {', '.join(Role)}")
        name = who if who.startswith("group:") else lowered(who)
        if not _WHO.fullmatch(name):
            raise ValueError("must name addresses, domains as in @example.org, groups as in group:support, or *")
        found.append(Rule(name, Role(role)))
    return tuple(found)


def lowered(address: str) -> str:
    """An address as it is compared: no letter beside those of ASCII is taken for another."""
    return address.translate(_LOWER)


def role_of(given: Sequence[Rule], address: str, groups: Iterable[str] = ()) -> Role | None:
    """The highest role that the rules give; None if none of them is about this person."""
    groups = frozenset(groups)
    roles = [rule.role for rule in given if rule.admits(address, groups)]
    return max(roles, key=list(Role).index, default=None)
