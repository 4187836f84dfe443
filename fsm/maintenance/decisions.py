"""What the generator does about one asset: which occurrences there are, and what becomes of each.

Decided anew every time from the plans and from what is known, so that a run that is repeated changes
nothing, and a changed plan, reading or completion changes only what nobody has been sent for.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from fsm.maintenance.covering import Entry, Name, OccurrenceStatus, covering, missed
from fsm.maintenance.due import (
    Chain,
    CountsFrom,
    Due,
    Past,
    Schedule,
    Subject,
    TriggerKind,
    is_chain,
    list_due,
    tolerance,
)

_PASSED_OVER = frozenset({OccurrenceStatus.SKIPPED, OccurrenceStatus.MISSED})
_OPEN = frozenset({OccurrenceStatus.EXPECTED, OccurrenceStatus.ORDERED, OccurrenceStatus.COVERED})


@dataclass(frozen=True, slots=True)
class Known:
    """A stored occurrence. `is_begun`: somebody was sent for it, or for the larger one that covers it."""

    id: UUID
    key: str
    status: OccurrenceStatus
    cause: TriggerKind
    due_at: datetime
    earliest_at: datetime
    latest_at: datetime
    is_begun: bool = False
    done_at: datetime | None = None
    meter_total: Decimal | None = None

    @property
    def is_history(self) -> bool:
        return self.status in _PASSED_OVER or (self.status in _OPEN and self.is_begun)

    @property
    def is_open(self) -> bool:
        return self.status in _OPEN and not self.is_begun


@dataclass(frozen=True, slots=True)
class PlanState:
    """One plan on one asset. Without a schedule it applies no longer: it was put out of use, or the asset."""

    plan_id: UUID
    series: str | None
    size: int
    schedule: Schedule | None
    subject: Subject
    known: tuple[Known, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What an occurrence is to be. Without `due` its dates stay; without `known` it is new."""

    plan_id: UUID
    key: str
    status: OccurrenceStatus
    known: Known | None
    due: Due | None
    due_at: datetime
    earliest_at: datetime
    latest_at: datetime
    covered_by: Name | None = None

    @property
    def name(self) -> Name:
        return self.plan_id, self.key


def decide(states: Sequence[PlanState], now: datetime) -> list[Decision]:
    """Return a decision for every occurrence of an asset that is not history, larger services first."""
    candidates = [
        one for state in states for one in _candidates(state, _horizon(state, states, now))
    ]
    settled = [
        _entry(state, known)
        for state in states
        for known in state.known
        if known.is_history and known.status is OccurrenceStatus.ORDERED
    ]
    of = {state.plan_id: state for state in states}
    entries = [
        *settled,
        *(
            _entry_of(of[one.plan_id], one)
            for one in candidates
            if one.status is not OccurrenceStatus.WITHDRAWN
        ),
    ]
    covered = covering(entries)
    lost = missed(entries, covered, now)
    decided = []
    for one in candidates:
        if one.status is OccurrenceStatus.WITHDRAWN:
            decided.append(one)
        elif one.name in covered:
            decided.append(
                replace(one, status=OccurrenceStatus.COVERED, covered_by=covered[one.name])
            )
        elif one.name in lost:
            decided.append(replace(one, status=OccurrenceStatus.MISSED))
        elif _is_wanted(of[one.plan_id], one, now):
            decided.append(replace(one, status=OccurrenceStatus.ORDERED))
        else:
            decided.append(one)
    return _kept(decided, of, now)


def _horizon(state: PlanState, states: Iterable[PlanState], now: datetime) -> datetime:
    """Return how far to look: to the plan's own lead, and to where a larger one still covers smaller ones."""
    reach = timedelta(days=state.schedule.lead_days if state.schedule else 0)
    if state.schedule is not None and state.series is not None:
        leads = [
            one.schedule.lead_days
            for one in states
            if one.schedule and one.series == state.series and one.size < state.size
        ]
        if leads:
            # An unsaid tolerance is a tenth of the interval: a tenth of ten years at the most.
            early = state.schedule.early_days
            reach = max(reach, timedelta(days=max(leads) + (366 if early is None else early)))
    return now + reach


def _candidates(state: PlanState, to_at: datetime) -> Iterator[Decision]:
    """Yield what falls due and is not history, and what is known and does so no longer."""
    found = {} if state.schedule is None else {one.key: one for one in _list_due(state, to_at)}
    history = {known.key for known in state.known if known.is_history}
    known = {one.key: one for one in state.known if one.key not in history}
    for key, due in found.items():
        if key in history:
            continue
        assert state.schedule is not None
        early, late = tolerance(state.schedule, due.interval_s)
        was = known.get(key)
        is_known = was is not None and was.status is OccurrenceStatus.ORDERED
        yield Decision(
            state.plan_id,
            key,
            OccurrenceStatus.ORDERED if is_known else OccurrenceStatus.EXPECTED,
            was,
            due,
            due.due_at,
            due.due_at - early,
            due.due_at + late,
        )
    for one in known.values():
        if one.key in found or not one.is_open:
            continue
        stays = state.schedule is not None and (
            one.cause is TriggerKind.CONDITION
            # It was due before the plan was changed, so it is owed as it was.
            or (one.due_at < state.subject.since_at and not one.key.startswith("#"))
        )
        status = one.status if stays else OccurrenceStatus.WITHDRAWN
        if status is OccurrenceStatus.COVERED:
            status = OccurrenceStatus.EXPECTED
        yield Decision(
            state.plan_id,
            one.key,
            status,
            one,
            None,
            one.due_at,
            one.earliest_at,
            one.latest_at,
        )


