"""Photos whose bytes are awaited: after a restore they are looked for every minute."""

from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    op.execute(
        "create index photo_awaited_idx on photo (tenant_id, id)"
        " where state in ('declared', 'uploading')"
    )
