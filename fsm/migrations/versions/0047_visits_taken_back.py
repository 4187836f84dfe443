"""Visits that were withdrawn or rejected, and when: few are, and of each planned one it is asked."""

from alembic import op

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    op.execute(
        "create index event_taken_back_idx on event (tenant_id, entity_id, occurred_at)"
        " where kind in ('visit.withdrawn', 'visit.rejected')"
    )
