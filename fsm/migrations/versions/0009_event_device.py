"""What came from one phone is found without reading everything else."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        "create index event_device_idx on event (tenant_id, device_id, id) where device_id is not null"
    )
