"""Windows for the visits of a day: proposed, told to customers, watched while the day goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Invalid
from fsm.tenants.queries import find_own_tenant
from fsm.work_orders import visits
from fsm.work_orders.lifecycle import VisitStatus, WrongStatus
from fsm.work_orders.tables import Visit
from scheduler.day import Day, checked
from scheduler.day_problem import build_day
from scheduler.engine.timing import as_route
from scheduler.problem import Route
from scheduler.promise_ledger.queries import (
    Stated,
    kinds_of,
    list_at_work,
    model_of,
    tell,
)
from scheduler.promise_ledger.tables import Channel, PromiseTold
from scheduler.promises.keeping import Asker
from scheduler.promises.windows import Outlook, Window
from scheduler.repair import standing
from scheduler.scope import Moves, Options, Scope
from scheduler.slots import Risk, risks

LONGEST = timedelta(days=3)
"""A window; what is longer is a period, and nobody waits at home for it."""
_AT_ONCE = 60
"""People whose routes are foreseen together."""
LATEST_NOTED = timedelta(days=7)
"""How long after telling it a promise may be entered."""


async def outlook_of(session: Session, actor: Actor, day: Day, now: datetime) -> Outlook:
    """Return what is to be expected of a day's routes, as the company's own visits have shown."""
    model = await model_of(session, actor, now)
    told_at = (now - day.starts_at).total_seconds()
    return Outlook(day.problem, model, kinds_of(day.work_orders), told_at=told_at)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A window to tell the customer of a planned visit."""

    visit_id: UUID
    work_order_id: UUID
    number: str
    opens_at: datetime
    closes_at: datetime
    probability: float


async def propose(session: Session, actor: Actor, now: datetime, on: date) -> list[Proposal]:
    """Return windows for the planned visits of a day that were promised none, in order of time."""
    found: list[Proposal] = []
    async for day in _parts_of(session, actor, now, on):
        outlook = await outlook_of(session, actor, day, now)
        windows = await asyncio.to_thread(_announced, day, outlook)
        found += [
            Proposal(
                visit_id=day.planned[key].visit.id,
                work_order_id=day.work_orders[key].id,
                number=day.work_orders[key].number,
                opens_at=day.instant(window.opens),
                closes_at=day.instant(window.closes),
                probability=window.probability,
            )
            for key, window in windows.items()
        ]
    return sorted(found, key=lambda each: (each.opens_at, each.number))


async def list_risks(
    session: Session, actor: Actor, now: datetime, on: date
) -> list[tuple[Day, Risk]]:
    """Return the promises of a day that are kept less surely than was stated, with what would mend them.

    A cure is looked for among the people of the territory.
    """
    found: list[tuple[Day, Risk]] = []
    async for day in _parts_of(session, actor, now, on):
        outlook = await outlook_of(session, actor, day, now)
        unsure = await asyncio.to_thread(risks, day.problem, outlook)
        found += [(day, risk) for risk in unsure]
    return sorted(found, key=lambda each: each[1].chance - each[1].stated)


@dataclass(frozen=True, slots=True)
class Telling:
    """A window that a customer was told."""

    visit_id: UUID
    window: tuple[datetime, datetime]
    channel: Channel
    sent_at: datetime
    asked_by: Asker | None = None


async def tell_windows(
    session: Session, actor: Actor, now: datetime, told: Sequence[Telling]
) -> list[PromiseTold]:
    """Write windows that were told, all or none; the visits carry them from then on.

    The chance stated is what is seen now of each window in the plan as it stands.
    """
    for number, each in enumerate(told):
        _check(each, now, number)
    held = await visits.lock_visits(session, actor, [each.visit_id for each in told])
    for number, each in enumerate(told):
        if each.visit_id not in held:
            await visits.find_visit(session, actor, each.visit_id)
        visit = held[each.visit_id][1]
        if VisitStatus(visit.status) not in visits.NOT_BEGUN:
            raise WrongStatus(
                f"This visit is {visit.status}: a window is promised before somebody is there.",
                status=visit.status,
                errors=[{"at": f"/promises/{number}/visit_id", "detail": "not planned"}],
            )
    wanted = [(held[each.visit_id][1], each.window) for each in told]
    stated = await stated_of(session, actor, now, wanted)
    rows = []
    for each in sorted(told, key=lambda one: (one.sent_at, one.visit_id)):
        visit = held[each.visit_id][1]
        changes = {"window_starts_at": each.window[0], "window_ends_at": each.window[1]}
        await visits.edit_plan(session, actor, now, visit.id, None, changes)
        rows.append(
            await tell(
                session,
                actor,
                now,
                work_order_id=visit.work_order_id,
                visit_id=visit.id,
                window=each.window,
                channel=each.channel,
                sent_at=each.sent_at,
                asked_by=each.asked_by,
                stated=stated.get(visit.id),
            )
        )
    return rows


