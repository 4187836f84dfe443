"""Jobs that were reopened, by customer: of a customer's jobs, one contract's figures need no others."""

from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    op.execute(
        "create index work_order_reopened_idx on work_order (tenant_id, customer_id)"
        " where reopened_at is not null"
    )
