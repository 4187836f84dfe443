"""Monthly facts of assets, and ways into the rows that figures are counted from."""

from alembic import op

from fsm.migrations import security

revision = "0024"
down_revision = "0023"

TABLES = ("asset_month", "fact_state")

_TABLES = """
create table asset_month (
  tenant_id uuid not null,
  asset_id uuid not null,
  contract_id uuid not null,
  month_on date not null,
  exposed_us bigint not null,
  required_us bigint not null,
  up_us bigint not null,
  failure_us bigint not null,
  operational_us bigint not null,
  planned_us bigint not null,
  degraded_us bigint not null,
  constraint asset_month_pkey primary key (tenant_id, asset_id, contract_id, month_on),
  constraint asset_month_asset_id_fkey foreign key (tenant_id, asset_id)
    references asset (tenant_id, id)
);
create table fact_state (
  tenant_id uuid not null,
  watermark bigint not null,
  zone varchar(60) not null,
  from_on date not null,
  to_on date not null,
  refreshed_at timestamp with time zone not null,
  constraint fact_state_pkey primary key (tenant_id)
);
create index time_entry_during_idx on time_entry using gist (tenant_id, during);
create index visit_window_idx on visit (tenant_id, window_ends_at);
create index visit_arrived_idx on visit (tenant_id, arrived_at)
"""


def upgrade() -> None:
    statements = _TABLES.split(";\n")
    for table in TABLES:
        statements += security.isolate(table)
    statements += security.grant(TABLES, "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
