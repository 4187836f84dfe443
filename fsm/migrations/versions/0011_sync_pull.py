"""A phone's pull in one call: the function `sync_pull` binds the transaction to its tenant and reads."""

from pathlib import Path

from alembic import op

from fsm.migrations.security import ROLE

revision = "0011"
down_revision = "0010"

_TAKES = "sync_pull(uuid, uuid, bytea, text[], bigint[], bigint[], bigint, bigint, text)"


def upgrade() -> None:
    function = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.execute(function.replace(":", r"\:"))
    op.execute(f"revoke all on function {_TAKES} from public")
    op.execute(f"grant execute on function {_TAKES} to {ROLE}")
