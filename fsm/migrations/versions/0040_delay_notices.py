"""Customers told of delays."""

from alembic import op

from fsm.migrations import security

revision = "0040"
down_revision = "0039"

_STATEMENTS = """
create table delay_notice (
  tenant_id uuid not null,
  id uuid not null,
  visit_id uuid not null,
  request_id uuid not null,
  recipient varchar not null,
  window_ends_at timestamp with time zone not null,
  expected_at timestamp with time zone not null,
  noticed_at timestamp with time zone not null,
  attempts integer not null,
  next_try_at timestamp with time zone not null,
  last_error varchar not null,
  sent_at timestamp with time zone,
  given_up_at timestamp with time zone,
  constraint delay_notice_pkey primary key (tenant_id, id),
  constraint delay_notice_visit_id_fkey
    foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint delay_notice_request_id_fkey
    foreign key (tenant_id, request_id) references service_request (tenant_id, id),
  constraint delay_notice_visit_id_window_ends_at_key unique (tenant_id, visit_id, window_ends_at)
);
create index delay_notice_unsent_idx on delay_notice (tenant_id, sent_at, next_try_at)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    statements += security.isolate("delay_notice")
    statements += security.grant(("delay_notice",), "select, insert, update")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
