"""How far a site reaches, how sure a photo's position is, and how its phone's clock went."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for statement in (
        "alter table site add column radius_m integer not null default 300",
        "alter table site alter column radius_m drop default",
        "alter table site add constraint site_radius_check check (radius_m between 10 and 50000)",
        "alter table photo add column accuracy_m double precision",
        "alter table photo add column clock_offset_ms bigint not null default 0",
        "alter table photo alter column clock_offset_ms drop default",
    ):
        op.execute(statement)
