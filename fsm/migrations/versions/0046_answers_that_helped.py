"""Advice that helped, so that nothing was reported: counted."""

from alembic import op

from fsm.migrations import security

revision = "0046"
down_revision = "0045"

_STATEMENTS = """
create table answer_helped (
  tenant_id uuid not null,
  id uuid not null,
  known_problem_id uuid not null,
  asset_id uuid not null,
  place varchar(12) not null,
  visitor varchar(64) not null,
  user_id uuid,
  helped_at timestamp with time zone not null,
  constraint answer_helped_pkey primary key (tenant_id, id),
  constraint answer_helped_known_problem_id_fkey
    foreign key (tenant_id, known_problem_id) references known_problem (tenant_id, id),
  constraint answer_helped_asset_id_fkey foreign key (tenant_id, asset_id) references asset (tenant_id, id),
  constraint answer_helped_place_word_check check (place in ('passport', 'portal'))
);
create index answer_helped_problem_idx on answer_helped (tenant_id, known_problem_id, helped_at);
create index answer_helped_visitor_idx on answer_helped (tenant_id, visitor, helped_at)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    statements += security.isolate("answer_helped")
    statements += security.grant(["answer_helped"], "select, insert")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
