"""What figures are read from: first responses, what a reopening took back, indexes; a history that costs less to write.

Revision: 0004, after 0003
"""

from importlib import import_module

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_second = import_module("ticketcore.migrations.versions.0002_exchange")
_third = import_module("ticketcore.migrations.versions.0003_people")

# A note, or a change of status, by an agent: somebody on the dashboard, or who is named by what comes over the API.
IS_RESPONSE = """
    (kind = 'noted' or kind = 'changed' and field = 'status')
    and (source = 'dashboard' or source = 'api' and actor is not null)"""

IS_REOPENING = "field = 'status' and old_value in ('resolved', 'closed') and new_value in ('open', 'in_progress')"

FACTS = f"""
alter table tickets add column first_response_at timestamptz;
alter table tickets disable trigger user;
update tickets set first_response_at = at
from (select ticket_id, min(at) as at from ticket_events where {IS_RESPONSE} group by ticket_id) as response
where id = ticket_id;
alter table tickets enable trigger user;

alter table ticket_events add column settled_at timestamptz;
update ticket_events set settled_at = (
    select max(earlier.at) from ticket_events earlier
    where earlier.ticket_id = ticket_events.ticket_id and earlier.id < ticket_events.id and earlier.field = 'status'
      and earlier.new_value in ('resolved', 'closed') and coalesce(earlier.old_value, '') not in ('resolved', 'closed')
) where {IS_REOPENING};
alter table ticket_events add constraint ck_ticket_events_reopening_takes_back
    check ((settled_at is not null) = (kind = 'changed' and {IS_REOPENING}));
"""

INDEXES = f"""
drop index ix_ticket_events_responses, ix_ticket_events_reopenings, ix_tickets_created_at_id, ix_tickets_resolved_at;
create index ix_ticket_events_reopenings on ticket_events (at) include (ticket_id, settled_at) where {IS_REOPENING};
create index ix_tickets_unsettled on tickets (created_at) include (category, priority, status, assignee)
    where status in ('open', 'in_progress');
create index ix_tickets_created_at_id on tickets (created_at desc, id desc)
    include (category, priority, status, assignee, resolved_at, first_response_at,
             suggested_category, suggested_priority, suggestion_source);
create index ix_tickets_resolved_at on tickets (resolved_at)
    include (category, priority, status, assignee, created_at) where resolved_at is not null;
"""

FORMER_INDEXES = f"""
drop index ix_ticket_events_reopenings, ix_tickets_unsettled, ix_tickets_created_at_id, ix_tickets_resolved_at;
create index ix_ticket_events_reopenings on ticket_events (at) where {IS_REOPENING};
create index ix_tickets_created_at_id on tickets (created_at desc, id desc);
create index ix_tickets_resolved_at on tickets (resolved_at) where resolved_at is not null;
create index ix_ticket_events_responses on ticket_events (ticket_id, at)
    where (kind = 'noted' or kind = 'changed' and field = 'status')
      and (source = 'dashboard' or source = 'api' and actor is not null);
"""

# As in 0003, with the first response, which nobody can make up: what is set to another value is looked up.
KEEP_FACTS = f"""
create or replace function tickets_keep_facts() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        new.version := 1;
        new.resolved_at := case when new.status in ('resolved', 'closed')
            then greatest(new.resolved_at, new.created_at) end;
        new.updated_at := coalesce(new.resolved_at, new.created_at);
        new.first_response_at := null;
        return new;
    end if;
    if new.id <> old.id or new.created_at <> old.created_at then
        raise exception 'the id and the creation time of a ticket never change' using errcode = 'check_violation';
    end if;
    if new.first_response_at is distinct from old.first_response_at then
        select min(at) into new.first_response_at from ticket_events where ticket_id = new.id and {IS_RESPONSE};
    end if;
    if (new.title, new.description, new.category, new.priority, new.status,
        new.assignee, new.reporter, new.duplicate_of)
       is not distinct from (old.title, old.description, old.category, old.priority, old.status,
        old.assignee, old.reporter, old.duplicate_of) then
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
    if new.status <> old.status and new.first_response_at is null
       and (desk_source() = 'dashboard' or desk_source() = 'api' and desk_actor() is not null) then
        new.first_response_at := new.updated_at;
    end if;
    return new;
end
$$;
"""

# Row by row: for one ticket that takes half as long as tables of old and new rows, and one ticket is the usual case.
HISTORY = """
drop trigger record_creation on tickets;
drop trigger record_changes on tickets;

create or replace function tickets_record_creation() returns trigger language plpgsql as $$
begin
    insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value)
    values (new.id, new.created_at, desk_actor(), desk_source(), 'created', 'status', null,
            case when new.resolved_at > new.created_at then 'open' else new.status::text end);
    if new.resolved_at > new.created_at then
        insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value)
        values (new.id, new.resolved_at, desk_actor(), desk_source(), 'changed', 'status', 'open', new.status::text);
    end if;
    return null;
end
$$;

create or replace function tickets_record_changes() returns trigger language plpgsql as $$
begin
    insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value, settled_at)
    select new.id, new.updated_at, desk_actor(), desk_source(), 'changed', field, old_value, new_value,
           case when field = 'status' and new.resolved_at is null then old.resolved_at end
    from (values
        ('title', old.title, new.title),
        ('description', old.description, new.description),
        ('category', old.category::text, new.category::text),
        ('priority', old.priority::text, new.priority::text),
        ('status', old.status::text, new.status::text),
        ('assignee', old.assignee, new.assignee),
        ('reporter', old.reporter, new.reporter),
        ('duplicate_of', old.duplicate_of::text, new.duplicate_of::text)
    ) as change (field, old_value, new_value)
    where old_value is distinct from new_value;
    return null;
end
$$;

-- A note has its time before it waits for whoever holds the ticket, so it may be the earlier one all the same.
create function ticket_events_tell_response() returns trigger language plpgsql as $$
begin
    update tickets set first_response_at = new.at
    where id = new.ticket_id and (first_response_at is null or first_response_at > new.at);
    return null;
end
$$;

create trigger record_creation after insert on tickets
    for each row execute function tickets_record_creation();
create trigger record_changes after update on tickets
    for each row execute function tickets_record_changes();
create trigger tell_response after insert on ticket_events
    for each row
    when (new.kind = 'noted' and (new.source = 'dashboard' or new.source = 'api' and new.actor is not null))
    execute function ticket_events_tell_response();
"""

FORMER_TRIGGERS = """
drop trigger record_creation on tickets;
drop trigger record_changes on tickets;
drop trigger tell_response on ticket_events;
drop function ticket_events_tell_response;
create trigger record_creation after insert on tickets
    referencing new table as new_rows for each statement execute function tickets_record_creation();
create trigger record_changes after update on tickets
    referencing old table as old_rows new table as new_rows
    for each statement execute function tickets_record_changes();
"""


def upgrade() -> None:
    op.execute(FACTS)
    op.execute(KEEP_FACTS)
    op.execute(HISTORY)
    op.execute(INDEXES)


def downgrade() -> None:
    op.execute(FORMER_TRIGGERS)
    op.execute(_second.RECORD_CREATION)
    op.execute(_third.record_changes(_third.PEOPLE_AND_LINKS))
    op.execute(_third.KEEP_FACTS)
    op.execute(FORMER_INDEXES)
    op.execute("alter table tickets drop column first_response_at")
    op.execute("alter table ticket_events drop column settled_at")  # with its constraint
