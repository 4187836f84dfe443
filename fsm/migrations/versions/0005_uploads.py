"""Uploads put together from parts, and whose bytes the last ones were."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table upload add column last_writer uuid")
    op.execute("alter table upload add column concat varchar not null default ''")
    op.execute("alter table upload alter column concat drop default")
    op.execute("alter table upload add column parts jsonb")
    op.execute(
        "create index upload_open_idx on upload (tenant_id, user_id) where finished_at is null"
    )
