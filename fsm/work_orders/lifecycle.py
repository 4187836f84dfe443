"""The states of a work order and of its visits, and what leads from one to the next.

A work order's state follows from its visits (`derive_status`) until the technicians' part is over;
the rest are decisions with a name of their own. Nothing here produces `completed` or `closed` but
the actions `COMPLETE` and `CLOSE`, and `fsm.work_orders.completion` is the only caller of those
two.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from fsm.problems import Problem


class WrongStatus(Problem):
    """The action is real, but not from this state; `allowed` lists what is possible instead."""

    code, status, title = "wrong-status", 409, "Not possible in this state"


class Status(StrEnum):
    """A work order's state."""

    OPEN = "open"
    SCHEDULED = "scheduled"
    DISPATCHED = "dispatched"
    IN_PROGRESS = "in_progress"
    WORK_DONE = "work_done"
    COMPLETED = "completed"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Action(StrEnum):
    """What can happen to a work order."""

    SCHEDULE = "schedule"  # a first visit is planned
    UNSCHEDULE = "unschedule"  # the last visit fell away before the work was done
    DISPATCH = "dispatch"  # a visit is released to a phone; the checklist is pinned, once
    START = "start"  # somebody is on site
    FINISH = "finish"  # the technicians are through
    CONTINUE = "continue"  # a follow-up visit is wanted after all
    COMPLETE = "complete"  # everything required has arrived (completion.py alone)
    WITHDRAW_COMPLETION = "withdraw_completion"  # a later fact left something unmet again
    CLOSE = "close"  # the office has checked it (completion.py alone)
    REOPEN = "reopen"  # with who and why
    CANCEL = "cancel"


_NEXT: Mapping[tuple[Status, Action], Status] = MappingProxyType(
    {
        (Status.OPEN, Action.SCHEDULE): Status.SCHEDULED,
        (Status.OPEN, Action.CANCEL): Status.CANCELLED,
        (Status.SCHEDULED, Action.DISPATCH): Status.DISPATCHED,
        (Status.SCHEDULED, Action.UNSCHEDULE): Status.OPEN,
        (Status.SCHEDULED, Action.CANCEL): Status.CANCELLED,
        (Status.DISPATCHED, Action.START): Status.IN_PROGRESS,
        (Status.DISPATCHED, Action.UNSCHEDULE): Status.OPEN,
        (Status.DISPATCHED, Action.CANCEL): Status.CANCELLED,
        (Status.IN_PROGRESS, Action.FINISH): Status.WORK_DONE,
        (Status.IN_PROGRESS, Action.UNSCHEDULE): Status.OPEN,
        (Status.IN_PROGRESS, Action.CANCEL): Status.CANCELLED,
        (Status.WORK_DONE, Action.COMPLETE): Status.COMPLETED,
        (Status.WORK_DONE, Action.CONTINUE): Status.IN_PROGRESS,
        (Status.WORK_DONE, Action.CANCEL): Status.CANCELLED,
        (Status.COMPLETED, Action.CLOSE): Status.CLOSED,
        (Status.COMPLETED, Action.WITHDRAW_COMPLETION): Status.WORK_DONE,
        (Status.COMPLETED, Action.REOPEN): Status.IN_PROGRESS,
        (Status.CLOSED, Action.REOPEN): Status.IN_PROGRESS,
    }
)

#: The states that visits no longer move: what a phone still reports is kept, and is for the office
#: to look at.
SETTLED = frozenset({Status.COMPLETED, Status.CLOSED, Status.CANCELLED})


def next_status(status: Status, action: Action) -> Status:
    """Return the status after `action`, or raise `WrongStatus` naming the ways out."""
    if (status, action) not in _NEXT:
        allowed = allowed_actions(status)
        raise WrongStatus(
            f"Cannot {_words(action)} a work order that is {_words(status)}. {_ways_out(allowed)}",
            allowed=[str(way) for way in allowed],
        )
    return _NEXT[status, action]


def allowed_actions(status: Status) -> tuple[Action, ...]:
    """Return what can happen to a work order in this state; empty for a cancelled one."""
    return tuple(action for (origin, action) in _NEXT if origin == status)


class VisitStatus(StrEnum):
    """The state of one technician's trip for a work order."""

    PLANNED = "planned"
    DISPATCHED = "dispatched"
    TRAVELLING = "travelling"
    ON_SITE = "on_site"
    PAUSED = "paused"
    FINISHED = "finished"
    ABORTED = "aborted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class VisitAction(StrEnum):
    """What can happen to a visit. The office plans, dispatches and withdraws; the rest is the
    technician's.
    """

    DISPATCH = "dispatch"
    TRAVEL = "travel"
    ARRIVE = "arrive"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    ABORT = "abort"  # set out or begun, and given up: nobody at home
    REJECT = "reject"  # the technician cannot take it
    WITHDRAW = "withdraw"  # the office takes back what has not begun


