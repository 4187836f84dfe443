"""Promises whose window somebody set at the desk, with what they said."""

from alembic import op

revision = "0033"
down_revision = "0032"

_STATEMENTS = """
alter table promise add column reason varchar;
alter table promise drop constraint promise_channel_word_check;
alter table promise add constraint promise_channel_word_check
  check (channel in ('phone', 'message', 'email', 'letter', 'portal', 'in_person', 'office'))
"""


def upgrade() -> None:
    for statement in _STATEMENTS.split(";\n"):
        op.execute(statement)
