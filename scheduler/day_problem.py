"""From rows to a problem.

Instants, zones and changes of clocks are resolved here: a problem counts whole seconds from the first
midnight of its horizon in the company's zone. On a day that has begun, routes start where the technicians
are; what they are at, or on the way to, is fixed. Planned visits that may not move are stops that their
technicians make.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from fsm.actors import Actor
from fsm.database import Session
from fsm.technicians.shift_pattern import DayRange
from fsm.technicians.working_time import WorkingShift
from fsm.tenants.queries import find_zone_and_currency
from scheduler import problem as model
from scheduler import rows
from scheduler.day import MOST_PLACES, Day, Places, TooManyPlaces
from scheduler.day_links import bind_links
from scheduler.day_rows import DayRows, load_rows
from scheduler.day_shifts import DayShifts
from scheduler.day_visits import DayVisits
from scheduler.fair_shares import fair_shares
from scheduler.people import list_surplus_rates
from scheduler.roads import roads_of
from scheduler.rows import list_skill_codes
from scheduler.scope import Options
from scheduler.travel import TravelProvider
from scheduler.underway import Underway
from scheduler.weights import read_weights, weights_in_force


async def build_day(
    session: Session,
    actor: Actor,
    *,
    starts_on: date,
    ends_on: date,
    now: datetime,
    options: Options | None = None,
    travel: TravelProvider | None = None,
) -> Day:
    """Return the problem of some days: open work and the visits that may move, for those who then work.

    `options` says which planned visits may move and what is supposed to be otherwise.
    """
    options = options or Options()
    company = await find_zone_and_currency(session, actor.tenant_id)
    zone = ZoneInfo(company.zone)
    starts_at = datetime.combine(starts_on, time(), zone).astimezone(UTC)
    ends_at = datetime.combine(ends_on + timedelta(days=1), time(), zone).astimezone(UTC)
    known = await load_rows(
        session, actor, DayRange(starts_on, ends_on), starts_at, ends_at, now, options
    )
    version, weights = await weights_in_force(session, actor)
    if options.supposed.weights:
        weights = read_weights(options.supposed.weights, weights)
    length_s = int((ends_at - starts_at).total_seconds())
    nothing = _nothing(starts_at, company.zone, starts_on, ends_on, weights)
    day = Day(nothing, starts_at, {}, weights_version=version)
    day.live = [each for several in known.planned.values() for each in several]
    if len(known.waiting) >= rows.MOST_VISITS:
        day.notes.append(f"only_the_most_urgent:{rows.MOST_VISITS}")
    skills = await list_skill_codes(session, actor)
    travel = travel or await roads_of(session, actor.tenant_id, hours_of(known.working, zone))
    visits = DayVisits(day, known, options, Places(), day.second(now), length_s)
    rates = await _rates(session, actor, known, company.currency, starts_on, weights)
    await _assemble(visits, travel, skills, rates)
    return day


def hours_of(working: Iterable[WorkingShift], zone: ZoneInfo) -> Iterator[int]:
    """Yield the local hours that shifts reach into, each as often as somebody works in it.

    A problem has one time between two places: on learned roads it is that of these hours at the mean.
    """
    for one in working:
        begins = one.shift.starts_at.astimezone(zone)
        lasts_s = (one.shift.ends_at - one.shift.starts_at).total_seconds()
        past_s = begins.minute * 60 + begins.second  # the first hour is only reached into
        hours = -(-(past_s + lasts_s) // 3_600)
        yield from ((begins.hour + number) % 24 for number in range(int(hours)))


async def _rates(
    session: Session,
    actor: Actor,
    known: DayRows,
    currency: str,
    on: date,
    weights: model.Weights,
) -> dict[UUID, int]:
    """Return each technician's price of a second of work above the cheapest's, in thousandths of driving."""
    if not weights.dearer_labour_permille:
        return {}
    people = {one.technician.id for one in known.working}
    surplus = await list_surplus_rates(session, actor, people, currency, on)
    return {each: int(part * weights.dearer_labour_permille) for each, part in surplus.items()}


def _nothing(
    starts_at: datetime, zone: str, starts_on: date, ends_on: date, weights: model.Weights
) -> model.DayProblem:
    return model.DayProblem(
        first_midnight=starts_at.astimezone(ZoneInfo(zone)).isoformat(),
        zone=zone,
        days=(ends_on - starts_on).days + 1,
        travel_s=np.zeros((1, 1), dtype=np.int32),
        travel_m=np.zeros((1, 1), dtype=np.int32),
        technicians=(),
        shifts=(),
        visits=(),
        weights=weights,
    )


async def _assemble(
    visits: DayVisits, travel: TravelProvider, skills: set[str], rates: Mapping[UUID, int]
) -> None:
    day, known, places = visits.day, visits.rows, visits.places
    collected = DayShifts(visits, rates)
    shifts: list[tuple[model.Shift, Underway | None]] = []
    for technician_id, several in _by_technician(known.working).items():
        shifts += collected.of(technician_id, several)
    visits.bind_crews()
    first_s = min((shift.opens for shift, _ in shifts), default=0)
    visits.wait(known.waiting, first_s)
    links = bind_links(visits, [shift for shift, _ in shifts])
    depots = [model.Depot(places.row(depot.position), depot.parts) for depot in known.depots]
    day.depots = known.depots
    if len(places.positions) > MOST_PLACES:
        raise TooManyPlaces(
            f"A plan knows the way between at most {MOST_PLACES} places, and these are "
            f"{len(places.positions)}. Plan fewer days, or a territory or some of the jobs at a time.",
            places=len(places.positions),
            most=MOST_PLACES,
        )
    matrices = await travel.travel(np.array(places.positions or [(0.0, 0.0)]))
    day.notes += matrices.notes
    named = {code for visit in visits.visits for code, _ in visit.skills}
    named |= {code for shift, _ in shifts for code, _ in shift.skills}
    with_travel = replace(
        day.problem,
        travel_s=matrices.seconds,
        travel_m=matrices.metres,
        travel_source=matrices.source,
        skills=tuple(sorted(skills | named)),
    )
    possible = collected.possible(with_travel, shifts)
    there = {visit.id for visit in visits.visits}
    # Of some of the people nobody can say what is fair.
    shares = {} if visits.scope.among is not None else fair_shares(possible, visits.visits)
    day.problem = replace(
        with_travel,
        technicians=_technicians(known, shares, _free_stock(visits)),
        shifts=tuple(possible),
        visits=tuple(visits.visits),
        pins=tuple(pin for pin in visits.pins if pin.visit in there),
        crews=tuple(visits.crews),
        links=tuple(links),
        depots=tuple(depots),
        published=tuple(each for each in visits.published if each.visit in there),
        now=visits.now_s if visits.now_s >= 0 else None,
        may_break_promises=visits.breaks_promises,
    )


def _free_stock(visits: DayVisits) -> dict[UUID, dict[str, int]]:
    """Return what each van holds beside what visits that stay where they are count on.

    What is still to be fetched for those is not in the van, and they do not take it from there.
    """
    known = visits.rows
    left = {technician: dict(stock) for technician, stock in known.vans.items()}
    asking = {visit.id for visit in visits.visits if visit.parts}
    for each in known.promised:
        if str(each.visit_id) in asking or str(each.work_order_id) in visits.supposed.without:
            continue  # it asks for itself, or for nothing
        stock = left.get(each.technician_id, {})
        if each.part in stock:
            stops = known.pick_ups.get(each.visit_id, ())
            fetched = sum(stop.quantity for stop in stops if stop.part == each.part)
            wanted = max(0, each.quantity - fetched)
            stock[each.part] = max(0, stock[each.part] - wanted)
    return left


def _technicians(
    rows: DayRows, shares: Mapping[str, int], vans: Mapping[UUID, Mapping[str, int]]
) -> tuple[model.Technician, ...]:
    names = {one.technician.id: one.technician.name for one in rows.working}
    return tuple(
        model.Technician(
            id=str(key),
            name=name,
            stock=tuple(sorted(vans.get(key, {}).items())),
            target_work_s=shares.get(str(key)),
        )
        for key, name in names.items()
    )


def _by_technician(working: Iterable[WorkingShift]) -> dict[UUID, list[WorkingShift]]:
    found: dict[UUID, list[WorkingShift]] = {}
    for one in working:
        found.setdefault(one.technician.id, []).append(one)
    return found
