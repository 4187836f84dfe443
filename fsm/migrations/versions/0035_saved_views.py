"""What people look at again and again in the figures."""

from alembic import op

from fsm.migrations import security

revision = "0035"
down_revision = "0034"

_TABLE = """
create table saved_view (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  user_id uuid not null,
  name varchar(300) not null,
  query varchar(2000) not null,
  saved_at timestamp with time zone not null,
  constraint saved_view_pkey primary key (tenant_id, id),
  constraint saved_view_user_id_fkey foreign key (tenant_id, user_id) references "user" (tenant_id, id),
  constraint saved_view_user_id_name_key unique (tenant_id, user_id, name)
)
"""


def upgrade() -> None:
    for statement in (
        _TABLE,
        *security.isolate("saved_view"),
        *security.grant(("saved_view",), "select, insert, update, delete"),
    ):
        op.execute(statement.replace(":", r"\:"))
