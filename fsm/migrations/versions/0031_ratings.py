"""What customers say of visits."""

from alembic import op

from fsm.migrations import security

revision = "0031"
down_revision = "0030"

_STATEMENTS = """
create table rating (
  tenant_id uuid not null,
  id uuid not null,
  work_order_id uuid not null,
  visit_id uuid not null,
  request_id uuid,
  user_id uuid,
  scale varchar(8) not null,
  stars integer not null,
  nps integer,
  comment varchar not null,
  given_at timestamp with time zone not null,
  constraint rating_pkey primary key (tenant_id, id),
  constraint rating_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint rating_visit_id_fkey foreign key (tenant_id, visit_id) references visit (tenant_id, id),
  constraint rating_request_id_fkey
    foreign key (tenant_id, request_id) references service_request (tenant_id, id),
  constraint rating_scale_word_check check (scale in ('stars', 'thumb')),
  constraint rating_stars_check
    check (stars between 1 and 5 and (scale = 'stars' or stars in (1, 5))),
  constraint rating_nps_check check (nps between 0 and 10),
  constraint rating_rater_check check ((request_id is null) <> (user_id is null))
);
create index rating_visit_idx on rating (tenant_id, visit_id, given_at);
create index rating_work_order_idx on rating (tenant_id, work_order_id);
create index rating_request_idx on rating (tenant_id, request_id, given_at);
create index rating_given_idx on rating (tenant_id, given_at)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    statements += security.isolate("rating")
    statements += security.grant(("rating",), "select, insert")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
