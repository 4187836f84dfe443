"""Published keys and daily roots, a nonce for each visit, audits of closures."""

from alembic import op

from fsm.migrations import security

revision = "0003"
down_revision = "0002"

INSERT_ONLY = ("daily_root", "signing_key")
EDITABLE = ("closure_audit",)

_TABLES = """
create table signing_key (
  tenant_id uuid not null,
  kid varchar(32) not null,
  public_key bytea not null,
  since_at timestamp with time zone not null,
  constraint signing_key_pkey primary key (tenant_id, kid),
  constraint signing_key_public_key_check check (octet_length(public_key) = 32)
);
create table daily_root (
  tenant_id uuid not null,
  sealed_on date not null,
  first bigint not null,
  leaves bigint not null,
  root_hash bytea not null,
  chain_hash bytea not null,
  restorations integer not null,
  kid varchar(32) not null,
  signature bytea not null,
  made_at timestamp with time zone not null,
  constraint daily_root_pkey primary key (tenant_id, sealed_on),
  constraint daily_root_leaves_check check (first > 0 and leaves >= 0),
  constraint daily_root_hashes_check
    check (octet_length(root_hash) = 32 and octet_length(chain_hash) = 32)
);
create table closure_audit (
  tenant_id uuid not null,
  closure_id uuid not null,
  audited_at timestamp with time zone not null,
  findings jsonb not null,
  constraint closure_audit_pkey primary key (tenant_id, closure_id),
  constraint closure_audit_closure_id_fkey foreign key (tenant_id, closure_id)
    references work_order_closure (tenant_id, id)
);
alter table visit add column nonce bytea;
alter table work_order drop column nonce;
alter table work_order_closure add column context jsonb not null default '{}';
create index intent_chain_idx on intent
  (tenant_id, (body #>> '{data,visit_id}'), device_id, device_seq) where body ? 'chain'
"""


def upgrade() -> None:
    statements = _TABLES.split(";\n")
    for table in (*INSERT_ONLY, *EDITABLE):
        statements += security.isolate(table)
    statements += security.grant(INSERT_ONLY, "select, insert")
    statements += security.grant(EDITABLE, "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
