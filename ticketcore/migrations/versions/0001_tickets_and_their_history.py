"""Tickets, their history, and the triggers that keep both true.

Revision: 0001, the first
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHITESPACE = (
    "U&'\\0009\\000a\\000b\\000c\\000d\\001c\\001d\\001e\\001f\\0020\\0085\\00a0\\1680"
    "\\2000\\2001\\2002\\2003\\2004\\2005\\2006\\2007\\2008\\2009\\200a\\2028\\2029\\202f\\205f\\3000'"
)
LINE_BREAKS = "U&'\\000a\\000d\\000b\\000c\\001c\\001d\\001e\\0085\\2028\\2029'"

TABLES = f"""
create extension if not exists pg_trgm;

create type ticket_category as enum ('billing', 'technical', 'account', 'general');
create type ticket_priority as enum ('low', 'medium', 'high', 'critical');
create type ticket_status as enum ('open', 'in_progress', 'resolved', 'closed');

create table tickets (
    id bigint generated always as identity,
    title text not null,
    description text not null,
    category ticket_category not null,
    priority ticket_priority not null,
    status ticket_status not null default 'open',
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    version integer not null default 1,
    suggested_category ticket_category,
    suggested_priority ticket_priority,
    suggestion_source text,
    request_key uuid,
    constraint pk_tickets primary key (id),
    constraint uq_tickets_request_key unique (request_key),
    constraint ck_tickets_title_length check (char_length(title) between 1 and 200),
    constraint ck_tickets_title_trimmed check (title = btrim(title, {WHITESPACE})),
    constraint ck_tickets_title_one_line check (title = translate(title, {LINE_BREAKS}, '')),
    constraint ck_tickets_description_length check (char_length(description) between 1 and 20000),
    constraint ck_tickets_description_trimmed check (description = btrim(description, {WHITESPACE})),
    constraint ck_tickets_resolved_at_fits_status
        check ((resolved_at is not null) = (status in ('resolved', 'closed'))),
    constraint ck_tickets_suggestion_whole
        check ((suggestion_source is null) = (suggested_category is null)
               and (suggestion_source is null) = (suggested_priority is null))
);
create index ix_tickets_created_at_id on tickets (created_at desc, id desc);
create index ix_tickets_category_priority_status_created_at_id
    on tickets (category, priority, status, created_at desc, id desc);
create index ix_tickets_title_description_trigrams
    on tickets using gin (title gin_trgm_ops, description gin_trgm_ops);

create table ticket_events (
    id bigint generated always as identity,
    ticket_id bigint not null,
    at timestamptz not null,
    actor text,
    source text not null,
    kind text not null,
    field text not null,
    old_value text,
    new_value text,
    constraint pk_ticket_events primary key (id),
    constraint fk_ticket_events_ticket_id foreign key (ticket_id) references tickets (id),
    constraint ck_ticket_events_source_known check (source in ('dashboard', 'api', 'import', 'sql')),
    constraint ck_ticket_events_kind_known check (kind in ('created', 'changed')),
    constraint ck_ticket_events_only_creation_has_no_old_value check ((kind = 'created') = (old_value is null))
);
create index ix_ticket_events_ticket_id_id on ticket_events (ticket_id, id);
"""

# `database.write` sets desk.source and desk.actor for its transaction; a change made in psql has neither.
FUNCTIONS = """
create function desk_source() returns text language sql stable as $$
    select coalesce(nullif(current_setting('desk.source', true), ''), 'sql')
$$;

create function desk_actor() returns text language sql stable as $$
    select case when desk_source() = 'sql' then session_user::text
                else nullif(current_setting('desk.actor', true), '') end
$$;

create function tickets_keep_facts() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        new.version := 1;
        new.updated_at := new.created_at;
        new.resolved_at := case when new.status in ('resolved', 'closed') then new.created_at end;
        return new;
    end if;
    if new.id <> old.id or new.created_at <> old.created_at then
        raise exception 'the id and the creation time of a ticket never change' using errcode = 'check_violation';
    end if;
    if (new.title, new.description, new.category, new.priority, new.status)
       is not distinct from (old.title, old.description, old.category, old.priority, old.status) then
        new.version := old.version;
        new.updated_at := old.updated_at;
        new.resolved_at := old.resolved_at;
        return new;
    end if;
    new.version := old.version + 1;
    new.updated_at := greatest(clock_timestamp(), old.updated_at);
    new.resolved_at := case
        when new.status not in ('resolved', 'closed') then null
        when old.status in ('resolved', 'closed') then old.resolved_at
        else new.updated_at end;
    return new;
end
$$;

create function tickets_record_creation() returns trigger language plpgsql as $$
begin
    insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value)
    select id, created_at, desk_actor(), desk_source(), 'created', 'status', null, status::text
    from new_rows order by id;
    return null;
end
$$;

create function tickets_record_changes() returns trigger language plpgsql as $$
begin
    insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value)
    select n.id, n.updated_at, desk_actor(), desk_source(), 'changed', field, old_value, new_value
    from new_rows n join old_rows o using (id)
    cross join lateral (values
        ('title', o.title, n.title),
        ('description', o.description, n.description),
        ('category', o.category::text, n.category::text),
        ('priority', o.priority::text, n.priority::text),
        ('status', o.status::text, n.status::text)
    ) as change (field, old_value, new_value)
    where old_value is distinct from new_value
    order by n.id;
    return null;
end
$$;

create trigger keep_facts before insert or update on tickets
    for each row execute function tickets_keep_facts();
create trigger record_creation after insert on tickets
    referencing new table as new_rows for each statement execute function tickets_record_creation();
create trigger record_changes after update on tickets
    referencing old table as old_rows new table as new_rows
    for each statement execute function tickets_record_changes();
"""

REMOVAL = """
drop table ticket_events, tickets;
drop function tickets_record_changes, tickets_record_creation, tickets_keep_facts, desk_actor, desk_source;
drop type ticket_status, ticket_priority, ticket_category;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute(REMOVAL)
