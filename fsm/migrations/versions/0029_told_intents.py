"""What a phone's user has to be told of its intents is found without reading all that it sent."""

from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.execute(
        "create index intent_told_idx on intent (tenant_id, device_id, received_at)"
        " where status <> 'applied' or outcome ? 'settled_at'"
    )
