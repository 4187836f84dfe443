"""How often a device's rows did not add up to the feed's digest, and when last."""

from alembic import op

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    op.execute("alter table device add column differed_count integer not null default 0")
    op.execute("alter table device add column differed_at timestamp with time zone")
