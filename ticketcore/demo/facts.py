"""The particulars of a ticket, such as names, numbers and dates, each made up when a text first needs it."""

import random
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ticketcore.demo.vocabulary import words


class Facts(dict[str, str]):
    """The particulars of one ticket: each is made up when a text first needs it, and then stays.

    Dates in the texts lie before `at`, the local time at which the ticket is filed.
    """

    def __init__(self, rng: random.Random, at: datetime, known: dict[str, str] | None = None) -> None:
        super().__init__(known or {})
        self.rng = rng
        self.at = at

    def __missing__(self, word: str) -> str:
        made = _MADE[word](self) if word in _MADE else self.rng.choice(words()[word])
        self[word] = made = made.format_map(self) if "{" in made else made
        return made

    def days_ago(self, most: int) -> datetime:
        return self.at - timedelta(days=self.rng.randint(1, most))

    def minutes_ago(self, most: int) -> datetime:
        return self.at - timedelta(seconds=self.rng.randint(180, most * 60))


def _number(least: int, most: int) -> Callable[[Facts], str]:
    return lambda facts: str(facts.rng.randint(least, most))


def day_and_month(moment: datetime) -> str:
    return f"{moment.day} {words()['months'][moment.month - 1]}"


def _amount(facts: Facts) -> str:
    return facts.rng.choice(words()["currencies"]).format(f"{facts.rng.lognormvariate(4.8, 1.1):,.2f}")


def _error(facts: Facts) -> str:
    rng = facts.rng
    if rng.random() < 0.5:
        return rng.choice(words()["errors"])
    return f"{rng.choice(('E', 'SYNC', 'DB', 'APP', 'GW'))}-{rng.randint(1000, 9999)}"


def _ascii(name: str) -> str:
    first, _, last = name.lower().translate({ord("ı"): "i", ord("'"): None}).partition(" ")
    return unicodedata.normalize("NFKD", f"{first}.{last.replace(' ', '')}").encode("ascii", "ignore").decode()


_MADE: dict[str, Callable[[Facts], str]] = {
    "number": _number(3, 40),
    "hours": _number(2, 9),
    "minutes": _number(3, 45),
    "seconds": _number(8, 60),
    "percent": _number(2, 99),
    "row": _number(100, 9999),
    "extension": _number(100, 989),
    "year": lambda facts: str(facts.at.year),
    "weekday": lambda facts: words()["weekdays"][facts.days_ago(6).weekday()],
    "month": lambda facts: words()["months"][(facts.at.month - 2) % 12],
    "next_month": lambda facts: words()["months"][facts.at.month % 12],
    "day": lambda facts: day_and_month(facts.days_ago(25)),
    "time": lambda facts: f"{facts.minutes_ago(90):%H:%M}",
    "clock": lambda facts: f"{facts.rng.randint(7, 19):02}:{facts.rng.randint(0, 59):02}",
    "stamp": lambda facts: f"{facts.minutes_ago(90).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    "amount": _amount,
    "error": _error,
    "invoice": lambda facts: f"INV-{facts.at.year}-{facts.rng.randrange(100_000):05}",
    "order": lambda facts: f"SO-{facts.rng.randint(100_000, 999_999)}",
    "customer": lambda facts: f"K-{facts.rng.randint(10_000, 99_999)}",
    "card": lambda facts: f"{facts.rng.choice(words()['cards'])} ending in {facts.rng.randrange(10_000):04}",
    "request": lambda facts: f"req_{facts.rng.getrandbits(48):012x}",
    "short": lambda facts: f"{facts.rng.getrandbits(24):06x}",
    "ip": lambda facts: f"203.0.113.{facts.rng.randint(1, 254)}",
    "version": lambda facts: f"{facts.rng.randint(4, 6)}.{facts.rng.randint(0, 19)}.{facts.rng.randint(0, 9)}",
    "name": lambda _: "{first} {last}",
    "colleague": lambda facts: facts.rng.choice([name for name in words()["first"] if name != facts["first"]]),
    "person": lambda facts: f"{facts['colleague']} {facts.rng.choice(words()['last'])}",
    "company": lambda _: "{head} {tail}",
    "domain": lambda facts: f"{facts['head'].lower()}.example",
    "email": lambda facts: f"{_ascii(facts['name'])}@{facts['domain']}",
    "person_email": lambda facts: f"{_ascii(facts['person'])}@{facts['domain']}",
}  # fmt: skip
