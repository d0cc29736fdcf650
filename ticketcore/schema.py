"""The tables, their constraints and their indexes, as SQLAlchemy sees them.

What builds a database is `migrations/`; a test compares the two. The triggers that write the
history and keep `version`, `updated_at` and `resolved_at` true live in the migrations alone.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from ticketcore.models import Category, Priority, Status, Ticket
from ticketcore.validation import DESCRIPTION_LENGTH, LINE_BREAKS, TITLE_LENGTH

WHITESPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
"""Every character that `str.strip` takes away; PostgreSQL's `btrim` alone would only take spaces."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _native(members: type[Any], name: str) -> Enum:
    return Enum(members, name=name, metadata=metadata, values_callable=lambda kinds: [kind.value for kind in kinds])


def quoted(characters: str) -> str:
    """`characters` as a PostgreSQL string literal in ASCII, whatever the server's settings."""
    return "U&'" + "".join(f"\\{ord(character):04x}" for character in characters) + "'"


_category = _native(Category, "ticket_category")
_priority = _native(Priority, "ticket_priority")
_status = _native(Status, "ticket_status")
_moment = DateTime(timezone=True)


def _one_line(column: str) -> list[CheckConstraint]:
    return [
        CheckConstraint(f"char_length({column}) between 1 and {TITLE_LENGTH}", name=f"{column}_length"),
        CheckConstraint(f"{column} = btrim({column}, {quoted(WHITESPACE)})", name=f"{column}_trimmed"),
        CheckConstraint(f"{column} = translate({column}, {quoted(LINE_BREAKS)}, '')", name=f"{column}_one_line"),
    ]


tickets = Table(
    "tickets",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("category", _category, nullable=False),
    Column("priority", _priority, nullable=False),
    Column("status", _status, nullable=False, server_default=Status.OPEN.value),
    Column("created_at", _moment, nullable=False, server_default=func.clock_timestamp()),
    Column("updated_at", _moment, nullable=False, server_default=func.clock_timestamp()),
    Column("resolved_at", _moment),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("suggested_category", _category),
    Column("suggested_priority", _priority),
    Column("suggestion_source", Text),
    Column("request_key", UUID, unique=True),
    Column("request_digest", Text),
    Column("changed_in", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    Column("assignee", Text),
    Column("reporter", Text),
    Column("duplicate_of", BigInteger, ForeignKey("tickets.id")),
    Column("first_response_at", _moment),
    Column("shadow_category", _category),
    Column("shadow_priority", _priority),
    Column("shadow_source", Text),
    *_one_line("title"),
    CheckConstraint(f"char_length(description) between 1 and {DESCRIPTION_LENGTH}", name="description_length"),
    CheckConstraint(f"description = btrim(description, {quoted(WHITESPACE)})", name="description_trimmed"),
    CheckConstraint("(resolved_at is not null) = (status in ('resolved', 'closed'))", name="resolved_at_fits_status"),
    CheckConstraint(
        "(suggestion_source is null) = (suggested_category is null)"
        " and (suggestion_source is null) = (suggested_priority is null)",
        name="suggestion_whole",
    ),
    CheckConstraint(
        "(shadow_source is null) = (shadow_category is null) and (shadow_source is null) = (shadow_priority is null)",
        name="shadow_whole",
    ),
    *(check for person in ("assignee", "reporter") for check in _one_line(person)),
    CheckConstraint("duplicate_of <> id", name="duplicate_of_another"),
)
"""One row a ticket. `id` is assigned by the database alone; times are `timestamptz`.

Triggers keep `version`, `updated_at`, `resolved_at` and `first_response_at`, whoever writes. The last is the time of
the first note or change of status by an agent: somebody on the dashboard, or who is named by what comes over the API.

`request_key` and `request_digest` tell a repeated request from a new one; `changed_in` is the number of the
transaction that changed the ticket last, by which the changes can be followed. `shadow_…` is what a second member of
the chain would have suggested, which nobody was shown."""

whole = [tickets.c[name] for name in Ticket.model_fields]
"""The columns of which a `Ticket` consists, in its order."""

LARGEST_ID = 2**63 - 1

_figured = ("category", "priority", "status", "assignee")
"""What figures are filtered and grouped by. Indexes that carry it along save them the way to the tickets themselves."""

newest_first = Index(
    None,
    tickets.c.created_at.desc(),
    tickets.c.id.desc(),
    postgresql_include=[
        *_figured, "resolved_at", "first_response_at", "suggested_category", "suggested_priority", "suggestion_source",
    ],
)  # fmt: skip
"""Answers the unfiltered list, in both directions, and what became of the tickets of a span of time."""

facets = Index(
    None,
    tickets.c.category,
    tickets.c.priority,
    tickets.c.status,
    tickets.c.created_at.desc(),
    tickets.c.id.desc(),
)
"""Answers any combination of facets, one probe for each cell, and every count without touching the table."""

trigrams = Index(
    "ix_tickets_title_description_trigrams",
    tickets.c.title,
    tickets.c.description,
    postgresql_using="gin",
    postgresql_ops={"title": "gin_trgm_ops", "description": "gin_trgm_ops"},
)
"""Answers substring search of three characters and more."""

order_of_changes = Index(None, tickets.c.changed_in, tickets.c.id)
"""Answers what changed since."""

duplicates = Index(None, tickets.c.duplicate_of, postgresql_where=tickets.c.duplicate_of.is_not(None))
"""Answers which tickets were marked as duplicates of one."""

settled = Index(
    None,
    tickets.c.resolved_at,
    postgresql_include=[*_figured, "created_at"],
    postgresql_where=tickets.c.resolved_at.is_not(None),
)
"""Answers what was resolved in a span of time."""

unsettled = Index(
    "ix_tickets_unsettled",
    tickets.c.created_at,
    postgresql_include=[*_figured],
    postgresql_where=tickets.c.status.in_(["open", "in_progress"]),
)
"""Answers what there is to do, how old it is, and whose it is."""

work_of = Index(
    None,
    tickets.c.assignee,
    tickets.c.created_at.desc(),
    tickets.c.id.desc(),
    postgresql_where=tickets.c.assignee.is_not(None),
)
"""Answers what somebody works on, newest first."""

IS_REOPENING = text("field = 'status' and old_value in ('resolved', 'closed') and new_value in ('open', 'in_progress')")
"""Whether an entry of the history says that work began again on a ticket that was resolved or closed."""

ticket_events = Table(
    "ticket_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id"), nullable=False),
    Column("at", _moment, nullable=False),
    Column("actor", Text),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("old_value", Text),
    Column("new_value", Text),
    Column("settled_at", _moment),
    CheckConstraint("source in ('dashboard', 'api', 'import', 'sql')", name="source_known"),
    CheckConstraint("kind in ('created', 'changed', 'noted')", name="kind_known"),
    CheckConstraint("kind = 'changed' or old_value is null", name="only_changes_have_an_old_value"),
    CheckConstraint(
        "field in ('assignee', 'reporter', 'duplicate_of')"
        " or new_value is not null and (kind <> 'changed' or old_value is not null)",
        name="only_people_and_links_may_be_empty",
    ),
    CheckConstraint(
        f"kind <> 'noted' or char_length(new_value) between 1 and {DESCRIPTION_LENGTH}", name="note_length"
    ),
    CheckConstraint(f"(settled_at is not null) = (kind = 'changed' and {IS_REOPENING})", name="reopening_takes_back"),
    CheckConstraint(f"kind <> 'noted' or new_value = btrim(new_value, {quoted(WHITESPACE)})", name="note_trimmed"),
)
"""The history: what triggers write of every change, and the notes. A `created` entry carries the status the ticket
began with, so the entries with `field = 'status'` are the whole life of a ticket. `settled_at` is what a reopening took
back: when the ticket had become resolved or closed. A ticket with a history cannot be deleted."""

