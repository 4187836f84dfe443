"""Clocks of arrival, of resolution and of the repair period that the law sets, beside the two there were."""

from alembic import op

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    op.execute("alter table clock drop constraint clock_kind_check")
    op.execute(
        "alter table clock add constraint clock_kind_word_check check (kind in "
        "('response', 'arrival', 'restoration', 'resolution', 'statutory'))"
    )
