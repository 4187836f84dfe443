"""A contract may promise how much of the required time the equipment works."""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    op.execute(
        "alter table contract add column availability_target numeric(14,4) "
        "constraint contract_target_check check (availability_target > 0 and availability_target <= 1)"
    )