history_of_ticket = Index(None, ticket_events.c.ticket_id, ticket_events.c.id)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("owner", Text),
    Column("conditions", JSONB, nullable=False),
    UniqueConstraint("owner", "name", postgresql_nulls_not_distinct=True),
    *_one_line("name"),
)
"""Filters that somebody gave a name; without an owner they belong to the whole desk."""

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", _moment, nullable=False, server_default=func.clock_timestamp()),
    Column("created_by", Text),
    Column("expires_at", _moment, nullable=False),
    Column("revoked_at", _moment),
    Column("last_used_at", _moment),
    CheckConstraint("role in ('viewer', 'agent', 'lead')", name="role_known"),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest_is_sha256"),
    *_one_line("name"),
)
"""By what programs are known to the API. Of the secret in a token only its SHA-256 is there."""

sign_outs = Table(
    "sign_outs",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("began_at", _moment, nullable=False),
)
"""When the latest session began that somebody, by the `sub` of the OpenID provider, signed out of."""

model_questions = Table(
    "model_questions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", _moment, nullable=False, server_default=func.clock_timestamp()),
    Column("asked_by", Text),
    Column("model", Text, nullable=False),
    Column("sent", Text, nullable=False),
    Index(None, "at"),
)
"""What language models were sent, as it was sent; old ones are deleted."""

shadowed = Index(
    "ix_tickets_shadowed",
    tickets.c.created_at,
    postgresql_include=[
        "category", "priority", "suggested_category", "suggested_priority", "suggestion_source",
        "shadow_category", "shadow_priority", "shadow_source",
    ],
    postgresql_where=tickets.c.shadow_source.is_not(None),
)  # fmt: skip
"""Answers how two members of the chain compare."""

desk_models = Table(
    "desk_models",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("created_at", _moment, nullable=False, server_default=func.clock_timestamp()),
    Column("format", Integer, nullable=False),
    Column("exam", JSONB, nullable=False),
    Column("final", LargeBinary, nullable=False),
    Column("examined", LargeBinary, nullable=False),
)
"""What the desk learned from its tickets: numbers, of which `format` says how to read them; the newest counts."""

reopenings = Index(
    "ix_ticket_events_reopenings",
    ticket_events.c.at,
    postgresql_include=["ticket_id", "settled_at"],
    postgresql_where=IS_REOPENING,
)
"""Answers what was taken up again since."""

reopened = Index("ix_ticket_events_reopened", ticket_events.c.ticket_id, postgresql_where=IS_REOPENING)
"""Answers which tickets were ever taken up again after they had been resolved or closed."""
