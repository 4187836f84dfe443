"""A technician's visits that are not over, however old: what his phone holds beside the window."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        "create index visit_open_idx on visit (tenant_id, technician_id, planned_starts_at)"
        " where status in ('dispatched', 'travelling', 'on_site', 'paused')"
    )
