"""What the desk learned, and the suggestions that nobody was shown.

Revision: 0006, after 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
create table desk_models (
    id bigint generated always as identity,
    created_at timestamptz not null default clock_timestamp(),
    format integer not null,
    exam jsonb not null,
    final bytea not null,
    examined bytea not null,
    constraint pk_desk_models primary key (id)
);

alter table tickets
    add column shadow_category ticket_category,
    add column shadow_priority ticket_priority,
    add column shadow_source text,
    add constraint ck_tickets_shadow_whole check (
        (shadow_source is null) = (shadow_category is null) and (shadow_source is null) = (shadow_priority is null)
    );

create index ix_tickets_shadowed on tickets (created_at)
    include (category, priority, suggested_category, suggested_priority, suggestion_source,
        shadow_category, shadow_priority, shadow_source)
    where shadow_source is not null;
"""

DOWN = """
alter table tickets drop column shadow_category, drop column shadow_priority, drop column shadow_source;
drop table desk_models;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
