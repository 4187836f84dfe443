"""Codes that set up a phone lead to their company."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute("alter table directory drop constraint directory_kind_word_check")
    op.execute(
        "alter table directory add constraint directory_kind_word_check check (kind in"
        " ('tenant', 'login', 'passport', 'passport_host', 'gs1_prefix', 'document', 'enrolment'))"
    )
