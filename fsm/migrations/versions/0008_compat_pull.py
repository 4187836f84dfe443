"""What a client that knows a pull by a number alone was given with that number."""

from alembic import op

from fsm.migrations import security

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    statements = [
        """
        create table compat_pull (
          tenant_id uuid not null,
          device_id uuid not null,
          number bigint not null,
          token text not null,
          head bigint not null,
          constraint compat_pull_pkey primary key (tenant_id, device_id, number),
          constraint compat_pull_device_id_fkey foreign key (tenant_id, device_id)
            references device (tenant_id, id)
        )
        """,
        *security.isolate("compat_pull"),
        *security.grant(("compat_pull",), "select, insert, update, delete"),
    ]
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
