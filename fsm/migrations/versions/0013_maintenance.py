"""Plans of preventive work and their occurrences, and jobs that bring their own checklist."""

from pathlib import Path

from alembic import op

from fsm.migrations import security

revision = "0013"
down_revision = "0012"

_TABLES = ("maintenance_plan", "maintenance_occurrence")


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    for statement in script.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(
        "alter table work_order add column checklist_template_id uuid,"
        " add constraint work_order_checklist_template_id_fkey"
        " foreign key (tenant_id, checklist_template_id) references checklist_template (tenant_id, id)"
    )
    statements = security.grant(_TABLES, "select, insert, update, delete")
    for table in _TABLES:
        statements += security.isolate(table)
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
