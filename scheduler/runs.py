"""What runs of the planner have in common, be they of routes or of rosters."""

from datetime import datetime, timedelta

from scheduler.rosters.tables import RosterRun, RosterStatus
from scheduler.tables import PlanRun, PlanStatus


def take_up(run: PlanRun | RosterRun, now: datetime, *, lost_after: timedelta) -> bool:
    """Mark a locked run as being solved from now on; False where it is not to be solved, or not by us.

    A run that has been solving for longer than `lost_after` lost its worker and is taken over.
    """
    is_queued = run.status in (PlanStatus.QUEUED, RosterStatus.QUEUED)
    is_solving = run.status in (PlanStatus.SOLVING, RosterStatus.SOLVING)
    is_lost = is_solving and run.started_at is not None and now - run.started_at > lost_after
    if not (is_queued or is_lost):
        return False
    if isinstance(run, PlanRun):
        run.status = PlanStatus.SOLVING
    else:
        run.status = RosterStatus.SOLVING
    run.started_at = now
    return True
