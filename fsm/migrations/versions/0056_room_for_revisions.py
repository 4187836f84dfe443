"""A page's size is reckoned with revisions of up to 16 digits: they tell a millisecond now, not a count."""

from pathlib import Path

from alembic import op

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    function = (Path(__file__).parent / "0015_sync_pulls.sql").read_text(encoding="utf-8")
    roomier = function.replace("+ 90)", "+ 100)")
    if roomier == function:
        raise RuntimeError("sync_pulls does not reckon a page's size where it did.")
    roomier = roomier.replace("create function", "create or replace function", 1)
    op.execute(roomier.replace(":", r"\:"))
