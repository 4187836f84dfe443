"""Fees of contracts by day, what broken promises give back, renewals that are known as such."""

from alembic import op

from fsm.migrations import security

revision = "0019"
down_revision = "0018"

_STATEMENTS = """
alter table contract add column credits jsonb not null default '{}';
alter table contract add column notice_days integer not null default 60;
alter table contract add column follows_id uuid;
alter table contract add constraint contract_notice_check check (notice_days between 0 and 730);
alter table contract add constraint contract_follows_id_fkey
  foreign key (tenant_id, follows_id) references contract (tenant_id, id);
alter table contract add constraint contract_follows_id_key unique (tenant_id, follows_id);
alter table contract_asset add column weight numeric(14, 4) not null default 1;
alter table contract_asset add constraint contract_asset_weight_check check (weight > 0);
create table contract_fee (
  tenant_id uuid not null,
  id uuid not null,
  contract_id uuid not null,
  starts_on date not null,
  monthly numeric(14, 2) not null,
  set_at timestamp with time zone not null,
  constraint contract_fee_pkey primary key (tenant_id, id),
  constraint contract_fee_contract_id_fkey
    foreign key (tenant_id, contract_id) references contract (tenant_id, id),
  constraint contract_fee_fee_check check (monthly >= 0)
);
create index contract_fee_contract_idx on contract_fee (tenant_id, contract_id, starts_on);
insert into contract_fee (tenant_id, id, contract_id, starts_on, monthly, set_at)
select tenant_id, gen_random_uuid(), id, starts_on, monthly_fee, created_at from contract
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    statements += security.isolate("contract_fee")
    statements += security.grant(("contract_fee",), "select, insert")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
