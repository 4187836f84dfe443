"""Error codes and known problems of models, each with one answer and who approved it."""

from alembic import op

from fsm.migrations import security

revision = "0037"
down_revision = "0036"

_STATEMENTS = """
create table known_problem (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  model_id uuid not null,
  code varchar(60) not null,
  titles jsonb not null,
  answers jsonb not null,
  advice jsonb not null,
  is_active boolean not null,
  written_at timestamp with time zone not null,
  written_by varchar not null,
  approved_at timestamp with time zone,
  approved_by varchar,
  constraint known_problem_pkey primary key (tenant_id, id),
  constraint known_problem_model_id_fkey
    foreign key (tenant_id, model_id) references asset_model (tenant_id, id),
  constraint known_problem_model_id_code_key unique (tenant_id, model_id, code),
  constraint known_problem_approved_check check ((approved_at is null) = (approved_by is null))
);
create index known_problem_model_idx on known_problem (tenant_id, model_id)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    statements += security.isolate("known_problem")
    statements += security.grant(("known_problem",), "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
