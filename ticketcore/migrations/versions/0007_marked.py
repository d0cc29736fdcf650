"""Whatever changes of a ticket marks it as changed: its first response as well, which a note brings, and suggestions.

Revision: 0007, after 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

IS_RESPONSE = """
    (kind = 'noted' or kind = 'changed' and field = 'status')
    and (source = 'dashboard' or source = 'api' and actor is not null)"""

MARKED = """\
        if (new.first_response_at, new.suggested_category, new.suggested_priority, new.suggestion_source)
           is distinct from
           (old.first_response_at, old.suggested_category, old.suggested_priority, old.suggestion_source) then
            new.changed_in := (pg_current_xact_id()::text)::bigint;
        end if;
"""


def keep_facts(marked: str) -> str:
    """As in 0004, with what is done where nothing changed that has a history."""
    return f"""
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
{marked}        return new;
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


def upgrade() -> None:
    op.execute(keep_facts(MARKED))


def downgrade() -> None:
    op.execute(keep_facts(""))
