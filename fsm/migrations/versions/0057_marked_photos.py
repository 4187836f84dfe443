"""What technicians point at in a photo is kept beside it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    # With a default the rows that are there need not be written anew; the model gives one to each new row.
    op.add_column("photo", sa.Column("marks", JSONB(), nullable=False, server_default="[]"))
    op.alter_column("photo", "marks", server_default=None)