def _list_due(
    state: PlanState, to_at: datetime, assume_done_at: datetime | None = None
) -> list[Due]:
    assert state.schedule is not None
    chain = _chain(state.known) if is_chain(state.schedule) else None
    return list_due(
        state.schedule, state.subject, to_at, chain=chain, assume_done_at=assume_done_at
    )


def _chain(known: Iterable[Known]) -> Chain:
    links = sorted(
        (one for one in known if one.key.startswith("#")), key=lambda one: int(one.key[1:])
    )
    return Chain(
        past=tuple(
            Past(
                one.key,
                one.due_at,
                one.status in _PASSED_OVER or one.done_at is not None,
                one.done_at,
                one.meter_total,
            )
            for one in links
            if one.is_history
        ),
        open_keys=tuple(one.key for one in links if one.is_open),
        used=max((int(one.key[1:]) for one in links), default=0),
    )


def _entry(state: PlanState, known: Known) -> Entry:
    return Entry(
        (state.plan_id, known.key),
        state.series,
        state.size,
        known.due_at,
        known.earliest_at,
        known.latest_at,
        is_begun=True,
    )


def _entry_of(state: PlanState, one: Decision) -> Entry:
    schedule = state.schedule
    is_fixed = (
        schedule is not None
        and schedule.counts_from is CountsFrom.PLAN
        and not one.key.startswith("!")
    )
    return Entry(
        one.name,
        state.series,
        state.size,
        one.due_at,
        one.earliest_at,
        one.latest_at,
        is_fixed=is_fixed,
    )


def _is_wanted(state: PlanState, one: Decision, now: datetime) -> bool:
    """Say whether there is to be a work order: from the plan's lead on, for a condition at once."""
    if one.known is not None and one.known.cause is TriggerKind.CONDITION:
        return True
    lead = timedelta(days=state.schedule.lead_days if state.schedule else 0)
    return one.status is OccurrenceStatus.ORDERED or one.due_at - lead <= now


def _kept(decided: Sequence[Decision], of: dict[UUID, PlanState], now: datetime) -> list[Decision]:
    """Leave out what is beyond its own lead and stands for nothing; larger services come first."""
    needed = {one.covered_by for one in decided if one.covered_by and _is_near(one, of, now)}
    kept = [one for one in decided if one.known or one.name in needed or _is_near(one, of, now)]
    return sorted(kept, key=lambda one: (-of[one.plan_id].size, one.due_at, one.name))


def _is_near(one: Decision, of: dict[UUID, PlanState], now: datetime) -> bool:
    state = of[one.plan_id]
    lead = timedelta(days=state.schedule.lead_days if state.schedule else 0)
    return one.due_at <= now + lead


def look_ahead(
    states: Sequence[PlanState], now: datetime, from_at: datetime, to_at: datetime
) -> list[tuple[PlanState, Due]]:
    """Return the services of an asset in [from_at, to_at): what is still to be done, and what will be.

    Work is taken to be done when it falls due, work that is late now. What a larger service covers is not
    listed.
    """
    coming: dict[Name, tuple[PlanState, Due]] = {}
    entries = []
    for state in states:
        if state.schedule is None:
            continue
        history = {known.key for known in state.known if known.is_history}
        for due in _list_due(state, to_at, assume_done_at=now):
            if due.key in history:
                continue
            early, late = tolerance(state.schedule, due.interval_s)
            at = due.due_at
            name = (state.plan_id, due.key)
            coming[name] = (state, due)
            entries.append(Entry(name, state.series, state.size, at, at - early, at + late))
        for known in state.known:
            under_way = known.is_history and known.done_at is None
            is_called_for = known.is_open and known.cause is TriggerKind.CONDITION
            if known.status is OccurrenceStatus.ORDERED and (under_way or is_called_for):
                at = known.due_at
                coming[state.plan_id, known.key] = (
                    state,
                    Due(known.key, at, known.cause, None, at, at),
                )
            if known.is_history and known.status is OccurrenceStatus.ORDERED:
                entries.append(_entry(state, known))
    covered = covering(entries)
    lost = missed(entries, covered, now)
    return [
        (state, due)
        for name, (state, due) in coming.items()
        if name not in covered and name not in lost and from_at <= max(due.due_at, now) < to_at
    ]
