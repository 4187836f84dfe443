"""The ledger says who pays and why, what is billed and what is taken back; jobs for several assets."""

from alembic import op

from fsm.migrations import security

revision = "0018"
down_revision = "0017"

_STATEMENTS = """
alter table rate drop constraint rate_kind_word_check;
alter table rate add constraint rate_kind_word_check
  check (kind in ('labour', 'travel', 'vehicle', 'overhead', 'labour_price', 'travel_price'));
alter table time_entry add column distance_m integer;
alter table time_entry add constraint time_entry_distance_check check (distance_m >= 0);
alter table cost_line drop constraint cost_line_kind_word_check;
alter table cost_line add constraint cost_line_kind_word_check check (
  kind in ('labour', 'travel', 'parts', 'contractor', 'overhead', 'other', 'recovery'));
alter table cost_line add column unit varchar(20) not null default '';
alter table cost_line add column price numeric(14, 2);
alter table cost_line add column payer_ground varchar(300) not null default '';
alter table cost_line add column corrects_id uuid;
alter table cost_line add column note varchar(300) not null default '';
alter table cost_line add constraint cost_line_corrects_id_fkey
  foreign key (tenant_id, corrects_id) references cost_line (tenant_id, id);
alter table cost_line add constraint cost_line_corrects_id_key unique (tenant_id, corrects_id);
create index cost_line_technician_idx on cost_line (tenant_id, technician_id, posted_on);
create table work_order_asset (
  tenant_id uuid not null,
  work_order_id uuid not null,
  asset_id uuid not null,
  contract_id uuid,
  weight numeric(14, 4) not null,
  constraint work_order_asset_pkey primary key (tenant_id, work_order_id, asset_id),
  constraint work_order_asset_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint work_order_asset_asset_id_fkey
    foreign key (tenant_id, asset_id) references asset (tenant_id, id),
  constraint work_order_asset_contract_id_fkey
    foreign key (tenant_id, contract_id) references contract (tenant_id, id),
  constraint work_order_asset_weight_check check (weight > 0)
);
create table payer_rule (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  code varchar(50) not null,
  name varchar not null,
  place integer not null,
  conditions jsonb not null,
  payer varchar(12) not null,
  ground varchar(300) not null,
  starts_on date not null,
  ends_on date,
  constraint payer_rule_pkey primary key (tenant_id, id),
  constraint payer_rule_code_key unique (tenant_id, code),
  constraint payer_rule_payer_word_check
    check (payer in ('manufacturer', 'contract', 'customer', 'goodwill', 'undecided')),
  constraint payer_rule_period_check check (ends_on is null or ends_on >= starts_on)
);
update cost_line set unit = case kind when 'parts' then 'pc' else 'h' end
where source_kind in ('time_entry', 'part_used')
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    for table in ("work_order_asset", "payer_rule"):
        statements += security.isolate(table)
    statements += security.grant(
        ("work_order_asset", "payer_rule"), "select, insert, update, delete"
    )
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
