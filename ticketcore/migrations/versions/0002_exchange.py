"""What exchange with other systems needs: an order of changes, the past of imports, the digest of a request.

Revision: 0002, after 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
-- 0, then the default: existing rows get it without being rewritten, and come first in the order of changes.
alter table tickets
    add column changed_in bigint not null default 0,
    add column request_digest text;
alter table tickets alter column changed_in set default (pg_current_xact_id()::text)::bigint;
create index ix_tickets_changed_in_id on tickets (changed_in, id);
create index ix_ticket_events_reopened on ticket_events (ticket_id)
    where field = 'status' and old_value in ('resolved', 'closed') and new_value in ('open', 'in_progress');
"""

KEEP_FACTS = """
create or replace function tickets_keep_facts() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        new.version := 1;
        new.resolved_at := case when new.status in ('resolved', 'closed')
            then greatest(new.resolved_at, new.created_at) end;
        new.updated_at := coalesce(new.resolved_at, new.created_at);
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
    new.changed_in := (pg_current_xact_id()::text)::bigint;
    new.updated_at := greatest(clock_timestamp(), old.updated_at);
    new.resolved_at := case
        when new.status not in ('resolved', 'closed') then null
        when old.status in ('resolved', 'closed') then old.resolved_at
        else new.updated_at end;
    return new;
end
$$;
"""

# What arrives resolved, with the time of that, was open until then.
RECORD_CREATION = """
create or replace function tickets_record_creation() returns trigger language plpgsql as $$
begin
    insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value)
    select id, created_at, desk_actor(), desk_source(), 'created', 'status', null,
           case when resolved_at > created_at then 'open' else status::text end
    from new_rows order by id;
    insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value)
    select id, resolved_at, desk_actor(), desk_source(), 'changed', 'status', 'open', status::text
    from new_rows where resolved_at > created_at order by id;
    return null;
end
$$;
"""

FORMER_FUNCTIONS = """
create or replace function tickets_keep_facts() returns trigger language plpgsql as $$
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

create or replace function tickets_record_creation() returns trigger language plpgsql as $$
begin
    insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value)
    select id, created_at, desk_actor(), desk_source(), 'created', 'status', null, status::text
    from new_rows order by id;
    return null;
end
$$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(KEEP_FACTS)
    op.execute(RECORD_CREATION)


def downgrade() -> None:
    op.execute(FORMER_FUNCTIONS)
    op.execute("alter table tickets drop column changed_in, drop column request_digest")
    op.execute("drop index ix_ticket_events_reopened")
