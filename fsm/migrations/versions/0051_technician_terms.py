"""How plans take a technician, and what leaving out a single job costs."""

from alembic import op

from fsm.migrations import security

revision = "0051"
down_revision = "0050"

_TABLE = """
create table technician_terms (
  tenant_id uuid not null,
  technician_id uuid not null,
  efficiency_percent integer not null,
  paces jsonb not null,
  longest_s integer,
  stays_in_territory boolean not null,
  set_by varchar not null,
  set_at timestamp with time zone not null,
  constraint technician_terms_pkey primary key (tenant_id, technician_id),
  constraint technician_terms_technician_id_fkey foreign key (tenant_id, technician_id)
    references technician (tenant_id, id),
  constraint technician_terms_efficiency_check check (efficiency_percent between 25 and 400),
  constraint technician_terms_longest_check check (longest_s between 3600 and 86400)
);
alter table planning_terms add column drop_cost integer;
alter table planning_terms add constraint planning_terms_drop_cost_check check (drop_cost >= 0)
"""


def upgrade() -> None:
    statements = _TABLE.split(";\n")
    statements += security.isolate("technician_terms")
    statements += security.grant(("technician_terms",), "select, insert, update")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
