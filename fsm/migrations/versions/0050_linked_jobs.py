"""Links between jobs: order, gaps, the same technician or another, the same day."""

from alembic import op

from fsm.migrations import security

revision = "0050"
down_revision = "0049"

_TABLES = ("work_order_link",)

_STATEMENTS = """
create table work_order_link (
  tenant_id uuid not null,
  id uuid not null,
  first_id uuid not null,
  second_id uuid not null,
  is_ordered boolean not null,
  least_gap_s integer,
  greatest_gap_s integer,
  technician varchar(5),
  is_same_day boolean not null,
  set_by varchar not null,
  set_at timestamp with time zone not null,
  constraint work_order_link_pkey primary key (tenant_id, id),
  constraint work_order_link_first_id_fkey
    foreign key (tenant_id, first_id) references work_order (tenant_id, id),
  constraint work_order_link_second_id_fkey
    foreign key (tenant_id, second_id) references work_order (tenant_id, id),
  constraint work_order_link_first_id_second_id_key unique (tenant_id, first_id, second_id),
  constraint work_order_link_technician_word_check check (technician in ('same', 'other')),
  constraint work_order_link_apart_check check (first_id <> second_id),
  constraint work_order_link_gaps_check
    check (is_ordered or (least_gap_s is null and greatest_gap_s is null)),
  constraint work_order_link_span_check
    check (least_gap_s >= 0 and greatest_gap_s >= coalesce(least_gap_s, 0)),
  constraint work_order_link_says_check
    check (is_ordered or is_same_day or technician is not null)
);
create index work_order_link_second_idx on work_order_link (tenant_id, second_id)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    for table in _TABLES:
        statements += security.isolate(table)
    statements += security.grant(_TABLES, "select, insert, delete")
    for statement in statements:
        op.execute(statement)
