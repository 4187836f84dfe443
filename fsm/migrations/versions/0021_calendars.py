"""Secret addresses of technicians' calendars."""

from alembic import op

from fsm.migrations import security

revision = "0021"
down_revision = "0020"

_TABLE = """
create table calendar_link (
  tenant_id uuid not null,
  id uuid not null,
  technician_id uuid not null,
  token_sha256 bytea not null,
  made_at timestamp with time zone not null,
  made_by varchar not null,
  revoked_at timestamp with time zone,
  constraint calendar_link_pkey primary key (tenant_id, id),
  constraint calendar_link_token_sha256_key unique (tenant_id, token_sha256),
  constraint calendar_link_technician_id_fkey foreign key (tenant_id, technician_id)
    references technician (tenant_id, id)
);
create index calendar_link_technician_idx on calendar_link (tenant_id, technician_id)
"""


def upgrade() -> None:
    for statement in (
        *_TABLE.split(";\n"),
        *security.isolate("calendar_link"),
        *security.grant(("calendar_link",), "select, insert, update"),
    ):
        op.execute(statement.replace(":", r"\:"))
