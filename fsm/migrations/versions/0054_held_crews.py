"""Time that is held for a whole crew."""

from alembic import op

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    op.execute("alter table slot_hold add column crew_id uuid")
    op.execute("create index slot_hold_crew_idx on slot_hold (tenant_id, crew_id)")
