"""Prices of wider jobs put to customers, and what they answered."""

from alembic import op

from fsm.migrations import security

revision = "0044"
down_revision = "0043"

_TABLES = ("scope_offer", "scope_answer")

_STATEMENTS = """
alter table scope_decision add column consent_via varchar(12);
alter table scope_decision add constraint scope_decision_consent_via_word_check
  check (consent_via in ('telephone', 'mail', 'in_person', 'link'));
create table scope_offer (
  tenant_id uuid not null,
  id uuid not null,
  scope_change_id uuid not null,
  work_order_id uuid not null,
  lines jsonb not null,
  prices jsonb not null,
  price numeric(14, 2) not null,
  currency varchar(3) not null,
  note varchar(300) not null,
  token_sha256 bytea not null,
  offered_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  offered_by uuid,
  by varchar not null,
  constraint scope_offer_pkey primary key (tenant_id, id),
  constraint scope_offer_scope_change_id_fkey
    foreign key (tenant_id, scope_change_id) references scope_change (tenant_id, id),
  constraint scope_offer_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint scope_offer_token_sha256_key unique (tenant_id, token_sha256),
  constraint scope_offer_expires_check check (expires_at > offered_at)
);
create index scope_offer_change_idx on scope_offer (tenant_id, scope_change_id, id);
create index scope_offer_work_order_idx on scope_offer (tenant_id, work_order_id);
create table scope_answer (
  tenant_id uuid not null,
  id uuid not null,
  scope_offer_id uuid not null,
  work_order_id uuid not null,
  outcome varchar(12) not null,
  name varchar(100) not null,
  ground varchar(2000) not null,
  wording jsonb not null,
  wording_sha256 bytea,
  visitor varchar(32) not null,
  answered_at timestamp with time zone not null,
  by varchar not null,
  constraint scope_answer_pkey primary key (tenant_id, id),
  constraint scope_answer_scope_offer_id_fkey
    foreign key (tenant_id, scope_offer_id) references scope_offer (tenant_id, id),
  constraint scope_answer_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint scope_answer_scope_offer_id_key unique (tenant_id, scope_offer_id),
  constraint scope_answer_outcome_word_check check (outcome in ('approved', 'refused', 'withdrawn')),
  constraint scope_answer_evidence_check
    check (outcome = 'withdrawn' or (name <> '' and wording <> '{}' and wording_sha256 is not null))
);
create index scope_answer_work_order_idx on scope_answer (tenant_id, work_order_id)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    for table in _TABLES:
        statements += security.isolate(table)
    statements += security.grant(_TABLES, "select, insert")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
