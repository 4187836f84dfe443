"""What the API tells of plans."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from fsm.work_orders.views import VisitView
from scheduler.accepting import Undone
from scheduler.tables import PlanRun


class PlanRow(msgspec.Struct, frozen=True):
    id: UUID
    status: str
    kind: str
    starts_on: date
    ends_on: date
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    accepted_at: datetime | None
    failure: str | None

    @classmethod
    def of(cls, run: PlanRun) -> "PlanRow":
        return cls(**{name: getattr(run, name) for name in cls.__struct_fields__})


class PlanView(msgspec.Struct, frozen=True):
    """A plan with its routes, what it costs term by term (seconds of driving), and why work stays out.

    `objective` has each term's cost beside the weights that priced it, with their units.

    `unplanned` carries a code, whether it holds in any plan, the smallest sets of rules in the way, the
    cheapest change that would let the visit in, and the same in words (`said`, by language). `is_brief`:
    there was no time to look for the last two; ask `…/unplanned/{work_order_id}/reason` for them. `among`: of
    how many people it is said, where not everybody able was looked at; `in_any_plan` is then false.

    `difference` is what changes against what was published: lines with a cause each, the groups that need
    each other, and the sums before and after. `weights_version` is the version of prices it was made with.
    """

    id: UUID
    status: str
    kind: str
    starts_on: date
    ends_on: date
    engine: str
    seconds: float
    seed: int
    options: dict[str, Any]
    weights_version: int
    day_event_id: UUID | None
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    accepted_at: datetime | None
    accepted_by: str | None
    failure: str | None
    inputs_sha256: str | None
    versions: dict[str, str]
    routes: list[dict[str, Any]]
    unplanned: list[dict[str, Any]]
    costs: dict[str, int]
    objective: list[dict[str, Any]]
    notes: list[str]
    travel_source: str | None
    difference: dict[str, Any] | None

    @classmethod
    def of(cls, run: PlanRun) -> "PlanView":
        result = run.result or {}
        own = {name: getattr(run, name) for name in cls.__struct_fields__ if hasattr(run, name)}
        return cls(
            **own,
            routes=result.get("routes", []),
            unplanned=result.get("unplanned", []),
            costs=result.get("costs", {}),
            objective=result.get("objective", []),
            notes=result.get("notes", []),
            travel_source=result.get("travel_source"),
            difference=result.get("difference"),
        )


class ShiftReasonView(msgspec.Struct, frozen=True):
    """Why a plan leaves a job out of one technician's shift on a day, in words by language."""

    technician_id: UUID
    on: date
    said: dict[str, str]


class ReasonView(msgspec.Struct, frozen=True):
    """Why a plan leaves one job out, looked at in full: as in the plan's `unplanned`, and shift by shift.

    A job with which no day could be planned at all, and which `code` says, was held against no shift.
    """

    work_order_id: UUID
    number: str
    code: str
    in_any_plan: bool
    among: int | None
    partners: list[str]
    """Numbers of the jobs that it is bound to."""
    is_brief: bool
    blocking: list[list[str]]
    relaxation: dict[str, Any] | None
    said: dict[str, str]
    shifts: list[ShiftReasonView]

    @classmethod
    def of(cls, told: dict[str, Any]) -> "ReasonView":
        return msgspec.convert(
            {"among": None, "partners": [], "is_brief": False, **told}, cls
        )  # plans made before know nothing of these


class AcceptedView(msgspec.Struct, frozen=True):
    """The visits that came of a plan or were moved by it, those that were taken back, and the jobs skipped
    because they had changed meanwhile."""

    id: UUID
    status: str
    visits: list[VisitView]
    withdrawn: list[VisitView]
    skipped: list[dict[str, Any]]


class UndoneConsequence(msgspec.Struct, frozen=True):
    """What job `number` no longer keeps of its link to job `what`; `said` is it in words, by language."""

    number: str
    code: str
    is_hard: bool
    asks_reason: bool
    minutes: int
    what: str
    said: dict[str, str]


class RestoredView(msgspec.Struct, frozen=True):
    """A visit that is again where it was before a plan, when its id was `was`."""

    was: UUID
    visit: VisitView


class UndoneView(msgspec.Struct, frozen=True):
    """`withdrawn` visits had come of the plan, `restored` ones are where they were (`visits`), `kept` ones
    have begun or were changed since. `consequences`: links between jobs that are not kept any more."""

    id: UUID
    status: str
    withdrawn: int
    restored: int
    kept: int
    consequences: list[UndoneConsequence]
    visits: list[RestoredView]

    @classmethod
    def of(cls, done: Undone) -> "UndoneView":
        despite = [msgspec.convert(each, UndoneConsequence) for each in done.despite]
        counts = done.withdrawn, done.restored, done.kept
        back = [RestoredView(was, VisitView.of(visit)) for was, visit in done.back.items()]
        return cls(done.run.id, done.run.status, *counts, despite, back)


class ReplayView(msgspec.Struct, frozen=True):
    """What came of making a plan again from its stored inputs.

    `status` is queued, done or failed (`failure` says why). `is_same`: the same bytes; else `differs` names
    the parts of the plan that are otherwise. `inputs_are_whole`: the stored inputs still have the digest they
    were stored with. `versions` made the plan, `versions_now` made it again; `planner` is our own code.
    """

    plan_id: UUID
    status: str
    requested_by: str
    requested_at: datetime
    versions: dict[str, str]
    finished_at: datetime | None = None
    is_same: bool | None = None
    differs: list[str] = []
    inputs_are_whole: bool | None = None
    plan_sha256: str | None = None
    again_sha256: str | None = None
    versions_now: dict[str, str] = {}
    failure: str | None = None

    @classmethod
    def of(cls, plan_id: UUID, told: Mapping[str, Any]) -> "ReplayView":
        return msgspec.convert({**told, "plan_id": plan_id}, cls)


class ComparisonView(msgspec.Struct, frozen=True):
    """What is otherwise in plan `id` than in plan `other_id`, line by line."""

    id: UUID
    other_id: UUID
    lines: list[dict[str, Any]]


class PlanPage(msgspec.Struct, frozen=True):
    items: list[PlanRow]
    next: str | None
