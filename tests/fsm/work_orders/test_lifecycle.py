"""The states of work orders and visits, pair by pair, and what visits make of their work order."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.work_orders.lifecycle import (
    LIVE_VISITS,
    SETTLED,
    Action,
    Status,
    VisitAction,
    VisitStatus,
    WrongStatus,
    allowed_actions,
    allowed_visit_actions,
    derive_status,
    next_status,
    next_visit_status,
)

# Written out apart from the code's table: one row a state, "action>result".
WORK_ORDERS = """
open: schedule>scheduled cancel>cancelled
scheduled: dispatch>dispatched unschedule>open cancel>cancelled
dispatched: start>in_progress unschedule>open cancel>cancelled
in_progress: finish>work_done unschedule>open cancel>cancelled
work_done: complete>completed continue>in_progress cancel>cancelled
completed: close>closed withdraw_completion>work_done reopen>in_progress
closed: reopen>in_progress
cancelled:
"""
VISITS = """
planned: dispatch>dispatched withdraw>withdrawn
dispatched: travel>travelling arrive>on_site start>on_site abort>aborted reject>rejected withdraw>withdrawn
travelling: arrive>on_site start>on_site abort>aborted reject>rejected withdraw>withdrawn
on_site: start>on_site pause>paused finish>finished abort>aborted
paused: resume>on_site finish>finished abort>aborted
finished:
aborted:
rejected:
withdrawn:
"""


def read_table(text: str) -> dict[tuple[str, str], str]:
    table = {}
    for line in text.strip().splitlines():
        state, _, steps = line.partition(":")
        for step in steps.split():
            action, _, result = step.partition(">")
            table[state, action] = result
    return table


@pytest.mark.parametrize(("status", "action"), list(product(Status, Action)))
def test_every_pair_of_state_and_action_leads_where_the_table_says(
    status: Status, action: Action
) -> None:
    expected = read_table(WORK_ORDERS).get((status, action))
    if expected is not None:
        assert next_status(status, action) == expected
        return
    with pytest.raises(WrongStatus) as refusal:
        next_status(status, action)
    assert refusal.value.status == 409
    assert refusal.value.facts["allowed"] == [str(way) for way in allowed_actions(status)]


@pytest.mark.parametrize(("status", "action"), list(product(VisitStatus, VisitAction)))
def test_every_pair_of_visit_state_and_action_leads_where_the_table_says(
    status: VisitStatus, action: VisitAction
) -> None:
    expected = read_table(VISITS).get((status, action))
    if expected is not None:
        assert next_visit_status(status, action) == expected
        return
    with pytest.raises(WrongStatus) as refusal:
        next_visit_status(status, action)
    assert refusal.value.facts["allowed"] == [str(way) for way in allowed_visit_actions(status)]


def test_the_refusal_names_the_ways_out() -> None:
    with pytest.raises(WrongStatus) as refusal:
        next_status(Status.OPEN, Action.COMPLETE)
    assert refusal.value.detail == (
        "Cannot complete a work order that is open. Allowed: schedule, cancel."
    )
    with pytest.raises(WrongStatus, match="Nothing can be done to it any more"):
        next_status(Status.CANCELLED, Action.REOPEN)


def test_work_that_never_started_cannot_be_completed() -> None:
    for status in Status:
        if status is not Status.WORK_DONE:
            with pytest.raises(WrongStatus):
                next_status(status, Action.COMPLETE)


def test_only_complete_and_close_lead_to_completed_and_closed() -> None:
    reached = {
        (action, result)
        for (_, action), result in read_table(WORK_ORDERS).items()
        if result in ("completed", "closed")
    }
    assert reached == {("complete", "completed"), ("close", "closed")}


def test_every_state_before_completed_can_be_cancelled_and_none_after() -> None:
    can = {status for status in Status if Action.CANCEL in allowed_actions(status)}
    assert can == set(Status) - SETTLED


def test_a_finished_visit_is_over() -> None:
    for status in set(VisitStatus) - LIVE_VISITS:
        assert allowed_visit_actions(status) == ()


V = VisitStatus


@pytest.mark.parametrize(
    ("visits", "more_work", "expected"),
    [
        ([], False, Status.OPEN),
        ([V.WITHDRAWN, V.REJECTED], False, Status.OPEN),
        ([V.PLANNED], False, Status.SCHEDULED),
        ([V.PLANNED, V.DISPATCHED], False, Status.DISPATCHED),
        ([V.TRAVELLING], False, Status.DISPATCHED),
        ([V.ON_SITE], False, Status.IN_PROGRESS),
        ([V.PAUSED, V.PLANNED], False, Status.IN_PROGRESS),
        ([V.FINISHED], False, Status.WORK_DONE),
        ([V.FINISHED, V.WITHDRAWN], False, Status.WORK_DONE),  # reassigned, never begun
        ([V.FINISHED, V.FINISHED], False, Status.WORK_DONE),  # both came: kept, for review
        ([V.FINISHED, V.ON_SITE], False, Status.IN_PROGRESS),  # the rest of the crew
        ([V.FINISHED, V.PLANNED], False, Status.IN_PROGRESS),  # a follow-up is planned
        ([V.FINISHED], True, Status.IN_PROGRESS),  # a follow-up is wanted, or reopened
        ([V.ABORTED], False, Status.OPEN),  # nobody at home: back into the queue
        ([V.ABORTED, V.PLANNED], False, Status.SCHEDULED),
    ],
)
def test_a_job_is_where_its_visits_are(
    visits: list[VisitStatus], more_work: bool, expected: Status
) -> None:
    assert derive_status(Status.OPEN, visits, more_work=more_work) == expected


some_visits = st.lists(st.sampled_from(VisitStatus), max_size=5)


@given(st.sampled_from(Status), some_visits, st.booleans(), st.randoms(use_true_random=False))
def test_visits_never_complete_close_or_revive_a_job(status, visits, more_work, random) -> None:
    derived = derive_status(status, visits, more_work=more_work)
    if status in SETTLED:
        assert derived == status
    else:
        assert derived not in SETTLED
    shuffled = list(visits)
    random.shuffle(shuffled)
    assert derive_status(status, shuffled, more_work=more_work) == derived
    assert derive_status(derived, visits, more_work=more_work) == derived