async def tell_window(
    session: Session,
    actor: Actor,
    now: datetime,
    visit: Visit,
    window: tuple[datetime, datetime],
    *,
    channel: Channel,
    asked_by: Asker | None,
) -> PromiseTold:
    """Write one window that is told just now, and that the visit has already."""
    stated = await stated_of(session, actor, now, [(visit, window)])
    return await tell(
        session,
        actor,
        now,
        work_order_id=visit.work_order_id,
        visit_id=visit.id,
        window=window,
        channel=channel,
        sent_at=now,
        asked_by=asked_by,
        stated=stated.get(visit.id),
    )


def _check(each: Telling, now: datetime, number: int) -> None:
    opens_at, closes_at = each.window
    if not timedelta(0) < closes_at - opens_at <= LONGEST:
        raise Invalid(
            "A window ends after it begins, within three days.",
            errors=[{"at": f"/promises/{number}/window_ends_at", "detail": "out of range"}],
        )
    if not now - LATEST_NOTED <= each.sent_at <= now:
        raise Invalid(
            "A promise is entered once it was told, within a week.",
            errors=[{"at": f"/promises/{number}/sent_at", "detail": "out of range"}],
        )


Wanted = tuple[Visit, tuple[datetime, datetime]]


async def stated_of(
    session: Session, actor: Actor, now: datetime, wanted: Sequence[Wanted]
) -> dict[UUID, Stated]:
    """Return the chance of each window in the plan as it stands; left out is what the plan does not time."""
    zone = ZoneInfo((await find_own_tenant(session, actor.tenant_id)).zone)
    by_day: dict[date, list[Wanted]] = {}
    for visit, window in wanted:
        on = visit.planned_starts_at.astimezone(zone).date()
        by_day.setdefault(on, []).append((visit, window))
    model = await model_of(session, actor, now)
    found: dict[UUID, Stated] = {}
    for on, some in sorted(by_day.items()):
        day = await _day_of(session, actor, now, on, {visit.technician_id for visit, _ in some})
        told_at = (now - day.starts_at).total_seconds()
        outlook = Outlook(day.problem, model, kinds_of(day.work_orders), told_at=told_at)
        chances = await asyncio.to_thread(_chances(day, outlook, some))
        for visit_id, foreseen in chances.items():
            stated = Stated.of(foreseen, day.starts_at, model)
            if stated is not None:
                found[visit_id] = stated
    return found


def _chances(
    day: Day, outlook: Outlook, wanted: Sequence[Wanted]
) -> Callable[[], dict[UUID, Window]]:
    def chances() -> dict[UUID, Window]:
        route_of = {
            stop.visit: route
            for route in _routes(day)
            for stop in route.stops
            if stop.visit is not None
        }
        return {
            visit.id: outlook.stated(
                route_of[str(visit.id)],
                str(visit.id),
                (day.second(window[0]), day.second(window[1])),
            )
            for visit, window in wanted
            if str(visit.id) in route_of
        }

    return chances


def _announced(day: Day, outlook: Outlook) -> dict[str, Window]:
    return outlook.announced(_routes(day))


def _routes(day: Day) -> list[Route]:
    """Return the plan in force, as far as it still keeps a timetable."""
    draft = standing(day.problem)
    return [as_route(draft.day, timed) for timed in draft.timed if timed is not None]


async def _parts_of(session: Session, actor: Actor, now: datetime, on: date) -> AsyncIterator[Day]:
    """Yield a day some people at a time: routes do not touch each other, and travel grows with the square."""
    zone = ZoneInfo((await find_own_tenant(session, actor.tenant_id)).zone)
    starts_at = datetime.combine(on, time(), zone)
    ends_at = datetime.combine(on + timedelta(days=1), time(), zone)
    people = await list_at_work(session, actor, starts_at, ends_at)
    for first in range(0, len(people), _AT_ONCE):
        yield await _day_of(session, actor, now, on, people[first : first + _AT_ONCE])


async def _day_of(
    session: Session,
    actor: Actor,
    now: datetime,
    on: date,
    technician_ids: Collection[UUID],
) -> Day:
    """Return some people's day with what is planned on it, and none of the work that waits."""
    among = frozenset(str(each) for each in technician_ids)
    scope = Scope(moves=Moves.ALL, among=among, moves_crews=False, work_orders=frozenset())
    options = Options(scope=scope, may_break_promises=True)
    return checked(
        await build_day(session, actor, starts_on=on, ends_on=on, now=now, options=options)
    )
