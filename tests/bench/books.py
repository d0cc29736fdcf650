"""Whether the books add up after a run: raw SQL on the database, beside what the desk said that it had stored."""

from collections import Counter
from typing import Any

from tests.bench.ledger import Ledger

CREATED_ONCE = """
select count(*) from (
    select from tickets left join ticket_events e on ticket_id = tickets.id and kind = 'created'
    group by tickets.id having count(e.id) <> 1
) as odd"""

# Each entry begins with what the one before it left, and the last one of a field says what the ticket has now.
CHAINED = """
with entries as (
    select ticket_id, field, old_value, new_value, kind = 'created' as is_first,
           lag(new_value) over entry as before, lag(id) over entry is null as is_earliest,
           lead(id) over entry is null as is_latest
    from ticket_events where kind <> 'noted' window entry as (partition by ticket_id, field order by id)
)
select count(*) filter (where not is_earliest and old_value is distinct from before),
       count(*) filter (where field = 'status' and is_first <> is_earliest),
       count(*) filter (where is_latest and new_value is distinct from case field
           when 'title' then title when 'description' then description when 'category' then category::text
           when 'priority' then priority::text when 'status' then status::text when 'assignee' then assignee
           when 'reporter' then reporter when 'duplicate_of' then duplicate_of::text end)
from entries join tickets on id = ticket_id"""

# A change is one transaction's: its entries, one for each field, have the same time. An import brings a past along,
# which is no change.
VERSIONED = """
select count(*) from (
    select from tickets left join ticket_events e on ticket_id = tickets.id
    group by tickets.id
    having version <> 1 + count(distinct at) filter (where kind = 'changed' and e.source <> 'import')
) as odd"""

SETTLED = """
select count(*) from tickets where (resolved_at is not null) <> (status in ('resolved', 'closed'))"""


class Books:
    """What the database held before the run; `faults` compares it with what it holds after."""

    def __init__(self, sql: Any) -> None:
        """`sql` is a driver connection in autocommit."""
        self._sql = sql
        self._tickets, self._entry = self._one("select (select count(*) from tickets), max(id) from ticket_events")

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._sql.cursor() as cursor:
            cursor.execute(query, values or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        return self._rows(query, *values)[0]

    def faults(self, ledger: Ledger) -> list[str]:
        """Everything that does not add up, a sentence each; none if all does."""
        return [*self._filed(ledger), *self._changed(ledger), *self._history()]

    def _filed(self, ledger: Ledger) -> list[str]:
        """Whether every ticket that was answered is there exactly once as it was told, and no other one is."""
        found = []
        query = "select id, title, description, category::text, priority::text from tickets where id = any(%s)"
        names = ("title", "description", "category", "priority")
        there = {number: dict(zip(names, row, strict=True)) for number, *row in self._rows(query, [*ledger.filed])}
        for number, told in ledger.filed.items():
            stored = there.get(number)
            if stored is None:
                found.append(f"ticket {number} was answered and is not there")
            elif stored | told != stored:
                found.append(f"ticket {number} was filed as {told} and is {stored}")
        titles = [*(told["title"] for told in ledger.filed.values()), *ledger.open_titles]
        query = "select title, count(*) from tickets where title = any(%s) group by title having count(*) > 1"
        found += [f"“{title}” is there {times} times" for title, times in self._rows(query, titles)]
        (now,) = self._one("select count(*) from tickets")
        wanted = self._tickets + len(ledger.filed) + self._unanswered(ledger)
        if now != wanted:
            found.append(f"there are {now:,} tickets, not {wanted:,}")
        return found

    def _unanswered(self, ledger: Ledger) -> int:
        """How many tickets are there of which the answer did not arrive."""
        number: int = self._one("select count(*) from tickets where title = any(%s)", [*ledger.open_titles])[0]
        return number

    def _changed(self, ledger: Ledger) -> list[str]:
        """Whether the history has an entry for every change that was told to be stored, and for no other one."""
        query = "select ticket_id, kind, new_value from ticket_events where id > %s and kind <> 'noted'"
        entries = self._rows(query, self._entry or 0)
        created = sum(kind == "created" for _, kind, _ in entries)
        changed = Counter((ticket, value) for ticket, kind, value in entries if kind == "changed")
        found = []
        if created != len(ledger.filed) + self._unanswered(ledger):
            found.append(f"the history tells of {created:,} new tickets")
        for words, odd in (
            # Where two chose the same at once, both are told that it is so, and it happened once.
            ("was told to be stored and is not in the history", Counter(ledger.changed.keys() - changed.keys())),
            ("is in the history and was not told to be stored", changed - ledger.changed - ledger.open_changes),
        ):
            found += [f"that ticket {ticket} is {value} {words}" for ticket, value in odd.elements()]
        return found

    def _history(self) -> list[str]:
        """Whether the histories of all tickets add up to what the tickets are."""
        broken, first, last = self._one(CHAINED)
        counted = {
            "tickets without exactly one entry that they were created": self._one(CREATED_ONCE)[0],
            "entries that do not begin with what the one before left": broken,
            "tickets whose creation is not their first entry": first,
            "fields that are not what their last entry says": last,
            "tickets whose version is not the number of their changes and one": self._one(VERSIONED)[0],
            "tickets whose resolution does not fit their status": self._one(SETTLED)[0],
        }
        return [f"{number:,} {what}" for what, number in counted.items() if number]
