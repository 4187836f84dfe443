"""Customers who sign in answer prices on their own pages."""

from alembic import op

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    op.execute("alter table scope_decision drop constraint scope_decision_consent_via_word_check")
    op.execute(
        "alter table scope_decision add constraint scope_decision_consent_via_word_check "
        "check (consent_via in ('telephone', 'mail', 'in_person', 'link', 'portal'))"
    )
