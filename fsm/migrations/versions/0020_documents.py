"""Issued documents, their pictures and withdrawals."""

from alembic import op

from fsm.migrations import security

revision = "0020"
down_revision = "0019"

TABLES = ("issued_document", "document_image", "document_withdrawal")

_TABLES = """
create table issued_document (
  tenant_id uuid not null,
  id uuid not null,
  kind varchar(20) not null,
  serial bigint not null,
  number varchar(40) not null,
  language varchar(10) not null,
  template varchar(60) not null,
  renderer varchar(100) not null,
  standard varchar(10) not null,
  snapshot bytea not null,
  snapshot_sha256 bytea not null,
  file_sha256 bytea not null,
  file_size bigint not null,
  statement jsonb not null,
  missing_glyphs integer not null,
  subject_kind varchar(20) not null,
  subject_id uuid,
  customer_id uuid,
  replaces_id uuid,
  issued_at timestamp with time zone not null,
  issued_by varchar not null,
  user_id uuid,
  constraint issued_document_pkey primary key (tenant_id, id),
  constraint issued_document_kind_serial_key unique (tenant_id, kind, serial),
  constraint issued_document_replaces_id_key unique (tenant_id, replaces_id),
  constraint issued_document_replaces_id_fkey foreign key (tenant_id, replaces_id)
    references issued_document (tenant_id, id),
  constraint issued_document_file_sha256_fkey foreign key (tenant_id, file_sha256)
    references blob (tenant_id, sha256),
  constraint issued_document_kind_word_check check (kind in ('act', 'technical_act', 'service_report',
    'contract_statement', 'management_pack', 'route_sheet', 'label_sheet', 'invoice')),
  constraint issued_document_serial_check check (serial > 0),
  constraint issued_document_hashes_check
    check (octet_length(snapshot_sha256) = 32 and octet_length(file_sha256) = 32),
  constraint issued_document_replaces_check check (replaces_id <> id)
);
create index issued_document_subject_idx on issued_document (tenant_id, subject_kind, subject_id);
create index issued_document_customer_idx on issued_document (tenant_id, customer_id);
create table document_image (
  tenant_id uuid not null,
  document_id uuid not null,
  sha256 bytea not null,
  constraint document_image_pkey primary key (tenant_id, document_id, sha256),
  constraint document_image_document_id_fkey foreign key (tenant_id, document_id)
    references issued_document (tenant_id, id),
  constraint document_image_sha256_fkey foreign key (tenant_id, sha256)
    references blob (tenant_id, sha256)
);
create table document_withdrawal (
  tenant_id uuid not null,
  document_id uuid not null,
  reason varchar not null,
  withdrawn_at timestamp with time zone not null,
  withdrawn_by varchar not null,
  user_id uuid,
  constraint document_withdrawal_pkey primary key (tenant_id, document_id),
  constraint document_withdrawal_document_id_fkey foreign key (tenant_id, document_id)
    references issued_document (tenant_id, id)
);
alter table directory drop constraint directory_kind_word_check;
alter table directory add constraint directory_kind_word_check
  check (kind in ('tenant', 'login', 'passport', 'passport_host', 'gs1_prefix', 'document'))
"""


def upgrade() -> None:
    statements = _TABLES.split(";\n")
    for table in TABLES:
        statements += security.isolate(table)
    statements += security.grant(TABLES, "select, insert")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
