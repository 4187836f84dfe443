"""Where technicians are during their shifts, for those who agree."""

from alembic import op

from fsm.migrations import security

revision = "0016"
down_revision = "0015"

_TABLE = """
create table technician_position (
  tenant_id uuid not null,
  technician_id uuid not null,
  fixed_at timestamp with time zone not null,
  latitude double precision not null,
  longitude double precision not null,
  accuracy_m double precision,
  received_at timestamp with time zone not null,
  constraint technician_position_pkey primary key (tenant_id, technician_id, fixed_at),
  constraint technician_position_technician_id_fkey
    foreign key (tenant_id, technician_id) references technician (tenant_id, id),
  constraint technician_position_latitude_check check (latitude between -90 and 90),
  constraint technician_position_longitude_check check (longitude between -180 and 180),
  constraint technician_position_accuracy_check check (accuracy_m >= 0)
)
"""


def upgrade() -> None:
    op.execute("alter table technician add column position_consent_at timestamp with time zone")
    op.execute(_TABLE)
    for statement in (
        *security.isolate("technician_position"),
        *security.grant(("technician_position",), "select, insert, update, delete"),
    ):
        op.execute(statement.replace(":", r"\:"))
