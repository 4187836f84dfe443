"""A running day: weights, pins, terms of jobs, events, held slots; plans that can be taken in part."""

from alembic import op

from fsm.migrations import security

revision = "0012"
down_revision = "0011"

INSERT_ONLY = ("planning_weights", "day_event")
EDITABLE = ("visit_pin", "planning_terms", "slot_hold")

_TABLES = """
create table planning_weights (
  tenant_id uuid not null,
  version integer not null,
  weights jsonb not null,
  set_by varchar not null,
  set_at timestamp with time zone not null,
  constraint planning_weights_pkey primary key (tenant_id, version)
);
create table visit_pin (
  tenant_id uuid not null,
  visit_id uuid not null,
  keeps varchar(12) not null,
  reason varchar not null,
  set_by varchar not null,
  set_at timestamp with time zone not null,
  constraint visit_pin_pkey primary key (tenant_id, visit_id),
  constraint visit_pin_visit_id_fkey foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint visit_pin_keeps_word_check check (keeps in ('technician', 'both'))
);
create table planning_terms (
  tenant_id uuid not null,
  work_order_id uuid not null,
  required jsonb not null,
  preferred jsonb not null,
  forbidden jsonb not null,
  parts jsonb not null,
  windows jsonb not null,
  earliest_at timestamp with time zone,
  set_by varchar not null,
  set_at timestamp with time zone not null,
  constraint planning_terms_pkey primary key (tenant_id, work_order_id),
  constraint planning_terms_work_order_id_fkey foreign key (tenant_id, work_order_id)
    references work_order (tenant_id, id)
);
create table day_event (
  tenant_id uuid not null,
  id uuid not null,
  kind varchar(20) not null,
  visit_id uuid,
  technician_id uuid,
  work_order_id uuid,
  data jsonb not null,
  noted_by varchar not null,
  noted_at timestamp with time zone not null,
  constraint day_event_pkey primary key (tenant_id, id),
  constraint day_event_kind_word_check check (kind in
    ('urgent_visit', 'sick_call', 'overrun', 'no_show', 'cancellation', 'late_part')),
  constraint day_event_visit_id_fkey foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint day_event_technician_id_fkey foreign key (tenant_id, technician_id)
    references technician (tenant_id, id),
  constraint day_event_work_order_id_fkey foreign key (tenant_id, work_order_id)
    references work_order (tenant_id, id)
);
create index day_event_visit_idx on day_event (tenant_id, visit_id);
create index day_event_noted_idx on day_event (tenant_id, noted_at);
create table slot_hold (
  tenant_id uuid not null,
  id uuid not null,
  work_order_id uuid not null,
  technician_id uuid not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  window_starts_at timestamp with time zone not null,
  window_ends_at timestamp with time zone not null,
  travel_s integer not null,
  held_by varchar not null,
  held_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  constraint slot_hold_pkey primary key (tenant_id, id),
  constraint slot_hold_times_check
    check (ends_at >= starts_at and window_ends_at >= window_starts_at),
  constraint slot_hold_work_order_id_fkey foreign key (tenant_id, work_order_id)
    references work_order (tenant_id, id),
  constraint slot_hold_technician_id_fkey foreign key (tenant_id, technician_id)
    references technician (tenant_id, id)
);
create index slot_hold_expires_idx on slot_hold (tenant_id, expires_at);
alter table plan_run add column kind varchar(10) not null default 'plan';
alter table plan_run alter column kind drop default;
alter table plan_run add constraint plan_run_kind_word_check
  check (kind in ('plan', 'repair', 'simulation'));
alter table plan_run add column plan bytea;
alter table plan_run add column weights_version integer not null default 0;
alter table plan_run alter column weights_version drop default;
alter table plan_run add column applied jsonb;
alter table plan_run add column day_event_id uuid
"""


def upgrade() -> None:
    statements = _TABLES.split(";\n")
    for table in (*INSERT_ONLY, *EDITABLE):
        statements += security.isolate(table)
    statements += security.grant(INSERT_ONLY, "select, insert")
    statements += security.grant(EDITABLE, "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
