"""What the last verified backup holds of each device's intents."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("alter table sync_device add column backed_up_seq bigint default 0 not null")
