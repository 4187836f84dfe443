"""Every package's tables in one metadata: what the migrations are compared with."""

# ruff: noqa: F401 — importing the tables is the point
import fsm.assets.knowledge.tables
import fsm.assets.tables
import fsm.catalogue.tables
import fsm.checklists.tables
import fsm.contracts.tables
import fsm.customers.tables
import fsm.events
import fsm.evidence.tables
import fsm.maintenance.tables
import fsm.parts.tables
import fsm.technicians.tables
import fsm.tenants.tables
import fsm.work_orders.calendar_feed.tables
import fsm.work_orders.delays.tables
import fsm.work_orders.ratings.tables
import fsm.work_orders.records
import fsm.work_orders.scope_changes.tables
import fsm.work_orders.tables
import fsm.work_orders.threads.tables
import mobile_api.compat.tables
import mobile_api.tables
import reports.claims.tables
import reports.documents.tables
import reports.fact_tables
import reports.mailing.tables
import reports.saved_views.tables
import reports.statements.tables
import scheduler.promise_ledger.tables
import scheduler.rosters.tables
import scheduler.tables
from fsm.database import metadata

__all__ = ["metadata"]
