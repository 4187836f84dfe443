"""A way to the few jobs that were reopened, and when."""

from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    op.execute(
        "create index event_reopened_idx on event (tenant_id, entity_id, occurred_at)"
        " where kind = 'work_order.reopened'"
    )
