"""Rosters: patterns of hours, rules from a day on, terms, wishes, demand entered, runs and their duties."""

from pathlib import Path

from alembic import op

from fsm.migrations import security

revision = "0017"
down_revision = "0016"

INSERT_ONLY = ("roster_rules",)
EDITABLE = (
    "roster_pattern",
    "roster_terms",
    "roster_wish",
    "roster_demand",
    "roster_run",
    "roster_duty",
)


def upgrade() -> None:
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";\n")
    for table in (*INSERT_ONLY, *EDITABLE):
        statements += security.isolate(table)
    statements += security.grant(INSERT_ONLY, "select, insert")
    statements += security.grant(EDITABLE, "select, insert, update, delete")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
