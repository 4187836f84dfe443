"""Messages of customer, technician and office about a job."""

from alembic import op

from fsm.migrations import security

revision = "0036"
down_revision = "0035"

_STATEMENTS = """
create table message (
  tenant_id uuid not null,
  id uuid not null,
  work_order_id uuid not null,
  visit_id uuid,
  request_id uuid,
  user_id uuid,
  author varchar(12) not null,
  name varchar not null,
  text varchar not null,
  written_at timestamp with time zone not null,
  received_at timestamp with time zone not null,
  constraint message_pkey primary key (tenant_id, id),
  constraint message_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint message_visit_id_fkey foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint message_request_id_fkey
    foreign key (tenant_id, request_id) references service_request (tenant_id, id),
  constraint message_author_word_check check (author in ('customer', 'technician', 'office')),
  constraint message_said_check check (text <> ''),
  constraint message_link_check check (request_id is null or author = 'customer'),
  constraint message_visit_check check (visit_id is null or author = 'technician')
);
create index message_work_order_idx on message (tenant_id, work_order_id, id);
create index message_request_idx on message (tenant_id, request_id, written_at)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    statements += security.isolate("message")
    statements += security.grant(("message",), "select, insert")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
