"""Reports by mail on a schedule."""

from alembic import op

from fsm.migrations import security

revision = "0028"
down_revision = "0027"

TABLES = ("report_schedule", "report_delivery")

_TABLES = """
create table report_schedule (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  name varchar not null,
  every varchar(10) not null,
  language varchar(10) not null,
  recipients jsonb not null,
  next_on date not null,
  is_active boolean not null,
  made_at timestamp with time zone not null,
  made_by varchar not null,
  constraint report_schedule_pkey primary key (tenant_id, id),
  constraint report_schedule_every_word_check check (every in ('week', 'month'))
);
create index report_schedule_next_idx on report_schedule (tenant_id, next_on);
create table report_delivery (
  tenant_id uuid not null,
  id uuid not null,
  schedule_id uuid not null,
  document_id uuid not null,
  first_on date not null,
  last_on date not null,
  recipients jsonb not null,
  attempts integer not null,
  next_try_at timestamp with time zone not null,
  last_error varchar not null,
  sent_at timestamp with time zone,
  constraint report_delivery_pkey primary key (tenant_id, id),
  constraint report_delivery_schedule_id_first_on_key unique (tenant_id, schedule_id, first_on),
  constraint report_delivery_schedule_id_fkey foreign key (tenant_id, schedule_id)
    references report_schedule (tenant_id, id),
  constraint report_delivery_document_id_fkey foreign key (tenant_id, document_id)
    references issued_document (tenant_id, id)
);
create index report_delivery_unsent_idx on report_delivery (tenant_id, sent_at, next_try_at)
"""


def upgrade() -> None:
    statements = _TABLES.split(";\n")
    for table in TABLES:
        statements += security.isolate(table)
    statements += security.grant(TABLES, "select, insert, update")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
