"""One thing that was reported about a visit, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fsm import events
from fsm.actors import Actor
from fsm.database import Session
from fsm.events import Occurrence
from fsm.work_orders import completion
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.tables import Review, Visit, WorkOrder


@dataclass(slots=True)
class Report:
    """One thing reported about a visit: by whom, when it happened between which bounds, and what was noted.

    `heard_at` is when the server first heard of it, where it had to wait since. `device_seq` orders answers
    of one device. `notes` collects codes for the outcome: `late`, `review`, `photos_pending`, `crossed`.
    """

    session: Session
    actor: Actor
    now: datetime
    occurred: Occurrence
    work_order: WorkOrder
    visit: Visit
    device_seq: int = 0
    language: str = "en"
    heard_at: datetime | None = None
    notes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def received_at(self) -> datetime:
        return self.heard_at or self.now

    @property
    def is_held(self) -> bool:
        """The job is closed: its facts stay uncounted until the office reopens it."""
        return self.work_order.status == Status.CLOSED

    def note(self, code: str, **facts: Any) -> None:
        self.notes.append({"code": code, **facts})

    def review(self, kind: str, **data: Any) -> None:
        """Put something before a person of the office."""
        self.session.add(
            Review(
                tenant_id=self.actor.tenant_id,
                work_order_id=self.work_order.id,
                visit_id=self.visit.id,
                kind=kind,
                data=data,
                raised_at=self.now,
            )
        )
        self.note("review", kind=kind)

    async def event(self, kind: str, **data: Any) -> None:
        await events.record(
            self.session,
            self.actor,
            kind,
            "visit",
            self.visit.id,
            now=self.now,
            occurred=self.occurred,
            work_order_id=str(self.work_order.id),
            **data,
        )

    async def counted(self) -> None:
        """Take the facts written so far into account: the job is judged anew."""
        if self.work_order.status == Status.CANCELLED:
            self.note("late")
            return
        await completion.count_fact_later(self.session, self.actor, self.work_order, self.now)
