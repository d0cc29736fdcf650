"""Tokens for the API, sign-outs, and what language models were sent.

Revision: 0005, after 0004
"""

from importlib import import_module

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_first = import_module("ticketcore.migrations.versions.0001_tickets_and_their_history")
WHITESPACE, LINE_BREAKS = _first.WHITESPACE, _first.LINE_BREAKS

TABLES = f"""
create table api_tokens (
    id bigint generated always as identity,
    name text not null,
    role text not null,
    digest text not null,
    created_at timestamptz not null default clock_timestamp(),
    created_by text,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    last_used_at timestamptz,
    constraint pk_api_tokens primary key (id),
    constraint ck_api_tokens_role_known check (role in ('viewer', 'agent', 'lead')),
    constraint ck_api_tokens_digest_is_sha256 check (digest ~ '^[0-9a-f]{{64}}$'),
    constraint ck_api_tokens_name_length check (char_length(name) between 1 and 200),
    constraint ck_api_tokens_name_trimmed check (name = btrim(name, {WHITESPACE})),
    constraint ck_api_tokens_name_one_line check (name = translate(name, {LINE_BREAKS}, ''))
);

create table sign_outs (
    subject text not null,
    began_at timestamptz not null,
    constraint pk_sign_outs primary key (subject)
);

create table model_questions (
    id bigint generated always as identity,
    at timestamptz not null default clock_timestamp(),
    asked_by text,
    model text not null,
    sent text not null,
    constraint pk_model_questions primary key (id)
);
create index ix_model_questions_at on model_questions (at);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("drop table api_tokens, model_questions, sign_outs")
