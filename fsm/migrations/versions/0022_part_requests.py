"""Parts that jobs need, reserved and ordered; the point at which a part is to be ordered."""

from alembic import op

from fsm.migrations import security

revision = "0022"
down_revision = "0021"

_STATEMENTS = """
alter table part add column reorder_point numeric(14, 4);
alter table part add constraint part_reorder_check check (reorder_point >= 0);
create table part_request (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  work_order_id uuid not null,
  visit_id uuid,
  part_id uuid not null,
  quantity numeric(14, 4) not null,
  status varchar(12) not null,
  place_id uuid,
  expected_on date,
  requested_at timestamp with time zone not null,
  settled_at timestamp with time zone,
  by varchar not null,
  constraint part_request_pkey primary key (tenant_id, id),
  constraint part_request_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint part_request_visit_id_fkey
    foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint part_request_part_id_fkey foreign key (tenant_id, part_id) references part (tenant_id, id),
  constraint part_request_place_id_fkey
    foreign key (tenant_id, place_id) references stock_place (tenant_id, id),
  constraint part_request_status_word_check
    check (status in ('requested', 'reserved', 'ordered', 'ready', 'cancelled')),
  constraint part_request_quantity_check check (quantity > 0),
  constraint part_request_reserved_check check (status <> 'reserved' or place_id is not null)
);
create index part_request_work_order_idx on part_request (tenant_id, work_order_id);
create index part_request_part_idx on part_request (tenant_id, part_id, status)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    statements += security.isolate("part_request")
    statements += security.grant(("part_request",), "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
