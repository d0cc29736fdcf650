"""Who reported a ticket and who works on it, notes, duplicates, what figures are read by, and saved views.

Revision: 0003, after 0002
"""

from importlib import import_module

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_first = import_module("ticketcore.migrations.versions.0001_tickets_and_their_history")
_second = import_module("ticketcore.migrations.versions.0002_exchange")
WHITESPACE, LINE_BREAKS = _first.WHITESPACE, _first.LINE_BREAKS

PEOPLE = "".join(
    f"""
    add constraint ck_tickets_{person}_length check (char_length({person}) between 1 and 200),
    add constraint ck_tickets_{person}_trimmed check ({person} = btrim({person}, {WHITESPACE})),
    add constraint ck_tickets_{person}_one_line check ({person} = translate({person}, {LINE_BREAKS}, '')),"""
    for person in ("assignee", "reporter")
)

TABLES = f"""
alter table tickets
    add column assignee text,
    add column reporter text,
    add column duplicate_of bigint,{PEOPLE}
    add constraint fk_tickets_duplicate_of foreign key (duplicate_of) references tickets (id),
    add constraint ck_tickets_duplicate_of_another check (duplicate_of <> id);
create index ix_tickets_duplicate_of on tickets (duplicate_of) where duplicate_of is not null;
create index ix_tickets_assignee_created_at_id on tickets (assignee, created_at desc, id desc)
    where assignee is not null;
create index ix_tickets_resolved_at on tickets (resolved_at) where resolved_at is not null;
create index ix_ticket_events_responses on ticket_events (ticket_id, at)
    where (kind = 'noted' or kind = 'changed' and field = 'status')
      and (source = 'dashboard' or source = 'api' and actor is not null);
create index ix_ticket_events_reopenings on ticket_events (at)
    where field = 'status' and old_value in ('resolved', 'closed') and new_value in ('open', 'in_progress');

create table saved_views (
    id bigint generated always as identity,
    name text not null,
    owner text,
    conditions jsonb not null,
    constraint pk_saved_views primary key (id),
    constraint uq_saved_views_owner unique nulls not distinct (owner, name),
    constraint ck_saved_views_name_length check (char_length(name) between 1 and 200),
    constraint ck_saved_views_name_trimmed check (name = btrim(name, {WHITESPACE})),
    constraint ck_saved_views_name_one_line check (name = translate(name, {LINE_BREAKS}, ''))
);

alter table ticket_events
    drop constraint ck_ticket_events_kind_known,
    drop constraint ck_ticket_events_only_creation_has_no_old_value,
    add constraint ck_ticket_events_kind_known check (kind in ('created', 'changed', 'noted')),
    add constraint ck_ticket_events_only_changes_have_an_old_value check (kind = 'changed' or old_value is null),
    add constraint ck_ticket_events_only_people_and_links_may_be_empty check (
        field in ('assignee', 'reporter', 'duplicate_of')
        or new_value is not null and (kind <> 'changed' or old_value is not null)
    ),
    add constraint ck_ticket_events_note_length
        check (kind <> 'noted' or char_length(new_value) between 1 and 20000),
    add constraint ck_ticket_events_note_trimmed
        check (kind <> 'noted' or new_value = btrim(new_value, {WHITESPACE}));
"""

# As in 0002, with three more fields that make a version.
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
    return new;
end
$$;
"""


def record_changes(more: str) -> str:
    """The function that writes the history of changes, of the fields of 0001 and `more`."""
    return f"""
create or replace function tickets_record_changes() returns trigger language plpgsql as $$
begin
    insert into ticket_events (ticket_id, at, actor, source, kind, field, old_value, new_value)
    select n.id, n.updated_at, desk_actor(), desk_source(), 'changed', field, old_value, new_value
    from new_rows n join old_rows o using (id)
    cross join lateral (values
        ('title', o.title, n.title),
        ('description', o.description, n.description),
        ('category', o.category::text, n.category::text),
        ('priority', o.priority::text, n.priority::text),
        ('status', o.status::text, n.status::text){more}
    ) as change (field, old_value, new_value)
    where old_value is distinct from new_value
    order by n.id;
    return null;
end
$$;
"""


PEOPLE_AND_LINKS = """,
        ('assignee', o.assignee, n.assignee),
        ('reporter', o.reporter, n.reporter),
        ('duplicate_of', o.duplicate_of::text, n.duplicate_of::text)"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(KEEP_FACTS)
    op.execute(record_changes(PEOPLE_AND_LINKS))


def downgrade() -> None:
    """Notes, people and links are lost, and with them their entries in the history."""
    op.execute(_second.KEEP_FACTS)
    op.execute(record_changes(""))
    op.execute("""
        drop table saved_views;
        drop index ix_tickets_resolved_at, ix_ticket_events_responses, ix_ticket_events_reopenings;
        delete from ticket_events where kind = 'noted' or field in ('assignee', 'reporter', 'duplicate_of');
        alter table ticket_events
            drop constraint ck_ticket_events_note_length,
            drop constraint ck_ticket_events_note_trimmed,
            drop constraint ck_ticket_events_only_people_and_links_may_be_empty,
            drop constraint ck_ticket_events_only_changes_have_an_old_value,
            drop constraint ck_ticket_events_kind_known,
            add constraint ck_ticket_events_kind_known check (kind in ('created', 'changed')),
            add constraint ck_ticket_events_only_creation_has_no_old_value
                check ((kind = 'created') = (old_value is null));
        alter table tickets drop column assignee, drop column reporter, drop column duplicate_of;
    """)
