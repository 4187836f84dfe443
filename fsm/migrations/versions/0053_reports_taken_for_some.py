"""For whom the mail server took a report when it refused others."""

from alembic import op

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    op.execute("alter table report_delivery add column taken jsonb not null default '[]'")
