"""The pulls of several phones in one call: `sync_pulls` reads for each what `sync_pull` read for one."""

from pathlib import Path

from alembic import op

from fsm.migrations.security import ROLE

revision = "0015"
down_revision = "0014"

_TAKES = (
    "sync_pulls(uuid, uuid[], bytea[], integer[], text[], bigint[], bigint[], bigint, bigint, text)"
)


def upgrade() -> None:
    op.execute(
        "drop function sync_pull(uuid, uuid, bytea, text[], bigint[], bigint[], bigint, bigint, text)"
    )
    function = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.execute(function.replace(":", r"\:"))
    op.execute(f"revoke all on function {_TAKES} from public")
    op.execute(f"grant execute on function {_TAKES} to {ROLE}")
