"""Ways to the few rows that name an earlier one: corrected times, jobs that follow another."""

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.execute(
        "create index time_entry_corrects_idx on time_entry (tenant_id, corrects_id)"
        " where corrects_id is not null"
    )
    op.execute(
        "create index work_order_follows_idx on work_order (tenant_id, follows_id)"
        " where follows_id is not null"
    )
