"""Warranty claims, and the lines of the ledger that they are for."""

from alembic import op

from fsm.migrations import security

revision = "0030"
down_revision = "0029"

_STATEMENTS = """
create table warranty_claim (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  number varchar(60) not null,
  work_order_id uuid not null,
  manufacturer varchar not null,
  status varchar(12) not null,
  currency varchar(3) not null,
  claimed numeric(14, 2) not null,
  approved numeric(14, 2),
  paid numeric(14, 2) not null,
  ground varchar(300) not null,
  pack jsonb not null,
  pack_sha256 bytea not null,
  claimed_at timestamp with time zone not null,
  decided_at timestamp with time zone,
  paid_on date,
  constraint warranty_claim_pkey primary key (tenant_id, id),
  constraint warranty_claim_work_order_id_fkey
    foreign key (tenant_id, work_order_id) references work_order (tenant_id, id),
  constraint warranty_claim_number_key unique (tenant_id, number),
  constraint warranty_claim_status_word_check
    check (status in ('claimed', 'approved', 'refused', 'reimbursed')),
  constraint warranty_claim_amounts_check
    check (claimed > 0 and approved between 0 and claimed and paid >= 0),
  constraint warranty_claim_digest_check check (octet_length(pack_sha256) = 32),
  constraint warranty_claim_decided_check check ((status = 'claimed') = (decided_at is null)),
  constraint warranty_claim_ground_check check (approved is null or approved = claimed or ground <> '')
);
create index warranty_claim_work_order_idx on warranty_claim (tenant_id, work_order_id);
create table claim_line (
  tenant_id uuid not null,
  id uuid not null,
  claim_id uuid not null,
  cost_line_id uuid not null,
  constraint claim_line_pkey primary key (tenant_id, id),
  constraint claim_line_claim_id_fkey
    foreign key (tenant_id, claim_id) references warranty_claim (tenant_id, id),
  constraint claim_line_cost_line_id_fkey
    foreign key (tenant_id, cost_line_id) references cost_line (tenant_id, id),
  constraint claim_line_cost_line_id_key unique (tenant_id, cost_line_id)
);
create index claim_line_claim_idx on claim_line (tenant_id, claim_id)
"""


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    for table in ("warranty_claim", "claim_line"):
        statements += security.isolate(table)
    statements += security.grant(("claim_line",), "select, insert")
    statements += security.grant(("warranty_claim",), "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