_NEXT_VISIT: Mapping[tuple[VisitStatus, VisitAction], VisitStatus] = MappingProxyType(
    {
        (VisitStatus.PLANNED, VisitAction.DISPATCH): VisitStatus.DISPATCHED,
        (VisitStatus.PLANNED, VisitAction.WITHDRAW): VisitStatus.WITHDRAWN,
        (VisitStatus.DISPATCHED, VisitAction.TRAVEL): VisitStatus.TRAVELLING,
        # Travelling and arriving need not be tapped: a technician may already stand at the machine.
        (VisitStatus.DISPATCHED, VisitAction.ARRIVE): VisitStatus.ON_SITE,
        (VisitStatus.DISPATCHED, VisitAction.START): VisitStatus.ON_SITE,
        (VisitStatus.DISPATCHED, VisitAction.ABORT): VisitStatus.ABORTED,
        (VisitStatus.DISPATCHED, VisitAction.REJECT): VisitStatus.REJECTED,
        (VisitStatus.DISPATCHED, VisitAction.WITHDRAW): VisitStatus.WITHDRAWN,
        (VisitStatus.TRAVELLING, VisitAction.ARRIVE): VisitStatus.ON_SITE,
        (VisitStatus.TRAVELLING, VisitAction.START): VisitStatus.ON_SITE,
        (VisitStatus.TRAVELLING, VisitAction.ABORT): VisitStatus.ABORTED,
        (VisitStatus.TRAVELLING, VisitAction.REJECT): VisitStatus.REJECTED,
        (VisitStatus.TRAVELLING, VisitAction.WITHDRAW): VisitStatus.WITHDRAWN,
        # Arriving and beginning to work are two taps in one state; the event keeps both instants.
        (VisitStatus.ON_SITE, VisitAction.START): VisitStatus.ON_SITE,
        (VisitStatus.ON_SITE, VisitAction.PAUSE): VisitStatus.PAUSED,
        (VisitStatus.ON_SITE, VisitAction.FINISH): VisitStatus.FINISHED,
        (VisitStatus.ON_SITE, VisitAction.ABORT): VisitStatus.ABORTED,
        (VisitStatus.PAUSED, VisitAction.RESUME): VisitStatus.ON_SITE,
        (VisitStatus.PAUSED, VisitAction.FINISH): VisitStatus.FINISHED,
        (VisitStatus.PAUSED, VisitAction.ABORT): VisitStatus.ABORTED,
    }
)

#: Visits that need a technician's time, now or later.
LIVE_VISITS = frozenset(
    {
        VisitStatus.PLANNED,
        VisitStatus.DISPATCHED,
        VisitStatus.TRAVELLING,
        VisitStatus.ON_SITE,
        VisitStatus.PAUSED,
    }
)


def next_visit_status(status: VisitStatus, action: VisitAction) -> VisitStatus:
    """Return the visit's status after `action`, or raise `WrongStatus` naming the ways out."""
    if (status, action) not in _NEXT_VISIT:
        allowed = allowed_visit_actions(status)
        raise WrongStatus(
            f"Cannot {_words(action)} a visit that is {_words(status)}. {_ways_out(allowed)}",
            allowed=[str(way) for way in allowed],
        )
    return _NEXT_VISIT[status, action]


def allowed_visit_actions(status: VisitStatus) -> tuple[VisitAction, ...]:
    """Return what can happen to a visit in this state; empty once it is over."""
    return tuple(action for (origin, action) in _NEXT_VISIT if origin == status)


def derive_status(
    current: Status, visits: Iterable[VisitStatus], *, more_work: bool = False
) -> Status:
    """Return the work order's status as its visits have it: call this after every change of a
    visit.

    `visits` are the states of *all* its visits, in any order. `more_work` is true while somebody
    has said that finished visits are not enough (the office reopened the job, or a technician
    asked for a follow-up) and no visit has finished since: then the job waits in `in_progress` for
    the next trip.

    A job that is completed, closed or cancelled stays so. The result is never `completed` or
    `closed` unless `current` is.
    """
    if current in SETTLED:
        return current
    states = set(visits)
    if states & {VisitStatus.ON_SITE, VisitStatus.PAUSED}:
        return Status.IN_PROGRESS
    if VisitStatus.FINISHED in states:
        unfinished = bool(states & LIVE_VISITS) or more_work
        return Status.IN_PROGRESS if unfinished else Status.WORK_DONE
    if more_work:
        return Status.IN_PROGRESS
    if states & {VisitStatus.DISPATCHED, VisitStatus.TRAVELLING}:
        return Status.DISPATCHED
    if VisitStatus.PLANNED in states:
        return Status.SCHEDULED
    return Status.OPEN


def _words(value: StrEnum) -> str:
    return value.value.replace("_", " ")


def _ways_out(allowed: Iterable[StrEnum]) -> str:
    ways = ", ".join(_words(way) for way in allowed)
    return f"Allowed: {ways}." if ways else "Nothing can be done to it any more."
