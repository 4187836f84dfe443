"""Visits by when they were finished: what customers said of a month reads that month's alone."""

from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    op.execute(
        "create index visit_finished_idx on visit (tenant_id, finished_at) where finished_at is not null"
    )
