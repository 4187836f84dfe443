"""What each scope holds in numbers, kept up as its rows are stamped, so that no pull has to count them."""

from alembic import op

from fsm.migrations import security

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    statements = [
        """
        create table sync_digest (
          tenant_id uuid not null,
          scope varchar(60) not null,
          coll varchar(40) not null,
          n bigint not null,
          sum bigint not null,
          constraint sync_digest_pkey primary key (tenant_id, scope, coll)
        )
        """,
        "alter table sync_row add column counted bigint",
        """
        update sync_row set counted = ('x' || encode(substring(
          sha256(convert_to(id::text || ':' || rev, 'UTF8')) from 1 for 8), 'hex'))::bit(64)::bigint
        where op = 'put' and why is null and seq is not null
        """,
        """
        insert into sync_digest (tenant_id, scope, coll, n, sum)
        select tenant_id, scope, coll, count(*), (mod(mod(sum(counted), 18446744073709551616)
          + 27670116110564327424, 18446744073709551616) - 9223372036854775808)::bigint
        from sync_row where counted is not null group by tenant_id, scope, coll
        """,
        *security.isolate("sync_digest"),
        *security.grant(("sync_digest",), "select, insert, update, delete"),
    ]
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
