"""The first schema: tables, the job queue, the application's role and row-level security."""

from pathlib import Path

from alembic import op

from fsm.migrations import security

revision = "0001"
down_revision = None

#: Facts and published versions: the application may read and add, never change or remove.
INSERT_ONLY = (
    "answer",
    "blob_holder",
    "calendar_version",
    "checklist_version",
    "closure_photo",
    "cost_line",
    "event",
    "event_seal",
    "meter_reading",
    "movement",
    "note",
    "opening",
    "part_used",
    "passport_scan",
    "receipt",
    "request_attachment",
    "service_level_version",
    "signature",
    "time_entry",
    "waiver",
    "work_order_closure",
    "work_type_version",
)

EDITABLE = (
    "absence",
    "asset",
    "asset_document",
    "asset_model",
    "blob",
    "calendar",
    "chain_head",
    "checklist_assignment",
    "checklist_template",
    "clock",
    "contact",
    "contract",
    "contract_asset",
    "counter",
    "customer",
    "device",
    "event_unsealed",
    "failure",
    "identifier",
    "intent",
    "label_complaint",
    "meter",
    "outage",
    "part",
    "part_price",
    "passport",
    "pause",
    "photo",
    "plan_run",
    "rate",
    "reason",
    "refresh_token",
    "review",
    "role",
    "service_level",
    "service_request",
    "shift",
    "sign_in_throttle",
    "site",
    "skill",
    "stock_place",
    "sync_device",
    "sync_head",
    "sync_row",
    "sync_scope",
    "sync_stamp",
    "technician",
    "technician_skill",
    "upload",
    "user",
    "visit",
    "work_order",
    "work_type",
)

QUEUE = ("pgqueuer", "pgqueuer_log", "pgqueuer_statistics", "pgqueuer_schedules")


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    for statement in script.split(";\n"):
        if statement.strip():
            op.execute(statement.replace(":", r"\:"))
    statements = security.application_role()
    for table in (*INSERT_ONLY, *EDITABLE):
        statements += security.isolate(table)
    statements += security.isolate("tenant", "id")
    statements += security.open_directory()
    statements += security.grant(INSERT_ONLY, "select, insert")
    statements += security.grant((*EDITABLE, *QUEUE), "select, insert, update, delete")
    statements += security.grant(("tenant",), "select, insert, update")
    statements += security.grant(("directory",), "select, insert, delete")
    statements += security.grant(("alembic_version",), "select")
    statements.append(f"grant usage on all sequences in schema public to {security.ROLE}")
    for statement in statements:
        op.execute(statement.replace(":", r"\:"))
