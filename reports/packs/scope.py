"""How a job became wider, as its pack shows it."""

from typing import Any, Final

from fsm.actors import Actor
from fsm.database import Session
from fsm.work_orders import lists
from fsm.work_orders.scope_changes import queries as scope_changes
from fsm.work_orders.scope_changes.tables import ScopeAnswer, ScopeOffer
from fsm.work_orders.tables import WorkOrder
from reports.packs.values import chosen

_MOST: Final = 1_000

_TOLD = (
    "id", "visit_id", "told", "currency", "priced_on", "consent_by", "consent_at", "signature_id",
    "told_at", "received_at", "by",
)  # fmt: skip
_DECIDED = (
    "scope_change_id", "outcome", "ground", "consent_by", "consent_at", "consent_via", "decided_at", "by",
)  # fmt: skip
_OFFERED = (
    "id", "scope_change_id", "lines", "price", "currency", "note", "offered_at", "expires_at", "by",
)  # fmt: skip
_ANSWERED = (
    "scope_offer_id", "outcome", "name", "ground", "wording", "wording_sha256", "answered_at", "by",
)  # fmt: skip
_AGREED = (
    "scope_change_id", "place", "kind", "text", "quantity", "unit", "price", "currency", "payer",
)  # fmt: skip


async def list_scope(session: Session, actor: Actor, work_order: WorkOrder) -> dict[str, Any]:
    """Return how a job became wider: told, offered, answered, decided, agreed; never what it costs us."""
    put = await lists.list_records(session, work_order, ScopeOffer)
    ended = await lists.list_records(session, work_order, ScopeAnswer)
    told = await scope_changes.list_changes(session, actor, work_order.id, after=None, limit=_MOST)
    decided = [one.decision for one in told if one.decision is not None]
    return {
        "scope_changes": [chosen(one.change, _TOLD) for one in told],
        "scope_offers": [chosen(one, _OFFERED) for one in put],
        "scope_answers": [chosen(one, _ANSWERED) for one in ended],
        "scope_decisions": [chosen(one, _DECIDED) for one in decided],
        "scope_lines": [chosen(line, _AGREED) for one in told for line in one.lines],
    }
