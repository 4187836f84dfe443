"""Contracts that let the customer move an appointment without asking."""

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.execute("alter table contract add column lets_customer_move boolean not null default false")
