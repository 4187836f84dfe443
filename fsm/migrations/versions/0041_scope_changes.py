"""Jobs that became wider on site: told, decided, agreed."""

from alembic import op

from fsm.migrations import security

revision = "0041"
down_revision = "0040"

_TABLES = ("scope_change", "scope_decision", "scope_line")

_STATEMENTS = """
create table scope_change (
  tenant_id uuid not null,
  id uuid not null,
  work_order_id uuid not null,
  visit_id uuid not null,
  technician_id uuid not null,
  told jsonb not null,
  lines jsonb not null,
  currency varchar(3) not null,
  priced_on date not null,
  consent_by varchar not null,
  consent_at timestamp with time zone,
  signature_id uuid,
  told_at timestamp with time zone not null,
  received_at timestamp with time zone not null,
  by varchar not null,
  constraint scope_change_pkey primary key (tenant_id, id),
  constraint scope_change_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint scope_change_visit_id_fkey foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint scope_change_technician_id_fkey
    foreign key (tenant_id, technician_id) references technician (tenant_id, id)
);
create index scope_change_work_order_idx on scope_change (tenant_id, work_order_id);
create table scope_decision (
  tenant_id uuid not null,
  id uuid not null,
  scope_change_id uuid not null,
  outcome varchar(12) not null,
  ground varchar(300) not null,
  consent_by varchar not null,
  consent_at timestamp with time zone,
  decided_at timestamp with time zone not null,
  decided_by uuid,
  by varchar not null,
  constraint scope_decision_pkey primary key (tenant_id, id),
  constraint scope_decision_scope_change_id_fkey
    foreign key (tenant_id, scope_change_id) references scope_change (tenant_id, id),
  constraint scope_decision_scope_change_id_key unique (tenant_id, scope_change_id),
  constraint scope_decision_outcome_word_check check (outcome in ('confirmed', 'refused')),
  constraint scope_decision_ground_check check (outcome <> 'refused' or ground <> '')
);
create table scope_line (
  tenant_id uuid not null,
  id uuid not null,
  scope_change_id uuid not null,
  work_order_id uuid not null,
  place integer not null,
  asset_id uuid,
  contract_id uuid,
  part_id uuid,
  kind varchar(12) not null,
  text varchar(300) not null,
  quantity numeric(14, 4) not null,
  unit varchar(20) not null,
  cost numeric(14, 2),
  price numeric(14, 2) not null,
  currency varchar(3) not null,
  payer varchar(12) not null,
  payer_rule varchar(60) not null,
  payer_ground varchar(300) not null,
  constraint scope_line_pkey primary key (tenant_id, id),
  constraint scope_line_scope_change_id_fkey
    foreign key (tenant_id, scope_change_id) references scope_change (tenant_id, id),
  constraint scope_line_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint scope_line_asset_id_fkey foreign key (tenant_id, asset_id) references asset (tenant_id, id),
  constraint scope_line_contract_id_fkey
    foreign key (tenant_id, contract_id) references contract (tenant_id, id),
  constraint scope_line_part_id_fkey foreign key (tenant_id, part_id) references part (tenant_id, id),
  constraint scope_line_kind_word_check
    check (kind in ('labour', 'travel', 'parts', 'contractor', 'overhead', 'other', 'recovery'))
);
create index scope_line_change_idx on scope_line (tenant_id, scope_change_id);
create index scope_line_work_order_idx on scope_line (tenant_id, work_order_id)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    for table in _TABLES:
        statements += security.isolate(table)
    statements += security.grant(_TABLES, "select, insert")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
