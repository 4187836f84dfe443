"""Stops at a warehouse that plans have technicians make."""

from alembic import op

from fsm.migrations import security

revision = "0055"
down_revision = "0054"

_TABLES = ("pick_up", "pick_up_part")

_STATEMENTS = """
create table pick_up (
  tenant_id uuid not null,
  id uuid not null,
  technician_id uuid not null,
  place_id uuid not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  travel_s integer not null,
  plan_run_id uuid,
  planned_at timestamp with time zone not null,
  constraint pick_up_pkey primary key (tenant_id, id),
  constraint pick_up_technician_id_fkey
    foreign key (tenant_id, technician_id) references technician (tenant_id, id),
  constraint pick_up_place_id_fkey
    foreign key (tenant_id, place_id) references stock_place (tenant_id, id),
  constraint pick_up_times_check check (ends_at >= starts_at),
  constraint pick_up_travel_check check (travel_s >= 0)
);
create index pick_up_technician_idx on pick_up (tenant_id, technician_id, starts_at);
create index pick_up_place_idx on pick_up (tenant_id, place_id);
create table pick_up_part (
  tenant_id uuid not null,
  pick_up_id uuid not null,
  visit_id uuid not null,
  part_id uuid not null,
  quantity integer not null,
  constraint pick_up_part_pkey primary key (tenant_id, pick_up_id, visit_id, part_id),
  constraint pick_up_part_pick_up_id_fkey
    foreign key (tenant_id, pick_up_id) references pick_up (tenant_id, id),
  constraint pick_up_part_visit_id_fkey
    foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint pick_up_part_part_id_fkey
    foreign key (tenant_id, part_id) references part (tenant_id, id),
  constraint pick_up_part_quantity_check check (quantity > 0)
);
create index pick_up_part_visit_idx on pick_up_part (tenant_id, visit_id)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    for table in _TABLES:
        statements += security.isolate(table)
    # A pick-up is locked when it loses a visit; locking takes the right to update.
    statements += security.grant(_TABLES, "select, insert, update, delete")
    for statement in statements:
        op.execute(statement)
