"""Promises as they were told, what became of them, and what visits have taught about plans."""

from alembic import op

from fsm.migrations import security

revision = "0023"
down_revision = "0022"

_TABLES = """
create table promise (
  tenant_id uuid not null,
  id uuid not null,
  work_order_id uuid not null,
  visit_id uuid not null,
  window_starts_at timestamp with time zone not null,
  window_ends_at timestamp with time zone not null,
  channel varchar(12) not null,
  sent_at timestamp with time zone not null,
  told_by varchar not null,
  asked_by varchar(10),
  probability double precision,
  expected_at timestamp with time zone,
  spread_s double precision,
  model_sha256 varchar(64),
  constraint promise_pkey primary key (tenant_id, id),
  constraint promise_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint promise_visit_id_fkey
    foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint promise_channel_word_check
    check (channel in ('phone', 'message', 'email', 'letter', 'portal', 'in_person')),
  constraint promise_asked_by_word_check check (asked_by in ('customer', 'company')),
  constraint promise_window_check check (window_ends_at > window_starts_at),
  constraint promise_probability_check check (probability > 0 and probability < 1)
);
create index promise_job_idx on promise (tenant_id, work_order_id, sent_at);
create index promise_ends_idx on promise (tenant_id, window_ends_at);
create table promise_outcome (
  tenant_id uuid not null,
  promise_id uuid not null,
  outcome varchar(8) not null,
  arrived_at timestamp with time zone,
  began_at timestamp with time zone,
  score double precision,
  judged_at timestamp with time zone not null,
  constraint promise_outcome_pkey primary key (tenant_id, promise_id),
  constraint promise_outcome_promise_id_fkey
    foreign key (tenant_id, promise_id) references promise (tenant_id, id),
  constraint promise_outcome_outcome_word_check
    check (outcome in ('kept', 'early', 'late', 'missed', 'void'))
);
create table promise_model (
  tenant_id uuid not null,
  sha256 varchar(64) not null,
  body jsonb not null,
  visits integer not null,
  learned_at timestamp with time zone not null,
  constraint promise_model_pkey primary key (tenant_id, sha256)
);
create index promise_model_learned_idx on promise_model (tenant_id, learned_at)
"""


def upgrade() -> None:
    statements = _TABLES.split(";\n")
    for table in ("promise", "promise_outcome", "promise_model"):
        statements += security.isolate(table)
    statements += security.grant(("promise",), "select, insert")
    statements += security.grant(("promise_outcome",), "select, insert, update")
    statements += security.grant(("promise_model",), "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
