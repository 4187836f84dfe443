"""What recorded trips have taught about the roads."""

from alembic import op

from fsm.migrations import security

revision = "0014"
down_revision = "0013"

_TABLE = """
create table travel_model (
  tenant_id uuid not null,
  id uuid not null,
  territory varchar not null,
  hours varchar(10) not null,
  detour double precision not null,
  speeds jsonb not null,
  trips integer not null,
  latitude double precision not null,
  longitude double precision not null,
  learned_at timestamp with time zone not null,
  constraint travel_model_pkey primary key (tenant_id, id),
  constraint travel_model_territory_hours_key unique (tenant_id, territory, hours),
  constraint travel_model_detour_check check (detour >= 1),
  constraint travel_model_trips_check check (trips >= 0)
)
"""


def upgrade() -> None:
    op.execute(_TABLE)
    for statement in (
        *security.isolate("travel_model"),
        *security.grant(("travel_model",), "select, insert, update, delete"),
    ):
        op.execute(statement.replace(":", r"\:"))
