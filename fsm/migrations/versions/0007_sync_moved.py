"""Which scopes moved since a number, without looking at their rows: what the phones' streams ask for."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("alter table sync_digest add column seq bigint default 0 not null")
    op.execute("create index sync_digest_seq_idx on sync_digest (tenant_id, seq)")
