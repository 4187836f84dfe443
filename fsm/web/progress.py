"""How far a report has come, in the steps its caller knows. Pure: a story and the time in, steps out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from fsm.web.views import StepName
from fsm.work_orders.lifecycle import LIVE_VISITS, Status, VisitStatus
from fsm.work_orders.request_story import Story
from fsm.work_orders.tables import RequestStatus, Visit, WorkOrder

#: From here on the technicians are through; what is still missing is paper, and no caller's concern.
_DONE = frozenset({Status.WORK_DONE, Status.COMPLETED, Status.CLOSED})
_RELEASED = frozenset({VisitStatus.DISPATCHED, VisitStatus.TRAVELLING})
_UNDER_WAY = frozenset({VisitStatus.ON_SITE, VisitStatus.PAUSED})


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps reached with their instants; `window`, `arrival_at`, `technician` belong to the next visit.

    A plan that has not been released to a technician shows its announced window and nothing else: it may
    still change hands.
    """

    current: StepName
    reached_at: dict[StepName, datetime]
    window: tuple[datetime, datetime] | None = None
    arrival_at: datetime | None = None
    technician_id: UUID | None = None
    cancelled_at: datetime | None = None


def progress(story: Story) -> Progress:
    """Return how far a report has come."""
    reported_at = story.reported.reported_at
    if story.root.status == RequestStatus.DECLINED:
        return Progress(
            StepName.RECEIVED,
            {StepName.RECEIVED: reported_at},
            cancelled_at=story.ended_at or story.root.reported_at,
        )
    if story.work_order is None:
        return Progress(StepName.RECEIVED, {StepName.RECEIVED: reported_at})
    return progress_of_job(story.work_order, story.visits, reported_at)


def progress_of_job(
    work_order: WorkOrder, of_job: Sequence[Visit], reported_at: datetime
) -> Progress:
    """Return how far a job has come, whether anybody reported it or a plan did."""
    reached = {StepName.RECEIVED: reported_at}
    visits = [v for v in of_job if v.status not in (VisitStatus.WITHDRAWN, VisitStatus.REJECTED)]
    for step, instants in (
        (StepName.PLANNED, [visit.created_at for visit in visits]),
        (StepName.ON_THE_WAY, [visit.travel_started_at for visit in visits]),
        (StepName.IN_PROGRESS, [v.work_started_at or v.arrived_at for v in visits]),
    ):
        known = [instant for instant in instants if instant is not None]
        if known:
            reached[step] = min(known)
    if work_order.status in _DONE and work_order.work_done_at is not None:
        reached[StepName.DONE] = work_order.work_done_at
    if work_order.status == Status.CANCELLED:
        return Progress(
            _current(work_order.status, visits),
            reached,
            cancelled_at=work_order.cancelled_at or work_order.reported_at,
        )
    current = _current(work_order.status, visits)
    coming = next(
        (v for v in visits if v.status in LIVE_VISITS and v.status not in _UNDER_WAY), None
    )
    if coming is None:
        return Progress(current, reached)
    window = None
    if coming.window_starts_at is not None and coming.window_ends_at is not None:
        window = coming.window_starts_at, coming.window_ends_at
    is_released = coming.status in _RELEASED
    return Progress(
        current,
        reached,
        window=window,
        arrival_at=_arrival(coming) if is_released else None,
        technician_id=coming.technician_id if is_released else None,
    )


def _current(status: str, visits: list[Visit]) -> StepName:
    """Return the step reached last; a job in hand stays "in progress" between its visits."""
    if status in _DONE:
        return StepName.DONE
    if status == Status.IN_PROGRESS or any(v.status in _UNDER_WAY for v in visits):
        return StepName.IN_PROGRESS
    if any(v.status == VisitStatus.TRAVELLING for v in visits):
        return StepName.ON_THE_WAY
    if any(v.status in LIVE_VISITS for v in visits):
        return StepName.PLANNED
    return StepName.RECEIVED


def _arrival(visit: Visit) -> datetime:
    """Return when the technician is expected: by the drive once it has begun, else by the plan."""
    if visit.travel_started_at is not None:
        return visit.travel_started_at + timedelta(seconds=visit.travel_s)
    return visit.planned_starts_at
