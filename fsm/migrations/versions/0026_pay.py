"""Rules of pay, statements issued by them, and what contractors billed."""

from alembic import op

from fsm.migrations import security

revision = "0026"
down_revision = "0025"

_STATEMENTS = """
create table pay_rule (
  tenant_id uuid not null,
  id uuid not null,
  rev bigint not null,
  code varchar(60) not null,
  name varchar not null,
  kind varchar(10) not null,
  amount numeric(14, 2) not null,
  currency varchar(3) not null,
  technician_id uuid,
  conditions jsonb not null,
  starts_on date not null,
  ends_on date,
  constraint pay_rule_pkey primary key (tenant_id, id),
  constraint pay_rule_code_key unique (tenant_id, code),
  constraint pay_rule_technician_id_fkey
    foreign key (tenant_id, technician_id) references technician (tenant_id, id),
  constraint pay_rule_kind_word_check check (kind in ('piece', 'hour', 'km', 'bonus', 'penalty')),
  constraint pay_rule_amount_check check (amount >= 0),
  constraint pay_rule_period_check check (ends_on is null or ends_on >= starts_on)
);
create table pay_statement (
  tenant_id uuid not null,
  id uuid not null,
  technician_id uuid not null,
  during daterange not null,
  currency varchar(3) not null,
  total numeric(14, 2) not null,
  adjustments numeric(14, 2) not null,
  issued_at timestamp with time zone not null,
  issued_by uuid,
  constraint pay_statement_pkey primary key (tenant_id, id),
  constraint pay_statement_technician_id_fkey
    foreign key (tenant_id, technician_id) references technician (tenant_id, id),
  constraint pay_statement_no_overlap exclude using gist
    (tenant_id with =, technician_id with =, currency with =, during with &&),
  constraint pay_statement_during_check
    check (not isempty(during) and not lower_inf(during) and not upper_inf(during))
);
create table pay_line (
  tenant_id uuid not null,
  id uuid not null,
  statement_id uuid not null,
  technician_id uuid not null,
  rule_id uuid not null,
  item_kind varchar(10) not null,
  item_id uuid not null,
  worked_on date not null,
  quantity numeric(14, 4) not null,
  amount numeric(14, 2) not null,
  currency varchar(3) not null,
  is_adjustment boolean not null,
  constraint pay_line_pkey primary key (tenant_id, id),
  constraint pay_line_statement_id_fkey
    foreign key (tenant_id, statement_id) references pay_statement (tenant_id, id),
  constraint pay_line_technician_id_fkey
    foreign key (tenant_id, technician_id) references technician (tenant_id, id),
  constraint pay_line_rule_id_fkey foreign key (tenant_id, rule_id) references pay_rule (tenant_id, id),
  constraint pay_line_statement_id_rule_id_item_kind_item_id_key
    unique (tenant_id, statement_id, rule_id, item_kind, item_id),
  constraint pay_line_item_kind_word_check check (item_kind in ('hour', 'km', 'visit'))
);
create index pay_line_technician_idx on pay_line (tenant_id, technician_id, worked_on);
create table contractor_invoice (
  tenant_id uuid not null,
  id uuid not null,
  technician_id uuid not null,
  number varchar(60) not null,
  first_on date not null,
  last_on date not null,
  amount numeric(14, 2) not null,
  currency varchar(3) not null,
  note varchar(300) not null,
  recorded_at timestamp with time zone not null,
  constraint contractor_invoice_pkey primary key (tenant_id, id),
  constraint contractor_invoice_technician_id_fkey
    foreign key (tenant_id, technician_id) references technician (tenant_id, id),
  constraint contractor_invoice_technician_id_number_key unique (tenant_id, technician_id, number),
  constraint contractor_invoice_period_check check (last_on >= first_on)
);
create index contractor_invoice_days_idx on contractor_invoice (tenant_id, technician_id, last_on)
"""

_FACTS = ("pay_statement", "pay_line", "contractor_invoice")


def upgrade() -> None:
    statements = _STATEMENTS.split(";\n")
    for table in (*_FACTS, "pay_rule"):
        statements += security.isolate(table)
    statements += security.grant(_FACTS, "select, insert")
    statements += security.grant(("pay_rule",), "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
