"""Label sheets are drawn, not issued: there is no such kind of document."""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.execute("alter table issued_document drop constraint issued_document_kind_word_check")
    op.execute(
        "alter table issued_document add constraint issued_document_kind_word_check check (kind in "
        "('act', 'technical_act', 'service_report', 'contract_statement', 'management_pack', 'route_sheet', "
        "'invoice'))"
    )
